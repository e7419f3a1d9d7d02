import { Pacer } from '../cooperate.js';
import type { Comparison, OfBehaviours, OfSamples } from '../similarity/plan/comparison.js';
import { chainWork, vectorWork } from '../similarity/plan/work.js';
import type { Costs } from './grid.js';
import type { Subject } from './subject.js';

/**
 * Rates of one thread of a usual machine. They decide where shards are cut, so they are the same everywhere: what
 * machines are really capable of would cut differently on every one.
 */
export const RATES = {
  /** Operations of pairs, in a second. */
  flops: 3e10,
  /** Bytes of weights that are read, hashed, balanced and packed, in a second. */
  bytes: 2.5e8,
  /** Seconds for a file, however small. */
  file: 1e-3,
  /** Seconds for an inner product, however small: it is put in its place, and kept. */
  pair: 2e-7,
};

/** What every model costs, by the sizes in their headers. */
export async function costsOf(
  { outlines, weights }: Subject,
  comparison: Exclude<Comparison, OfBehaviours | OfSamples>,
): Promise<Costs> {
  const { dtype, threads, signal } = comparison.settings;
  const pacer = new Pacer(signal);
  const known = new Map<unknown, number>();
  const pair = new Float64Array(outlines.length);
  for (const [place, outline] of outlines.entries()) {
    let cost = known.get(outline.layers);
    if (cost === undefined) {
      const work = (pairs: number) => {
        const compared = { models: [outline], pairs, dtype, threads };
        const { flops } =
          comparison.kind === 'weights' ? vectorWork(compared) : chainWork(compared, comparison.method, comparison.law);
        return flops;
      };
      cost = Math.sqrt((work(2) - work(1)) / RATES.flops + RATES.pair);
      known.set(outline.layers, cost);
    }
    pair[place] = cost;
    if (pacer.due(64)) await pacer.pause();
  }
  return { pair, file: weights.map((bytes) => bytes / RATES.bytes + RATES.file) };
}
