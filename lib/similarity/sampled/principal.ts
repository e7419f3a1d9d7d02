import type { Pacer } from '../../cooperate.js';
import type { Directions } from './components.js';

/** At most so many directions: the cost of stretching stays small beside that of a forward pass. */
const MOST_DIRECTIONS = 32;
/** A direction whose variance is below this is left alone. */
const THRESHOLD = 1.25;
const ROUNDS = 12;

/**
 * The directions along which points z, (count, dimension), spread further than N(0, I) does. With few points for the
 * dimension, pure noise has variances of up to (1 + √(dimension / points))², so those are not believed. By orthogonal
 * iteration, in operations that IEEE 754 rounds correctly: the same on every backend.
 * @param effective how many independent points these are worth.
 * @param most no variance is larger.
 */
export async function spreadDirections(
  points: Float64Array,
  dimension: number,
  { effective, most }: { readonly effective: number; readonly most: number },
  pacer: Pacer,
): Promise<Directions | null> {
  const count = points.length / dimension;
  const width = Math.min(dimension, MOST_DIRECTIONS);
  const basis = new Float64Array(width * dimension);
  // Any points will do to begin with.
  for (let k = 0; k < width; k++) {
    const from = Math.floor((k * count) / width) * dimension;
    basis.set(points.subarray(from, from + dimension), k * dimension);
  }
  const variances = new Float64Array(width);
  for (let round = 0; round < ROUNDS; round++) {
    orthonormalise(basis, width, dimension);
    const next = new Float64Array(basis.length);
    variances.fill(0);
    for (let s = 0; s < count; s++) {
      for (let k = 0; k < width; k++) {
        const along = product(basis, k * dimension, points, s * dimension, dimension);
        variances[k] += (along * along) / count;
        for (let i = 0; i < dimension; i++) next[k * dimension + i] += along * points[s * dimension + i];
      }
      if (pacer.due(2 * width * dimension)) await pacer.pause();
    }
    if (round < ROUNDS - 1) basis.set(next);
  }
  const threshold = Math.max(THRESHOLD, (1 + Math.sqrt(dimension / effective)) ** 2);
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
