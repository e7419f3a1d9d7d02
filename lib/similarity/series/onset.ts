import { largest } from '../../extremes.js';
import { precisionOf } from '../../tensor/tensor.js';
import type { Matrix, SimilarityMatrix } from '../terms/types.js';

/**
 * Where a series of checkpoints changes: the largest change, and the onset.
 *
 * The largest change from one checkpoint to the next (change = 1 − similarity) is nearly always the first one, from
 * random weights to anything trained, and says nothing about what came later. The onset is the change that stands out
 * most from the level before it. For every change:
 *
 *   1. look back to the last change at least as large (or to the beginning);
 *   2. in between, take the quietest stretch: of all runs of neighbouring changes, the one whose largest is smallest
 *      (runs of three, or of a sixteenth of all steps where that is more);
 *   3. the rise is the change divided by that largest.
 *
 *      █
 *      █                                 █  ← rise: this one, over the largest of the stretch
 *      █ ▄                               █
 *      █ █ ▆ ▄ ▄ ▃ ▄ ▃ ▂ ▂ ▁ ▂ ▃ ▂ ▃ ▂ ▃ █ ▂ ▁ ▁
 *                      └───┘ quietest stretch
 *
 * The onset is the change with the largest rise, provided that it is at least threefold. The change out of the
 * initialisation has nothing before it, and the changes right after it no quiet stretch, so neither is ever an onset;
 * runs instead of single changes keep a checkpoint saved twice from making a level of zero, and longer runs in longer
 * series keep the luckiest of many from passing for the level. Where all changes are alike there is no onset:
 * log-normal noise of 20 % on 40 equal changes made none in a thousand trials.
 */

/** Neighbouring changes that make a level, at least, and the part of all steps that they are in a long series. */
const SHORTEST_STRETCH = 3;
const STRETCH_PART = 1 / 16;
/** The rise from which a change stands out. */
const STANDS_OUT = 3;
/** Changes below these are round-off of the compute type. */
const RESOLUTION = { float64: 1e-12, float32: 1e-6, tf32: 2e-3 } as const;

/** One output slice across one step. */
export interface OutputChange {
  /** As in `SimilarityMatrix.perOutput.names`. */
  readonly name: string;
  /** Index of the checkpoint before the step, and after it. */
  readonly from: number;
  /** Index of the checkpoint after the step. */
  readonly to: number;
  /** Of the output before the step with itself after it. */
  readonly similarity: number;
}

/** A step between consecutive checkpoints, by index. */
export interface Change {
  /** Index of the checkpoint before the step. */
  readonly from: number;
  /** Index of the checkpoint after the step, `from + 1`. */
  readonly to: number;
  /** Of the two checkpoints, in all. */
  readonly similarity: number;
  /** The output that changed most at this step; absent without per-output results or where all slices are undefined. */
  readonly output?: OutputChange;
}

/** The step at which a series changes most for what it did before. */
export interface Onset extends Change {
  /** How many times the level before it the change is; at least 3. */
  readonly rise: number;
}

/** The onset of one output by itself. */
export interface OutputOnset extends OutputChange {
  /** How many times the level before it the change of the output is; at least 3. */
  readonly rise: number;
}

/**
 * Similarity of item i with item i + 1: N − 1 values for an N×N matrix, none for N ≤ 1. NaN stays NaN.
 *
 *     const steps = consecutive(matrix.cosine); // steps[i] is matrix.cosine[i][i + 1]
 */
export function consecutive(cosine: Matrix): Float64Array {
  const similarities = new Float64Array(Math.max(0, cosine.length - 1));
  for (let i = 0; i < similarities.length; i++) similarities[i] = cosine[i][i + 1];
  return similarities;
}

/**
 * The step with the largest rise over the level before it, as described above; null if none is threefold.
 * Undefined (NaN) steps are passed over; of equal rises the first wins.
 * @param similarities consecutive similarities, length N − 1.
 * @param resolution changes up to this count as none.
 */
export function standingOut(similarities: Float64Array, resolution: number): { index: number; rise: number } | null {
  const indices: number[] = [];
  const changes: number[] = [];
  similarities.forEach((similarity, index) => {
    if (Number.isNaN(similarity)) return;
    indices.push(index);
    changes.push(Math.max(1 - similarity, resolution));
  });
  const stretch = Math.max(SHORTEST_STRETCH, Math.floor(changes.length * STRETCH_PART));
  // loudest[j] is the largest change of the stretch that ends at j.
  const loudest = changes.map((_, j) => largest(changes.slice(Math.max(0, j - stretch + 1), j + 1)));
  let best: { index: number; rise: number } | null = null;
  for (let i = stretch; i < changes.length; i++) {
    let level = Number.POSITIVE_INFINITY;
    for (let j = i - 1; j >= stretch - 1 && loudest[j] < changes[i]; j--) level = Math.min(level, loudest[j]);
    const rise = changes[i] / level;
    if (rise >= STANDS_OUT && rise > (best?.rise ?? 0)) best = { index: indices[i], rise };
  }
  return best;
}

/**
 * The largest change between consecutive checkpoints, the first of equals; null where there is none to compare.
 *
 *     const change = largestChange(await similarityMatrix(checkpoints)); // { from: 0, to: 1, similarity: 0.05 }
 */
export function largestChange(matrix: SimilarityMatrix): Change | null {
  const index = indexOfSmallest(consecutive(matrix.cosine));
  return index === null ? null : changeAt(matrix, index);
}

/**
 * The change that stands out most from the level before it; null if none is at least three times that level. The level
 * before a change is the quietest stretch of steps since the last change as large, so that neither the way out of the
 * initialisation nor the steps right after it are ever an onset.
 *
 *     const found = onset(await similarityMatrix(checkpoints, { perOutput: true }));
 *     found?.output?.name; // the output that changed most at this step
 */
export function onset(matrix: SimilarityMatrix): Onset | null {
  const found = standingOut(consecutive(matrix.cosine), resolutionOf(matrix));
  return found === null ? null : { ...changeAt(matrix, found.index), rise: found.rise };
}

/**
 * The onset of every output on its own, in the order of the outputs; null where none stands out. Empty without
 * per-output results.
 *
 *     outputOnsets(matrix).filter((found) => found !== null).map(({ name, to }) => [name, matrix.labels[to]]);
 */
export function outputOnsets(matrix: SimilarityMatrix): (OutputOnset | null)[] {
  const { names, cosine } = matrix.perOutput ?? { names: [], cosine: [] };
  return cosine.map((slice, output) => {
    const found = standingOut(consecutive(slice), sliceResolution(matrix, output));
    if (found === null) return null;
    return { ...stepOf(slice, found.index), name: names[output], rise: found.rise };
  });
}

/**
 * What two similarities of a matrix must differ by to be told apart: rounding, or the largest standard error of what
 * was sampled.
 */
export function resolutionOf(matrix: Pick<SimilarityMatrix, 'dtype' | 'tf32' | 'standardError'>): number {
  return Math.max(RESOLUTION[precisionOf(matrix.dtype, matrix)], matrix.standardError ?? 0);
}

/** The same for one output, which is known less well than the whole where it was sampled. */
function sliceResolution(matrix: SimilarityMatrix, output: number): number {
  const errors = matrix.perOutput?.cosineError?.[output];
  // Undefined ones, of slices that are zero, are passed over.
  const largest = errors?.reduce((most, row) => row.reduce((max, error) => (error > max ? error : max), most), 0);
  return Math.max(resolutionOf(matrix), largest ?? 0);
}

function changeAt(matrix: SimilarityMatrix, index: number): Change {
  const step = stepOf(matrix.cosine, index);
  if (matrix.perOutput === undefined) return step;
  const { names, cosine } = matrix.perOutput;
  const output = indexOfSmallest(cosine.map((slice) => slice[index][index + 1]));
  return output === null ? step : { ...step, output: { ...stepOf(cosine[output], index), name: names[output] } };
}

function stepOf(cosine: Matrix, index: number): { from: number; to: number; similarity: number } {
  return { from: index, to: index + 1, similarity: cosine[index][index + 1] };
}

/** Index of the first smallest value that is a number. */
function indexOfSmallest(values: ArrayLike<number>): number | null {
  let best: number | null = null;
  for (let i = 0; i < values.length; i++) {
    if (!Number.isNaN(values[i]) && (best === null || values[i] < values[best])) best = i;
  }
  return best;
}
