import { Pacer } from '../../cooperate.js';
import { type Dense, dense, type Engine, einsum, gatherRows } from './algebra.js';

/** Rows of length 1 whose rest is shorter than this lie in the span of the others, but for rounding. */
const NEGLIGIBLE = 1e-13;
/**
 * In one round, rests are taken down to this part of the longest. A Gram matrix knows lengths of its rows down to √ε of
 * the longest; this leaves half of those digits for the angles, which a second pass then makes right to ε.
 */
const ROUND = 1e-4;

/**
 * An orthonormal basis (r, k) of the space of rows (n, k) of length 1 or 0, by products of matrices alone: each round
 * picks rows by a pivoted Cholesky factorisation of the Gram matrix of the rests, makes them orthonormal, takes them
 * out of all rests, and begins again with what is left. Rows that differ in the eighth digit (two checkpoints a step
 * apart) take three rounds instead of one.
 */
export async function rowSpace(rows: Dense, engine: Engine): Promise<Dense> {
  const pacer = new Pacer(engine.signal);
  const [count, width] = rows.shape;
  const most = Math.min(count, width);
  const basis = new Float64Array(most * width);
  let rank = 0;
  for (let rest: Dense | null = rows; rest !== null; ) {
    const gram: Dense = await einsum('ik,jk->ij', [rest, rest], engine);
    const pivots = await choosePivots(gram.data, count, most - rank, pacer);
    if (pivots.length === 0) break;
    let added = await orthonormal(gatherRows(rest, pivots), submatrix(gram.data, count, pivots), engine, pacer);
    if (rank > 0) added = await without(added, dense(basis.subarray(0, rank * width), rank, width), engine, pacer);
    added = await orthonormal(added, (await einsum('ik,jk->ij', [added, added], engine)).data, engine, pacer);
    basis.set(added.data, rank * width);
    rank += pivots.length;
    rest = rank < most ? await without(rest, added, engine, pacer) : null;
  }
  return dense(basis.subarray(0, rank * width), rank, width);
}

/** The rows that a pivoted Cholesky factorisation takes, until what is left of all is below `ROUND` or negligible. */
async function choosePivots(gram: Float64Array, count: number, most: number, pacer: Pacer): Promise<number[]> {
  const left = Float64Array.from({ length: count }, (_, i) => gram[i * (count + 1)]);
  const chosen: number[] = [];
  const columns: Float64Array[] = [];
  let least = NEGLIGIBLE ** 2;
  while (chosen.length < most) {
    const pivot = left.reduce((best, length, i) => (length > left[best] ? i : best), 0);
    if (!(left[pivot] > least)) break;
    if (chosen.length === 0) least = Math.max(least, ROUND ** 2 * left[pivot]);
    const column = gram.slice(pivot * count, (pivot + 1) * count);
    for (const other of columns) {
      subtract(column, 0, other[pivot], other, 0, count);
      if (pacer.due(count)) await pacer.pause();
    }
    const root = Math.sqrt(left[pivot]);
    for (let i = 0; i < count; i++) {
      column[i] /= root;
      left[i] -= column[i] * column[i];
    }
    left[pivot] = 0;
    columns.push(column);
    chosen.push(pivot);
  }
  return chosen;
}

/** C⁻¹ · rows with C Cᵀ their Gram matrix: orthonormal as far as the condition of that matrix allows. */
async function orthonormal(rows: Dense, gram: Float64Array, engine: Engine, pacer: Pacer): Promise<Dense> {
  const [count] = rows.shape;
  const inverse = await inverseFactor(gram, count, pacer);
  return einsum('ij,jk->ik', [dense(inverse, count, count), rows], engine);
}

/**
 * C⁻¹ of a positive definite C Cᵀ, lower triangular: Cholesky's factor, eliminated from the identity as it is found.
 */
async function inverseFactor(gram: Float64Array, size: number, pacer: Pacer): Promise<Float64Array> {
  const factor = new Float64Array(size * size);
  const inverse = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    const row = i * size;
    let square = gram[row + i];
    for (let j = 0; j < i; j++) {
      const other = j * size;
      const part = (gram[row + j] - dot(factor, row, other, j)) / factor[other + j];
      factor[row + j] = part;
      square -= part * part;
      subtract(inverse, row, part, inverse, other, j + 1);
      if (pacer.due(2 * j)) await pacer.pause();
    }
    const root = Math.sqrt(square);
    factor[row + i] = root;
    inverse[row + i] = 1;
    for (let k = row; k <= row + i; k++) inverse[k] /= root;
  }
  return inverse;
}

/*
 * The innermost loops as functions of their own: an engine optimises such at their first hundred calls, but an
 * asynchronous function that is called once, in the middle of its loops, only late.
 */

/** The dot product of two stretches of an array. */
function dot(data: Float64Array, a: number, b: number, length: number): number {
  let sum = 0;
  for (let k = 0; k < length; k++) sum += data[a + k] * data[b + k];
  return sum;
}

/** target −= factor · source, over stretches of two arrays. */
function subtract(
  target: Float64Array,
  to: number,
  factor: number,
  source: Float64Array,
  from: number,
  length: number,
): void {
  for (let k = 0; k < length; k++) target[to + k] -= factor * source[from + k];
}

/** rows − (rows Bᵀ) B. */
async function without(rows: Dense, basis: Dense, engine: Engine, pacer: Pacer): Promise<Dense> {
  const overlaps = await einsum('ik,jk->ij', [rows, basis], engine);
  const parts = await einsum('ij,jk->ik', [overlaps, basis], engine);
  const width = rows.shape[1];
  for (let start = 0; start < parts.data.length; start += width) {
    for (let k = start; k < start + width; k++) parts.data[k] = rows.data[k] - parts.data[k];
    if (pacer.due(width)) await pacer.pause();
  }
  return parts;
}

/** The rows and columns of these numbers. */
function submatrix(matrix: Float64Array, size: number, numbers: readonly number[]): Float64Array {
  const part = new Float64Array(numbers.length ** 2);
  for (const [i, row] of numbers.entries()) {
    for (const [j, column] of numbers.entries()) part[i * numbers.length + j] = matrix[row * size + column];
  }
  return part;
}
