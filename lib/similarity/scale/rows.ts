import type { Pacer } from '../../cooperate.js';
import { addLevels, exponentOf, levelOf, timesPower } from '../../tensor/power.js';
import type { Tensor, TensorData } from '../../tensor/tensor.js';

/* Matrices (rows, columns), row-major, as layers have them. */

/** Squares between these are summed as they are: no term that matters leaves the range of numbers. */
const SAFE = 2 ** 400;
/** The squares of inputs whose level is at most so far from zero are safe to multiply. */
const SAFE_LEVEL = 150;

/** How large the features are that a matrix is applied to: independent ones of mean 0, for all that is said of them. */
export interface Features {
  /** log₂ of the root mean square of each; −∞ for zero. */
  readonly levels: Float64Array;
  /** The mean squares; null where they are too far from 1 for sums of squares. */
  readonly squares: Float64Array | null;
}

export function featuresOf(levels: Float64Array): Features {
  const squares = new Float64Array(levels.length);
  for (let j = 0; j < levels.length; j++) {
    const level = levels[j];
    if (!(Math.abs(level) <= SAFE_LEVEL) && level !== Number.NEGATIVE_INFINITY) return { levels, squares: null };
    squares[j] = level === 0 ? 1 : 4 ** level;
  }
  return { levels, squares };
}

/**
 * The levels of W x + b, row by row: log₂ of √E (Σ_j W_ij x_j + b_i)², whatever the exponents of the numbers are. −∞
 * stands for zero.
 */
export async function rowLevels(
  { data, shape }: Tensor,
  bias: Tensor | undefined,
  { levels, squares }: Features,
  pacer: Pacer,
): Promise<Float64Array> {
  const [rows, columns] = shape as [number, number];
  const result = new Float64Array(rows);
  for (let i = 0; i < rows; i++) {
    const sum = squares === null ? 0 : rowSquare(data, i * columns, squares);
    const level = sum > 1 / SAFE && sum < SAFE ? levelOf(sum) : farRowLevel(data, i * columns, levels);
    result[i] = bias === undefined ? level : addLevels(level, Math.log2(Math.abs(bias.data[i])));
    if (pacer.due(columns)) await pacer.pause();
  }
  return result;
}

/** Σ_j W_ij² E x_j², four sums side by side. */
function rowSquare(data: TensorData, start: number, squares: Float64Array): number {
  const columns = squares.length;
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let j = 0;
  for (let at = start; j + 3 < columns; j += 4, at += 4) {
    const a = data[at];
    const b = data[at + 1];
    const c = data[at + 2];
    const d = data[at + 3];
    s0 += a * a * squares[j];
    s1 += b * b * squares[j + 1];
    s2 += c * c * squares[j + 2];
    s3 += d * d * squares[j + 3];
  }
  for (; j < columns; j++) s0 += data[start + j] * data[start + j] * squares[j];
  return s0 + s1 + (s2 + s3);
}

/** The same as a level, relative to the largest term: for numbers whose squares are beyond the range. */
function farRowLevel(data: TensorData, start: number, levels: Float64Array): number {
  let most = Number.NEGATIVE_INFINITY;
  for (let j = 0; j < levels.length; j++) most = Math.max(most, exponentOf(data[start + j]) + levels[j]);
  if (most === Number.NEGATIVE_INFINITY) return most;
  let sum = 0;
  for (let j = 0; j < levels.length; j++) {
    const value = data[start + j];
    if (value !== 0) sum += 4 ** (Math.log2(Math.abs(value)) + levels[j] - most);
  }
  return most + levelOf(sum);
}

/**
 * A shift by this much, either way, makes zero of any number: of what meets nothing but zeros. It may be of any size
 * itself, and 0 · ∞ is no number.
 */
export const TO_ZERO = 1 << 14;

/**
 * 2^(columnShift_j − rowShift_i) W_ij; the tensor itself where nothing changes. What is scaled is always float64, in
 * which no element that matters beside the others gets lost.
 * @param rowShift of length rows. @param columnShift of length columns, or null for none.
 */
export async function shifted(
  { data, shape }: Tensor,
  rowShift: Int32Array | null,
  columnShift: Int32Array | null,
  pacer: Pacer,
): Promise<Tensor> {
  const byRow = rowShift?.some((shift) => shift !== 0) ? rowShift : null;
  const byColumn = columnShift?.some((shift) => shift !== 0) ? columnShift : null;
  if (byRow === null && byColumn === null) return { data, shape };
  const rows = shape[0];
  const columns = shape[1] ?? 1;
  const result = new Float64Array(data.length);
  for (let i = 0, at = 0; i < rows; i++) {
    const down = byRow === null ? 0 : byRow[i];
    for (let j = 0; j < columns; j++, at++) {
      const shift = (byColumn === null ? 0 : byColumn[j]) - down;
      if (shift === 0) result[at] = data[at];
      else if (Math.abs(shift) < TO_ZERO / 2) result[at] = timesPower(data[at], shift);
    }
    if (pacer.due(4 * columns)) await pacer.pause();
  }
  return { data: result, shape };
}

/** A square matrix with these numbers on its diagonal. */
export function diagonal(values: ArrayLike<number>): Tensor {
  const size = values.length;
  const data = new Float64Array(size * size);
  for (let i = 0; i < size; i++) data[i * (size + 1)] = values[i];
  return { data, shape: [size, size] };
}
