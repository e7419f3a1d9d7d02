import type { GramTile, PreparedModel } from '../../backend/backend.js';
import type { Member } from '../members.js';
import type { Sources } from '../sources.js';
import { checkProduct, type GramSettings, jobControl, reporter } from './control.js';

/**
 * The 2 × 2 Gram matrix of a pair. Both ⟨a,b⟩ and ⟨b,a⟩ are computed, which may round differently, and their mean taken: the
 * result does not depend on the order of the two by a bit.
 * @throws TensimError `NOT_FINITE` or `ZERO_NORM` naming the models; the signal's reason.
 */
export async function gramPair(
  members: readonly [Member, Member],
  sources: Sources,
  settings: GramSettings,
): Promise<GramTile> {
  const { backend, measure, perOutput, dtype, threads, signal } = settings;
  const progress = reporter(settings.onProgress);
  const prepared = new Map<Member, PreparedModel>();
  try {
    const models: PreparedModel[] = [];
    for (const member of members) {
      const model =
        prepared.get(member) ?? (await backend.prepare(await sources.of(member), dtype, { signal, threads }));
      prepared.set(member, model);
      models.push(model);
      progress('prepare', models.length, 2);
      signal?.throwIfAborted();
    }
    const control = jobControl(settings, 0, 4, 4, progress);
    const tile = await backend.gramTile({ measure, symmetric: false, perOutput }, models, models, control);
    equaliseSides(tile.total, 1);
    if (tile.perOutput) equaliseSides(tile.perOutput, sources.names.length);
    const [a, b] = members.map(({ outline }) => outline.label);
    checkProduct(tile.total[0], a, a, true);
    checkProduct(tile.total[1], a, b, false);
    checkProduct(tile.total[3], b, b, true);
    progress('compare', 4, 4);
    return tile;
  } finally {
    for (const model of prepared.values()) model.dispose();
  }
}

/** Replaces ⟨a,b⟩ and ⟨b,a⟩ of a (2, 2, size) tile by their mean. */
function equaliseSides(tile: Float64Array, size: number): void {
  for (let c = 0; c < size; c++) {
    const mean = tile[size + c] / 2 + tile[2 * size + c] / 2;
    tile[size + c] = mean;
    tile[2 * size + c] = mean;
  }
}
