import type { Pacer } from '../../cooperate.js';
import { addCombinations, addProducts } from './blocked.js';
import type { Directions } from './components.js';

/** At most so many directions: the cost of stretching stays small beside that of a forward pass. */
const MOST_DIRECTIONS = 32;
/** A direction whose variance is below this is left alone. */
const THRESHOLD = 1.25;
const ROUNDS = 12;
/** Points that are worked on at a time. */
const AT_ONCE = 64;
/** A bound on all variances takes count² · dimension operations and some count³: it is looked at where that is little. */
const WORTH = 4;
/** Squarings of the bound: of n points it is too large by n^(1/64) at most. */
const SQUARINGS = 6;
/** What rounding may have taken from the bound. */
const ROUNDING = 1e-9;

export interface SpreadSettings {
  /** How many independent points these are worth. */
  readonly effective: number;
  /** No variance is larger. */
  readonly most: number;
  /** T Tᵀ of so many rows, to rounding. */
  readonly products: (rows: Float64Array, count: number) => Promise<Float64Array>;
}

/**
 * The directions along which points z, (count, dimension), spread further than N(0, I) does. With few points for the
 * dimension, pure noise has variances of up to (1 + √(dimension / points))², so those are not believed. By orthogonal
 * iteration, in operations that IEEE 754 rounds correctly: the same on every backend.
 */
export async function spreadDirections(
  points: Float64Array,
  dimension: number,
  { effective, most, products }: SpreadSettings,
  pacer: Pacer,
): Promise<Directions | null> {
  const count = points.length / dimension;
  const width = Math.min(dimension, MOST_DIRECTIONS);
  const threshold = Math.max(THRESHOLD, (1 + Math.sqrt(dimension / effective)) ** 2);
  if (count * count <= WORTH * width * dimension && (await mostVariance(points, count, products)) <= threshold)
    return null;
  const basis = new Float64Array(width * dimension);
  // Any points will do to begin with.
  for (let k = 0; k < width; k++) {
    const from = Math.floor((k * count) / width) * dimension;
    basis.set(points.subarray(from, from + dimension), k * dimension);
  }
  const variances = new Float64Array(width);
  const next = new Float64Array(basis.length);
  const along = new Float64Array(AT_ONCE * width);
  for (let round = 0; round < ROUNDS; round++) {
    orthonormalise(basis, width, dimension);
    next.fill(0);
    variances.fill(0);
    for (let first = 0; first < count; first += AT_ONCE) {
      const rows = Math.min(AT_ONCE, count - first);
      const block = points.subarray(first * dimension, (first + rows) * dimension);
      await addProducts(along.fill(0), block, basis, dimension, pacer);
      for (let s = 0; s < rows; s++) {
        for (let k = 0; k < width; k++) variances[k] += (along[s * width + k] * along[s * width + k]) / count;
      }
      await addCombinations(next, along, block, dimension, pacer);
    }
    if (round < ROUNDS - 1) basis.set(next);
  }
  const kept = [...variances.keys()]
    .filter((k) => variances[k] > threshold)
    .sort((a, b) => variances[b] - variances[a]);
  if (kept.length === 0) return null;
  const chosen = new Float64Array(kept.length * dimension);
  for (const [place, k] of kept.entries()) {
    chosen.set(basis.subarray(k * dimension, (k + 1) * dimension), place * dimension);
  }
  return { basis: chosen, variances: Float64Array.from(kept, (k) => Math.min(most, variances[k])) };
}

/**
 * No direction has a larger variance: the largest eigenvalue of T Tᵀ / count is at most the p-th root of the trace of
 * its p-th power. Many dimensions and few points are told from a direction that stands out by this alone.
 */
async function mostVariance(
  points: Float64Array,
  count: number,
  products: SpreadSettings['products'],
): Promise<number> {
  let power = await products(points, count);
  let exponent = 1;
  let logarithm = 0;
  for (let squaring = 0; ; squaring++) {
    let trace = 0;
    for (let i = 0; i < count; i++) trace += power[i * (count + 1)];
    if (!(trace > 0)) return trace === 0 ? 0 : Number.POSITIVE_INFINITY;
    logarithm += Math.log(trace) / exponent;
    if (squaring === SQUARINGS) break;
    power = await products(
      power.map((value) => value / trace),
      count,
    );
    exponent *= 2;
  }
  return (Math.exp(logarithm) / count) * (1 + ROUNDING);
}

/**
 * Rows become orthonormal one after the other, by Gram and Schmidt's method twice; a row that others span becomes zero.
 */
function orthonormalise(rows: Float64Array, count: number, width: number): void {
  for (let r = 0; r < count; r++) {
    const row = rows.subarray(r * width, (r + 1) * width);
    const before = norm(row);
    for (let pass = 0; pass < 2; pass++) {
      for (let q = 0; q < r; q++) {
        let along = 0;
        for (let i = 0; i < width; i++) along += row[i] * rows[q * width + i];
        for (let i = 0; i < width; i++) row[i] -= along * rows[q * width + i];
      }
    }
    const length = norm(row);
    const inverse = length > 1e-12 * before ? 1 / length : 0;
    for (let i = 0; i < width; i++) row[i] *= inverse;
  }
}

function norm(row: Float64Array): number {
  let square = 0;
  for (const value of row) square += value * value;
  return Math.sqrt(square);
}

/** Standard normal numbers z, (count, dimension), become samples of the law that is stretched along directions. */
export async function stretchAlong(z: Float64Array, along: Directions, dimension: number, pacer: Pacer): Promise<void> {
  const { basis, variances } = along;
  for (let at = 0; at < z.length; at += dimension) {
    for (let k = 0; k < variances.length; k++) {
      const added = (Math.sqrt(variances[k]) - 1) * product(basis, k * dimension, z, at, dimension);
      for (let i = 0; i < dimension; i++) z[at + i] += added * basis[k * dimension + i];
    }
    if (pacer.due(2 * basis.length)) await pacer.pause();
  }
}

/** ln N(z; 0, I) less that of the law that is stretched along directions, but for a constant. */
export async function logRatios(
  z: Float64Array,
  { basis, variances }: Directions,
  dimension: number,
  pacer: Pacer,
): Promise<Float64Array> {
  const ratios = new Float64Array(z.length / dimension);
  for (let s = 0; s < ratios.length; s++) {
    for (let k = 0; k < variances.length; k++) {
      const along = product(basis, k * dimension, z, s * dimension, dimension);
      ratios[s] -= 0.5 * (1 - 1 / variances[k]) * along * along;
    }
    if (pacer.due(basis.length)) await pacer.pause();
  }
  return ratios;
}

function product(a: Float64Array, from: number, b: Float64Array, at: number, count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += a[from + i] * b[at + i];
  return sum;
}
