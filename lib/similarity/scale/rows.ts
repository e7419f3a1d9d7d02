import type { Pacer } from '../../cooperate.js';
import { addLevels, exponentOf, levelOf, timesPower } from '../../tensor/power.js';
import type { Tensor, TensorData } from '../../tensor/tensor.js';

/* Matrices (rows, columns), row-major, as layers have them. */

/** Squares between these are summed as they are: no term that matters leaves the range of numbers. */
const SAFE = 2 ** 400;
/** The squares of inputs whose level is at most so far from zero are safe to multiply. */
const SAFE_LEVEL = 150;

/**
 * The levels of W x + b, row by row: log₂ of √E (Σ_j W_ij x_j + b_i)² for independent x_j of the given levels, whatever the exponents of the
 * numbers are. −∞ stands for zero.
 */
export async function rowLevels(
  weight: Tensor,
  bias: Tensor | undefined,
  levels: Float64Array,
  pacer: Pacer,
): Promise<Float64Array> {
  const [rows, columns] = weight.shape as [number, number];
  const result = new Float64Array(rows);
  const safe = levels.every((level) => Math.abs(level) <= SAFE_LEVEL || level === Number.NEGATIVE_INFINITY);
  const squares = levels.map((level) => 4 ** level);
  for (let i = 0; i < rows; i++) {
    const sum = safe ? rowSquare(weight.data, i * columns, squares) : 0;
    const level = sum > 1 / SAFE && sum < SAFE ? levelOf(sum) : farRowLevel(weight.data, i * columns, levels);
    result[i] = bias === undefined ? level : addLevels(level, Math.log2(Math.abs(bias.data[i])));
    if (pacer.due(columns)) await pacer.pause();
  }
  return result;
}

/** Σ_j W_ij² E x_j², four sums side by side. */
function rowSquare(data: TensorData, start: number, squares: Float64Array): number {
  const columns = squares.length;
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  let j = 0;
  for (let at = start; j + 3 < columns; j += 4, at += 4) {
    s0 += data[at] * data[at] * squares[j];
    s1 += data[at + 1] * data[at + 1] * squares[j + 1];
    s2 += data[at + 2] * data[at + 2] * squares[j + 2];
    s3 += data[at + 3] * data[at + 3] * squares[j + 3];
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
 * 2^(columnShift_j − rowShift_i) W_ij; the tensor itself where nothing changes. What is scaled is always float64, in which no element
 * that matters beside the others gets lost.
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
      result[at] = shift === 0 ? data[at] : timesPower(data[at], shift);
    }
    if (pacer.due(4 * columns)) await pacer.pause();
  }
  return { data: result, shape };
}
