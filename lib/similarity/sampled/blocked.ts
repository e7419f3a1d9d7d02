import type { Pacer } from '../../cooperate.js';

/** Numbers of a row that are worked on at a time: those of some dozens of rows stay in a second-level cache. */
const PART = 512;

/** Numbers `from` … `to` − 1 of rows of `dimension` numbers; `width` is n, the rows of the basis. */
interface Part {
  readonly dimension: number;
  readonly width: number;
  readonly from: number;
  readonly to: number;
}

/**
 * sums[s·n + k] += Σ_i points[s, i] · basis[k, i] for rows of `dimension` numbers, n those of the basis. Every sum is
 * added up from the first i to the last, one rounded product after the other, as a plain loop does: four points meet
 * four rows at a time only so that every number that is read is used four times.
 */
export async function addProducts(
  sums: Float64Array,
  points: Float64Array,
  basis: Float64Array,
  dimension: number,
  pacer: Pacer,
): Promise<void> {
  const count = points.length / dimension;
  const width = basis.length / dimension;
  for (let from = 0; from < dimension; from += PART) {
    const part = { dimension, width, from, to: Math.min(from + PART, dimension) };
    for (let s = 0; s < count; s += 4) {
      for (let k = 0; k < width; k += 4) {
        if (s + 4 <= count && k + 4 <= width) addTileOfProducts(sums, points, basis, part, s, k);
        else addEdgeOfProducts(sums, points, basis, part, s, k);
      }
      if (pacer.due(4 * width * (part.to - from))) await pacer.pause();
    }
  }
}

function addTileOfProducts(
  sums: Float64Array,
  points: Float64Array,
  basis: Float64Array,
  { dimension, width, from, to }: Part,
  s: number,
  k: number,
): void {
  const [p0, b0] = [s * dimension, k * dimension];
  const [p1, p2, p3] = [p0 + dimension, p0 + 2 * dimension, p0 + 3 * dimension];
  const [b1, b2, b3] = [b0 + dimension, b0 + 2 * dimension, b0 + 3 * dimension];
  const r0 = s * width + k;
  const [r1, r2, r3] = [r0 + width, r0 + 2 * width, r0 + 3 * width];
  let c00 = sums[r0];
  let c01 = sums[r0 + 1];
  let c02 = sums[r0 + 2];
  let c03 = sums[r0 + 3];
  let c10 = sums[r1];
  let c11 = sums[r1 + 1];
  let c12 = sums[r1 + 2];
  let c13 = sums[r1 + 3];
  let c20 = sums[r2];
  let c21 = sums[r2 + 1];
  let c22 = sums[r2 + 2];
  let c23 = sums[r2 + 3];
  let c30 = sums[r3];
  let c31 = sums[r3 + 1];
  let c32 = sums[r3 + 2];
  let c33 = sums[r3 + 3];
  for (let i = from; i < to; i++) {
    const x0 = points[p0 + i];
    const x1 = points[p1 + i];
    const x2 = points[p2 + i];
    const x3 = points[p3 + i];
    const y0 = basis[b0 + i];
    const y1 = basis[b1 + i];
    const y2 = basis[b2 + i];
    const y3 = basis[b3 + i];
    c00 += x0 * y0;
    c01 += x0 * y1;
    c02 += x0 * y2;
    c03 += x0 * y3;
    c10 += x1 * y0;
    c11 += x1 * y1;
    c12 += x1 * y2;
    c13 += x1 * y3;
    c20 += x2 * y0;
    c21 += x2 * y1;
    c22 += x2 * y2;
    c23 += x2 * y3;
    c30 += x3 * y0;
    c31 += x3 * y1;
    c32 += x3 * y2;
    c33 += x3 * y3;
  }
  sums[r0] = c00;
  sums[r0 + 1] = c01;
  sums[r0 + 2] = c02;
  sums[r0 + 3] = c03;
  sums[r1] = c10;
  sums[r1 + 1] = c11;
  sums[r1 + 2] = c12;
  sums[r1 + 3] = c13;
  sums[r2] = c20;
  sums[r2 + 1] = c21;
  sums[r2 + 2] = c22;
  sums[r2 + 3] = c23;
  sums[r3] = c30;
  sums[r3 + 1] = c31;
  sums[r3 + 2] = c32;
  sums[r3 + 3] = c33;
}

function addEdgeOfProducts(
  sums: Float64Array,
  points: Float64Array,
  basis: Float64Array,
  { dimension, width, from, to }: Part,
  s: number,
  k: number,
): void {
  const [rows, columns] = [Math.min(s + 4, points.length / dimension), Math.min(k + 4, width)];
  for (let r = s; r < rows; r++) {
    for (let c = k; c < columns; c++) {
      let sum = sums[r * width + c];
      for (let i = from; i < to; i++) sum += points[r * dimension + i] * basis[c * dimension + i];
      sums[r * width + c] = sum;
    }
  }
}

/**
 * combined[k, i] += Σ_s factors[s·n + k] · points[s, i] for rows of `dimension` numbers, n those of `combined`. Every
 * sum is added up from the first s to the last, as a plain loop does; four rows take four points at a time.
 */
export async function addCombinations(
  combined: Float64Array,
  factors: Float64Array,
  points: Float64Array,
  dimension: number,
  pacer: Pacer,
): Promise<void> {
  const count = points.length / dimension;
  const width = combined.length / dimension;
  for (let from = 0; from < dimension; from += PART) {
    const part = { dimension, width, from, to: Math.min(from + PART, dimension) };
    for (let s = 0; s < count; s += 4) {
      for (let k = 0; k < width; k += 2) {
        if (s + 4 <= count && k + 2 <= width) addTwoCombinations(combined, factors, points, part, s, k);
        else addEdgeOfCombinations(combined, factors, points, part, s, k);
      }
      if (pacer.due(4 * width * (part.to - from))) await pacer.pause();
    }
  }
}

function addTwoCombinations(
  combined: Float64Array,
  factors: Float64Array,
  points: Float64Array,
  { dimension, width, from, to }: Part,
  s: number,
  k: number,
): void {
  const [p0, q0] = [s * dimension, k * dimension];
  const [p1, p2, p3] = [p0 + dimension, p0 + 2 * dimension, p0 + 3 * dimension];
  const q1 = q0 + dimension;
  const f0 = s * width + k;
  const [f1, f2, f3] = [f0 + width, f0 + 2 * width, f0 + 3 * width];
  const [a0, a1, a2, a3] = [factors[f0], factors[f1], factors[f2], factors[f3]];
  const [b0, b1, b2, b3] = [factors[f0 + 1], factors[f1 + 1], factors[f2 + 1], factors[f3 + 1]];
  for (let i = from; i < to; i++) {
    const x0 = points[p0 + i];
    const x1 = points[p1 + i];
    const x2 = points[p2 + i];
    const x3 = points[p3 + i];
    combined[q0 + i] = combined[q0 + i] + a0 * x0 + a1 * x1 + a2 * x2 + a3 * x3;
    combined[q1 + i] = combined[q1 + i] + b0 * x0 + b1 * x1 + b2 * x2 + b3 * x3;
  }
}

function addEdgeOfCombinations(
  combined: Float64Array,
  factors: Float64Array,
  points: Float64Array,
  { dimension, width, from, to }: Part,
  s: number,
  k: number,
): void {
  const [rows, columns] = [Math.min(s + 4, points.length / dimension), Math.min(k + 2, width)];
  for (let c = k; c < columns; c++) {
    for (let r = s; r < rows; r++) {
      const factor = factors[r * width + c];
      for (let i = from; i < to; i++) combined[c * dimension + i] += factor * points[r * dimension + i];
    }
  }
}
