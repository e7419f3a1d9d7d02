import type { GramTile } from '../../backend/grams.js';
import type { Member } from '../members/members.js';
import { inUnits, type ScaledTile } from '../scale/model_scale.js';
import { type Prepared, prepareInUnits } from '../scale/prepare.js';
import { checkProduct, type GramSettings, jobControl, reporter } from './control.js';
import { checkOwn } from './precision.js';
import type { Sources } from './sources.js';

/**
 * The 2 × 2 Gram matrix of a pair. Both ⟨a,b⟩ and ⟨b,a⟩ are computed, which may round differently, and their mean
 * taken: the result does not depend on the order of the two by a bit.
 * @throws TensimError `NOT_FINITE` or `ZERO_NORM` naming the models; the signal's reason.
 */
export async function gramPair(
  members: readonly [Member, Member],
  sources: Sources,
  settings: GramSettings,
): Promise<GramTile | ScaledTile> {
  const { backend, measure, perOutput, degrees = measure === 'gaussian', signal } = settings;
  const progress = reporter(settings.onProgress);
  const prepared = new Map<Member, Prepared>();
  try {
    const both: Prepared[] = [];
    for (const member of members) {
      const own = prepared.get(member) ?? (await prepareInUnits([await sources.of(member)], settings))[0];
      prepared.set(member, own);
      both.push(own);
      progress('prepare', both.length, 2);
      signal?.throwIfAborted();
    }
    const control = jobControl(settings, 0, 4, 4, progress);
    const models = both.map(({ model }) => model);
    const job = { measure, symmetric: false, perOutput, degrees };
    const tile = await backend.grams.tile(job, models, models, control);
    const scales = both.map(({ scale }) => scale);
    const result = inUnits(tile, scales, scales) ?? tile;
    equaliseSides(result.total, 1);
    if (result.perOutput) equaliseSides(result.perOutput, sources.names.length);
    if (result.perDegree) equaliseSides(result.perDegree, result.perDegree.length / 4);
    const labels = members.map(({ outline }) => outline.label);
    for (const [i, member] of members.entries()) {
      await checkOwn(result, 3 * i, scales[i], member, sources, settings);
    }
    checkProduct(result.total[1], labels[0], labels[1], false);
    progress('compare', 4, 4);
    return result;
  } finally {
    for (const { model } of prepared.values()) model.dispose();
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
