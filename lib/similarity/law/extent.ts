import type { Factor } from './cholesky.js';

/** How much of the space of inputs a Gaussian law reaches: along all other directions networks are not compared. */
export interface LawExtent {
  /** d, the size of an input. */
  readonly inputs: number;
  /** Directions in which inputs vary at all, as far as the covariance can be told from rounding. */
  readonly rank: number;
  /** (tr Σ)² / tr Σ²: as many directions of equal variance would be as spread out. */
  readonly effectiveDimension: number;
}

/**
 * @param covariance Σ, (d, d)
 * @param factor of Σ, by Cholesky's method with pivoting
 * @param noise relative error of the entries of Σ
 */
export function extentOf(covariance: Float64Array, factor: Factor, inputs: number, noise: number): LawExtent {
  let [trace, squares] = [0, 0];
  for (let i = 0; i < inputs; i++) trace += covariance[i * (inputs + 1)];
  for (const value of covariance) squares += value * value;
  return { inputs, rank: rankOf(factor, inputs, noise), effectiveDimension: squares > 0 ? trace ** 2 / squares : 0 };
}

/** Columns of the factor are as large as what was left of the variance, of which the coordinate that led them has most. */
function rankOf({ data, columns }: Factor, inputs: number, noise: number): number {
  const most = new Float64Array(columns);
  for (let i = 0; i < inputs; i++) {
    const row = data.subarray(i * columns, (i + 1) * columns);
    let variance = 0;
    for (const value of row) variance += value * value;
    if (variance > 0) for (const [t, value] of row.entries()) most[t] = Math.max(most[t], (value * value) / variance);
  }
  return most.reduce((rank, left) => rank + (left > noise ? 1 : 0), 0);
}
