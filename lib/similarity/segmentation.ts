import { Pacer } from '../cooperate.js';
import { TensimError } from '../errors.js';
import type { Matrix } from './types.js';

/** Neighbouring models of a series that are alike, by index. */
export interface Phase {
  readonly first: number;
  /** Inclusive. */
  readonly last: number;
  /** Mean similarity over the pairs of the phase; 1 for a model alone. */
  readonly similarity: number;
}

export interface Segmentation {
  readonly phases: readonly Phase[];
  /** The share of the variation of the series that the phases account for, from 0 (one phase) to 1. */
  readonly explained: number;
}

export interface SegmentationOptions {
  /** How many phases. Default: as few as explain `explain`. */
  readonly phases?: number | undefined;
  /** The share of the variation to be explained where the number of phases is not given; default 0.8. */
  readonly explain?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Cuts a series of models into the phases that account for most of how it varies. Models scaled to norm 1 are at the squared distance
 * 2(1 − similarity), so that
 *
 *     cost of a phase of n models  =  Σ_{i<j} (1 − similarity_ij) / n
 *
 * is half the squared distances of its models from their mean. The cuts with the least cost in all are found by dynamic programming
 * over the last phase, exactly and in time O(k N²): the change points of a kernel (Harchaoui and Cappé, 2007).
 *
 * @param cosine similarities of every pair, N×N.
 * @throws TensimError (rejects) `INVALID_ARGUMENT` for no models, more phases than models, or a share that is none; `NOT_FINITE` where
 * a similarity is undefined.
 */
export async function segmentation(cosine: Matrix, options: SegmentationOptions = {}): Promise<Segmentation> {
  const { phases, explain = 0.8, signal } = options;
  const count = cosine.length;
  check(count, phases, explain);
  const pacer = new Pacer(signal);
  let costs = await firstLayer(cosine, pacer);
  const whole = costs[count];
  const cuts: Int32Array[] = [];
  // With as many phases as models the cost is zero, so that every share is reached.
  const enough = () => (phases === undefined ? costs[count] <= (1 - explain) * whole : cuts.length + 1 === phases);
  while (!enough()) {
    const layer = await nextLayer(cosine, costs, pacer);
    costs = layer.costs;
    cuts.push(layer.starts);
  }
  return {
    phases: boundaries(cuts, count).map(([first, last]) => ({ first, last, similarity: mean(cosine, first, last) })),
    explained: whole === 0 ? 1 : 1 - costs[count] / whole,
  };
}

function check(count: number, phases: number | undefined, explain: number): void {
  if (count === 0) throw new TensimError('INVALID_ARGUMENT', 'there is no model to put into phases');
  if (phases !== undefined && !(Number.isSafeInteger(phases) && phases >= 1 && phases <= count)) {
    throw new TensimError('INVALID_ARGUMENT', `${count} models cannot be cut into ${String(phases)} phases`, {
      hint: `Ask for 1 to ${count}`,
    });
  }
  if (!(explain >= 0 && explain <= 1)) {
    throw new TensimError('INVALID_ARGUMENT', `the share to explain is ${String(explain)}`, {
      hint: 'It must be between 0 and 1',
    });
  }
}

/** For every end ≤ N, the cost of all models before it as one phase. */
async function firstLayer(cosine: Matrix, pacer: Pacer): Promise<Float64Array> {
  const costs = new Float64Array(cosine.length + 1);
  for await (const { end, spread } of ends(cosine, pacer)) costs[end] = spread[0] / end;
  return costs;
}

/** The same with one phase more: the least over where the last phase starts, and that start. */
async function nextLayer(
  cosine: Matrix,
  before: Float64Array,
  pacer: Pacer,
): Promise<{ costs: Float64Array; starts: Int32Array }> {
  const costs = new Float64Array(before.length);
  const starts = new Int32Array(before.length);
  for await (const { end, spread } of ends(cosine, pacer)) {
    let least = Number.POSITIVE_INFINITY;
    for (let start = Math.min(1, end - 1); start < end; start++) {
      const cost = before[start] + spread[start] / (end - start);
      if (cost < least) {
        least = cost;
        starts[end] = start;
      }
    }
    costs[end] = least;
  }
  return { costs, starts };
}

/** For every end from 1 to N: `spread[start]`, the sum of 1 − similarity over the pairs of start … end − 1. */
async function* ends(cosine: Matrix, pacer: Pacer): AsyncGenerator<{ end: number; spread: Float64Array }> {
  const spread = new Float64Array(cosine.length);
  for (let end = 1; end <= cosine.length; end++) {
    const newest = end - 1;
    let toNewest = 0;
    for (let start = newest - 1; start >= 0; start--) {
      const similarity = cosine[start][newest];
      if (Number.isNaN(similarity)) {
        throw new TensimError('NOT_FINITE', `the similarity of models ${start} and ${newest} is undefined`, {
          hint: 'Leave out models that are zero, or compare every pair',
        });
      }
      toNewest += 1 - similarity;
      spread[start] += toNewest;
    }
    yield { end, spread };
    if (pacer.due(4 * end)) await pacer.pause();
  }
}

/** First and last model of every phase, from where the last phase of each layer starts. */
function boundaries(cuts: readonly Int32Array[], count: number): [first: number, last: number][] {
  const found: [number, number][] = [];
  let end = count;
  for (let layer = cuts.length - 1; layer >= 0; layer--) {
    const start = cuts[layer][end];
    found.unshift([start, end - 1]);
    end = start;
  }
  return [[0, end - 1], ...found];
}

function mean(cosine: Matrix, first: number, last: number): number {
  const size = last - first + 1;
  if (size === 1) return 1;
  let sum = 0;
  for (let i = first; i < last; i++) for (let j = i + 1; j <= last; j++) sum += cosine[i][j];
  return sum / ((size * (size - 1)) / 2);
}
