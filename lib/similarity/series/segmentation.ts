import { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import type { Matrix } from '../terms/types.js';

/** Neighbouring models of a series that are alike, by index. */
export interface Phase {
  /** Index of its first model. */
  readonly first: number;
  /** Inclusive. */
  readonly last: number;
  /** Mean similarity over the pairs of the phase; 1 for a model alone. */
  readonly similarity: number;
}

/** A series cut into phases. */
export interface Segmentation {
  /** In the order of the series; together they hold every model once. */
  readonly phases: readonly Phase[];
  /** The share of the variation of the series that the phases account for, from 0 (one phase) to 1. */
  readonly explained: number;
}

/** Into how many phases a series is cut. */
export interface SegmentationOptions {
  /**
   * How many phases, at most: fewer where the numbers do not tell so many apart. Default: as few as explain `explain`.
   */
  readonly phases?: number | undefined;
  /** The share of the variation to be explained where the number of phases is not given; default 0.8. */
  readonly explain?: number | undefined;
  /**
   * Similarities nearer than this are not told apart: about 1e-6 for a matrix in float32, its largest standard error
   * for a sampled one. Default 1e-12, the rounding of float64.
   */
  readonly resolution?: number | undefined;
  /** Aborting rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Cuts a series of models into the phases that account for most of how it varies. Models scaled to norm 1 are at the
 * squared distance 2(1 − similarity), so that
 *
 *     cost of a phase of n models  =  Σ_{i<j} (1 − similarity_ij) / n
 *
 * is half the squared distances of its models from their mean. The cuts with the least cost in all are found by dynamic
 * programming over the last phase, exactly and in time O(k N²): the change points of a kernel (Harchaoui and Cappé,
 * 2007). A cut whose two sides have their means within the resolution of the numbers is none: equal models are one
 * phase, however many are asked for.
 *
 *     const { phases } = await segmentation(matrix.cosine, { phases: 5 });
 *     phases.map(({ first, last }) => [matrix.labels[first], matrix.labels[last]]);
 *
 * @param cosine similarities of every pair, N×N; read, not copied, until the promise settles.
 * @throws TensimError (rejects) `INVALID_ARGUMENT` for no models, more phases than models, or a share or resolution
 * that is none; `NOT_FINITE` where a similarity is undefined.
 */
export async function segmentation(cosine: Matrix, options: SegmentationOptions = {}): Promise<Segmentation> {
  const { phases, explain = 0.8, resolution = ROUNDING, signal } = options;
  const count = cosine.length;
  check(count, phases, explain, resolution);
  const pacer = new Pacer(signal);
  const { costs: first, widest } = await firstLayer(cosine, pacer);
  const layers: Layer[] = [{ costs: first, starts: new Int32Array(count + 1) }];
  const whole = first[count];
  const left = () => layers.at(-1)!.costs[count];
  // With as many phases as models the cost is zero, so that every share is reached.
  const enough = () => (phases === undefined ? left() <= (1 - explain) * whole : layers.length === phases);
  const varies = widest > resolution;
  while (varies && !enough()) layers.push(await nextLayer(cosine, layers, pacer));
  while (!(await apart(cosine, boundaries(layers, count), resolution, pacer))) layers.pop();
  return {
    phases: boundaries(layers, count).map(([from, to]) => ({
      first: from,
      last: to,
      similarity: mean(cosine, from, to),
    })),
    explained: varies ? 1 - left() / whole : 1,
  };
}

/** Of similarities in float64. */
const ROUNDING = 1e-12;

/**
 * Models cut into a number of phases: for every end ≤ N, the least cost of all models before it, and where the last
 * phase starts.
 */
interface Layer {
  readonly costs: Float64Array;
  readonly starts: Int32Array;
}

function check(count: number, phases: number | undefined, explain: number, resolution: number): void {
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
  if (!(resolution >= 0 && resolution <= 2)) {
    throw new TensimError('INVALID_ARGUMENT', `the resolution of the similarities is ${String(resolution)}`, {
      hint: 'It must be between 0 and 2',
    });
  }
}

/** The cost of all models before every end as one phase, and the largest 1 − similarity of two. */
async function firstLayer(cosine: Matrix, pacer: Pacer): Promise<{ costs: Float64Array; widest: number }> {
  const costs = new Float64Array(cosine.length + 1);
  let widest = 0;
  for await (const { end, spread } of ends(cosine, pacer)) {
    costs[end] = spread[0] / end;
    for (let i = 0; i < end; i++) widest = Math.max(widest, 1 - cosine[i][end - 1]);
  }
  return { costs, widest };
}

/**
 * One phase more: the least over where the last phase starts. No phase is empty, so that so many models are left to
 * those before it.
 */
async function nextLayer(cosine: Matrix, layers: readonly Layer[], pacer: Pacer): Promise<Layer> {
  const before = layers.at(-1)!.costs;
  const costs = new Float64Array(before.length);
  const starts = new Int32Array(before.length);
  for await (const { end, spread } of ends(cosine, pacer)) {
    let least = Number.POSITIVE_INFINITY;
    for (let start = layers.length; start < end; start++) {
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
      if (!Number.isFinite(similarity)) {
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

/** First and last model. */
type Extent = readonly [first: number, last: number];

/** The phases of the last layer, from where the last phase of each starts. */
function boundaries(layers: readonly Layer[], count: number): Extent[] {
  const found: Extent[] = [];
  let end = count;
  for (const { starts } of layers.toReversed()) {
    found.unshift([starts[end], end - 1]);
    end = starts[end];
  }
  return found;
}

/**
 * Whether the means of every two neighbouring phases are farther from each other than the resolution. Half their
 * squared distance is the mean of 1 − similarity across the two, less what the models of each spread about their own
 * mean.
 */
async function apart(cosine: Matrix, phases: readonly Extent[], resolution: number, pacer: Pacer): Promise<boolean> {
  let before: { readonly extent: Extent; readonly spread: number } | undefined;
  for (const extent of phases) {
    const size = extent[1] - extent[0] + 1;
    const spread = ((1 - mean(cosine, ...extent)) * (size - 1)) / (2 * size);
    if (before !== undefined && across(cosine, before.extent, extent) - before.spread - spread <= resolution)
      return false;
    before = { extent, spread };
    if (pacer.due(2 * size * cosine.length)) await pacer.pause();
  }
  return true;
}

/** The mean of 1 − similarity over the pairs of one of the first with one of the second. */
function across(cosine: Matrix, [a, b]: Extent, [c, d]: Extent): number {
  let sum = 0;
  for (let i = a; i <= b; i++) for (let j = c; j <= d; j++) sum += 1 - cosine[i][j];
  return sum / ((b - a + 1) * (d - c + 1));
}

function mean(cosine: Matrix, first: number, last: number): number {
  const size = last - first + 1;
  if (size === 1) return 1;
  let sum = 0;
  for (let i = first; i < last; i++) for (let j = i + 1; j <= last; j++) sum += cosine[i][j];
  return sum / ((size * (size - 1)) / 2);
}
