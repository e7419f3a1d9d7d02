import type { Pacer } from '../../cooperate.js';
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
export async function extentOf(
  covariance: Float64Array,
  factor: Factor,
  inputs: number,
  noise: number,
  pacer: Pacer,
): Promise<LawExtent> {
  let [trace, squares] = [0, 0];
  for (let i = 0; i < inputs; i++) {
    trace += covariance[i * (inputs + 1)];
    for (let at = i * inputs; at < (i + 1) * inputs; at++) squares += covariance[at] * covariance[at];
    if (pacer.due(inputs)) await pacer.pause();
  }
  const rank = await rankOf(factor, inputs, noise, pacer);
  return { inputs, rank, effectiveDimension: squares > 0 ? trace ** 2 / squares : 0 };
}

/** Columns of the factor are as large as what was left of the variance, of which the coordinate that led them has most. */
async function rankOf({ data, columns }: Factor, inputs: number, noise: number, pacer: Pacer): Promise<number> {
  const most = new Float64Array(columns);
  for (let i = 0, at = 0; i < inputs; i++, at += columns) {
    let variance = 0;
    for (let t = 0; t < columns; t++) variance += data[at + t] * data[at + t];
    for (let t = 0; t < columns && variance > 0; t++) {
      const part = (data[at + t] * data[at + t]) / variance;
      if (part > most[t]) most[t] = part;
    }
    if (pacer.due(3 * columns)) await pacer.pause();
  }
  return most.reduce((rank, left) => rank + (left > noise ? 1 : 0), 0);
}
