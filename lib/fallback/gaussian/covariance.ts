import type { Pacer } from '../../cooperate.js';
import { copyRows, type MatrixView, rowMajor, transpose } from '../../tensor/matrix.js';
import { multiply } from '../gemm/gemm.js';

/**
 * Cov(x_s, x'_t) of every two positions: block s·positions + t has the shape (rows, columns), row-major; null is zero.
 * Equal blocks may be one array, and work on it is then done once.
 */
export interface Covariance {
  readonly positions: number;
  readonly rows: number;
  readonly columns: number;
  readonly blocks: readonly (Float64Array | null)[];
}

/**
 * One summand left · middle · rightᵀ of a covariance of outputs; without `left` or `right` the identity stands there.
 */
export interface Term {
  readonly left: MatrixView | null;
  readonly middle: MatrixView;
  readonly right: MatrixView | null;
}

/** Pairs of positions, of one chain and the other. */
export type Pairs = readonly (readonly [s: number, t: number])[];

/** Something per position, kept once where all positions are alike. */
export type PerPosition<T> = readonly T[];

export function at<T>(values: PerPosition<T>, position: number): T {
  return values[values.length === 1 ? 0 : position];
}

/** The positions alike and independent: F F'ᵀ on the diagonal. */
export async function independent(a: MatrixView, b: MatrixView, positions: number, pacer: Pacer): Promise<Covariance> {
  const block = await multiply(a, transpose(b), pacer);
  const blocks = Array.from({ length: positions ** 2 }, (_, i) => (i % (positions + 1) === 0 ? block : null));
  return { positions, rows: a.rows, columns: b.rows, blocks };
}

/** The block of two positions as a matrix, or null. */
export function blockAt({ positions, rows, columns, blocks }: Covariance, s: number, t: number): MatrixView | null {
  const block = blocks[s * positions + t];
  return block === null ? null : rowMajor(block, rows, columns);
}

/** Σ left · middle · rightᵀ; null for no terms. */
export async function sumOfTerms(terms: readonly Term[], pacer: Pacer): Promise<MatrixView | null> {
  let sum: MatrixView | null = null;
  for (const { left, middle, right } of terms) {
    const half = left === null ? middle : await times(left, middle, pacer);
    const term = right === null ? half : await times(half, transpose(right), pacer);
    sum = sum === null ? term : rowMajor(await added(sum, term, pacer), term.rows, term.columns);
  }
  return sum;
}

/** Adds to `result` the diagonal of left · middle · rightᵀ, without the rest of it. */
export async function addDiagonal(result: Float64Array, { left, middle, right }: Term, pacer: Pacer): Promise<void> {
  const half = left === null ? middle : await times(left, middle, pacer);
  for (let c = 0; c < result.length; c++) {
    if (right === null) {
      result[c] += half.data[c * half.rowStride + c * half.columnStride];
      continue;
    }
    let sum = 0;
    let from = c * half.rowStride;
    let to = c * right.rowStride;
    for (let k = 0; k < half.columns; k++, from += half.columnStride, to += right.columnStride) {
      sum += half.data[from] * right.data[to];
    }
    result[c] += sum;
    if (pacer.due(half.columns)) await pacer.pause();
  }
}

/** Terms with the same sides as one, their middles added: what a sum over positions allows. */
export async function mergeTerms(terms: readonly Term[], pacer: Pacer): Promise<Term[]> {
  const merged: Term[] = [];
  for (const term of terms) {
    const index = merged.findIndex(({ left, right }) => left === term.left && right === term.right);
    if (index === -1) {
      merged.push(term);
      continue;
    }
    const { middle } = term;
    const sum = await added(merged[index].middle, middle, pacer);
    merged[index] = { ...term, middle: rowMajor(sum, middle.rows, middle.columns) };
  }
  return merged;
}

/** Cov(x'_t, x_s); blocks that are one array stay one. */
export async function transposed({ positions, rows, columns, blocks }: Covariance, pacer: Pacer): Promise<Covariance> {
  const turned = new Map<Float64Array | null, Float64Array | null>([[null, null]]);
  for (const block of blocks) {
    if (turned.has(block)) continue;
    const { data } = await transposedCopy(rowMajor(block!, rows, columns), pacer);
    turned.set(block, data as Float64Array);
  }
  const order = blocks.map((_, i) => (i % positions) * positions + Math.floor(i / positions));
  return { positions, rows: columns, columns: rows, blocks: order.map((i) => turned.get(blocks[i])!) };
}

/** right · middleᵀ · leftᵀ. */
export async function flipped({ left, middle, right }: Term, pacer: Pacer): Promise<Term> {
  return { left: right, middle: await transposedCopy(middle, pacer), right: left };
}

async function transposedCopy(view: MatrixView, pacer: Pacer): Promise<MatrixView> {
  const data = new Float64Array(view.rows * view.columns);
  await copyRows(transpose(view), 1, data, 0, view.rows, pacer);
  return rowMajor(data, view.columns, view.rows);
}

/** A · B as a row-major matrix. */
export async function times(a: MatrixView, b: MatrixView, pacer: Pacer): Promise<MatrixView> {
  return rowMajor(await multiply(a, b, pacer), a.rows, b.columns);
}

/** The sum of two row-major matrices. */
async function added(a: MatrixView, b: MatrixView, pacer: Pacer): Promise<Float64Array> {
  const sum = new Float64Array(a.data);
  for (let i = 0; i < a.rows; i++) {
    for (let j = i * a.columns; j < (i + 1) * a.columns; j++) sum[j] += b.data[j];
    if (pacer.due(a.columns)) await pacer.pause();
  }
  return sum;
}
