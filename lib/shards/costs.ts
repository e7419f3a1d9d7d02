import { Pacer } from '../cooperate.js';
import type { Outline } from '../model/reading/outline.js';
import type { Comparison, OfBehaviours, OfSamples } from '../similarity/plan/comparison.js';
import { type Cost, routeCosts } from '../similarity/plan/gram_route.js';
import { chainWork, shapeUnder, vectorWork } from '../similarity/plan/work.js';
import type { Costs } from './grid.js';
import type { Subject } from './subject.js';

/**
 * Rates of one thread of a usual machine. They decide where shards are cut, so they are the same everywhere: what
 * machines are really capable of would cut differently on every one.
 */
export const RATES = {
  /** Operations of packed products, in a second and by type; of pairs of all other kinds. */
  products: { float64: 1e11, float32: 2e11 },
  flops: 3e10,
  /** Bytes of memory, in a second; of weights that are read, hashed and balanced. */
  memory: 2.85e10,
  bytes: 3.3e8,
  /** Seconds for a file, however small, and for a header alone. */
  file: 1e-3,
  header: 9e-4,
  /** Seconds for an inner product, however small: it is put in its place, and kept. */
  pair: 2e-7,
  /** Seconds until a process is at work. */
  start: 0.25,
};

type Sharded = Exclude<Comparison, OfBehaviours | OfSamples>;

/**
 * What every model costs, by the sizes in their headers.
 * @param headers how many of them every shard reads
 */
export async function costsOf({ outlines, weights }: Subject, comparison: Sharded, headers: number): Promise<Costs> {
  const pacer = new Pacer(comparison.settings.signal);
  const known = new Map<unknown, { pair: number; file: number }>();
  const pair = new Float64Array(outlines.length);
  const file = new Float64Array(outlines.length);
  for (const [place, outline] of outlines.entries()) {
    const cost = known.get(outline.layers) ?? secondsOf(outline, comparison);
    known.set(outline.layers, cost);
    pair[place] = Math.sqrt(cost.pair + RATES.pair);
    file[place] = cost.file + weights[place] / RATES.bytes + RATES.file;
    if (pacer.due(64)) await pacer.pause();
  }
  return { pair, file, each: RATES.start + headers * RATES.header };
}

/** Seconds for the product of a model with one like it, and for its preparation, beside what every one takes. */
function secondsOf(outline: Outline, comparison: Sharded): { pair: number; file: number } {
  const { dtype, threads } = comparison.settings;
  const { route } = comparison.info;
  if (comparison.kind === 'chains' && route !== null) {
    const seconds = ({ flops, bytes }: Cost) => flops / RATES.products[dtype] + bytes / RATES.memory;
    const costs = routeCosts(route, shapeUnder(outline, comparison.law), dtype);
    return { pair: seconds(costs.pair), file: seconds(costs.prepare) };
  }
  const work = (pairs: number) => {
    const compared = { models: [outline], pairs, dtype, threads };
    const { flops } =
      comparison.kind === 'weights' ? vectorWork(compared) : chainWork(compared, comparison.method, comparison.law);
    return flops;
  };
  return { pair: (work(2) - work(1)) / RATES.flops, file: 0 };
}
