import type { Pacer } from '../cooperate.js';

/** Divides every row by its length, in place. @returns the lengths. */
export async function normaliseRows(
  rows: Float64Array,
  count: number,
  width: number,
  pacer: Pacer,
): Promise<Float64Array> {
  const lengths = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const row = rows.subarray(i * width, (i + 1) * width);
    lengths[i] = lengthOf(row);
    if (lengths[i] > 0) for (let j = 0; j < width; j++) row[j] /= lengths[i];
    if (pacer.due(2 * width)) await pacer.pause();
  }
  return lengths;
}

/** Squares between these add up without leaving the range of numbers, nor losing a digit to its end. */
const [LEAST_SQUARE, MOST_SQUARE] = [2 ** -900, 2 ** 900];

function lengthOf(row: Float64Array): number {
  let sum = 0;
  for (const value of row) sum += value * value;
  if (sum > LEAST_SQUARE && sum < MOST_SQUARE) return Math.sqrt(sum);
  const most = row.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  if (most === 0 || !Number.isFinite(most)) return most;
  let scaled = 0;
  for (const value of row) scaled += (value / most) ** 2;
  return most * Math.sqrt(scaled);
}

/** Rows U as β Ŵ + U⊥ with U⊥ orthogonal to the rows of Ŵ, each to its own. */
export interface SplitRows {
  /** β, (h). */
  readonly along: Float64Array;
  /** U⊥, (h, width). */
  readonly across: Float64Array;
  /** ‖U⊥‖, (h). */
  readonly lengths: Float64Array;
}

/** @param rows U, which becomes U⊥. @param directions Ŵ, rows of length 1 or 0. */
export async function splitRows(
  rows: Float64Array,
  directions: Float64Array,
  count: number,
  pacer: Pacer,
): Promise<SplitRows> {
  const width = count === 0 ? 0 : rows.length / count;
  const [along, lengths] = [new Float64Array(count), new Float64Array(count)];
  for (let i = 0; i < count; i++) {
    const across = rows.subarray(i * width, (i + 1) * width);
    const direction = directions.subarray(i * width, (i + 1) * width);
    for (let j = 0; j < width; j++) along[i] += across[j] * direction[j];
    for (let j = 0; j < width; j++) across[j] -= along[i] * direction[j];
    lengths[i] = lengthOf(across);
    if (pacer.due(5 * width)) await pacer.pause();
  }
  return { along, across: rows, lengths };
}
