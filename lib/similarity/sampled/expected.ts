import type { BackendWith } from '../../backend/backend.js';
import { isInRange, timesPower } from '../../tensor/power.js';
import type { GramSettings } from '../gram/control.js';
import { LocalExecutor } from '../gram/local.js';
import { allPairs } from '../gram/pairs.js';
import { jobs } from '../gram/schedule.js';
import { chainSources } from '../gram/sources.js';
import type { LawOfInputs } from '../law/onehot.js';
import type { Member } from '../members/members.js';
import type { SampleSettings } from './settings.js';
import type { Surrogates } from './surrogate.js';

/** Models along the side of a tile. */
const TILE = 16;

/**
 * The inner products of all of these models by the exact method for units, in double precision; null where numbers
 * leave the range.
 * @param places where each stands among `count` models.
 * @throws TensimError `ZERO_NORM`, `PRECISION`, `MEMORY_LIMIT`; the signal's reason.
 */
export async function expectedProducts(
  members: readonly Member[],
  places: readonly number[],
  count: number,
  law: LawOfInputs,
  { perOutput, threads, signal, backend, memoryLimit = Number.POSITIVE_INFINITY }: SampleSettings,
): Promise<Pick<Surrogates, 'total' | 'perOutput'> | null> {
  const settings: GramSettings = {
    ...{ dtype: 'float64', measure: 'gaussian', perOutput, threads, signal, onProgress: undefined },
    backend: backend as BackendWith<'grams'>,
  };
  const sources = chainSources(
    members.map(({ outline }) => outline),
    'hidden',
    law,
    undefined,
    settings,
  );
  const outputs = sources.names.length;
  const total = new Float64Array(count * count);
  const slices = perOutput ? new Float64Array(count * count * outputs) : null;
  const executor = new LocalExecutor({ members, sources, memoryLimit }, settings);
  try {
    const all = [...members.keys()];
    const extents = await executor.open(all, { tile: TILE, block: members.length }, () => {});
    for (const job of jobs(allPairs(members.length), extents)) {
      const tile = await executor.run(job, { signal });
      const { exponents, sliceExponents } = 'exponents' in tile ? tile : { exponents: null, sliceExponents: null };
      for (const [r, row] of job.rows.entries()) {
        for (const [c, column] of job.columns.entries()) {
          const from = r * job.columns.length + c;
          const cells = [places[row] * count + places[column], places[column] * count + places[row]];
          const exponent = exponents?.[from] ?? 0;
          if (!isInRange(tile.total[from], exponent)) return null;
          for (const cell of cells) total[cell] = timesPower(tile.total[from], exponent);
          for (let s = 0; slices !== null && s < outputs; s++) {
            const at = from * outputs + s;
            const value = timesPower(tile.perOutput![at], sliceExponents?.[at] ?? 0);
            for (const cell of cells) slices[cell * outputs + s] = value;
          }
        }
      }
    }
    return { total, perOutput: slices };
  } finally {
    await executor.close();
  }
}
