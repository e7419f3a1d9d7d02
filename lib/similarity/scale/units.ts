import type { WhitenedLaw } from '../../backend/grams.js';
import type { Pacer } from '../../cooperate.js';
import { timesPower } from '../../tensor/power.js';
import { shifted } from './rows.js';

/*
 * Layers in other units: with x_i = 2^from_i x̂_i before a layer and 2^to_i x̂_i behind it, the same function of x̂.
 * What lies inside of a layer gets units of its own, so that every number in it is near 1. All factors are powers of
 * two: no digit of a weight changes.
 */

/** The power of two that a level is divided by: none while it is near 0, so that most networks stay as they are. */
export type Choose = (level: number) => number;

/** Exponents of the features before and behind a layer; where it has a residual they are the same. */
export interface Units {
  readonly from: Int32Array;
  readonly to: Int32Array;
}

/** x = μ + C z in units `to`; without a factor these must be all the same. */
export async function rescaleLaw(law: WhitenedLaw, to: Int32Array, pacer: Pacer): Promise<WhitenedLaw> {
  if (to.every((exponent) => exponent === 0)) return law;
  const { mean, factor, sigma } = law;
  const scaledMean = mean && { mean: mean.map((value, i) => timesPower(value, -to[i])) };
  if (factor === undefined) return { ...scaledMean, sigma: timesPower(sigma, -to[0]) };
  const { data } = await shifted({ data: factor.data, shape: [to.length, factor.columns] }, to, null, pacer);
  return { ...scaledMean, sigma, factor: { data: data as Float64Array, columns: factor.columns } };
}

export const isZero = (level: number) => level === Number.NEGATIVE_INFINITY;

/** How far apart, in bits, levels may be that share a unit. */
const NEAR = 16;

/** Whether all that are not zero can have one unit. */
export function areNear(levels: Float64Array): boolean {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const level of levels) {
    if (isZero(level)) continue;
    least = Math.min(least, level);
    most = Math.max(most, level);
  }
  return !(most - least > NEAR);
}

/** The exponent that the largest needs, for all. */
export function shared(levels: Float64Array, choose: Choose): Int32Array {
  const most = levels.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  return new Int32Array(levels.length).fill(choose(most));
}

export const isEven = (exponents: Int32Array) => exponents.every((exponent) => exponent === exponents[0]);
export const exponentsOf = (levels: Float64Array, choose: Choose) => Int32Array.from(levels, choose);
export const less = (exponent: Int32Array, factor: number) => exponent.map((value) => value - factor);

/** β = rest · 2^factor. */
export function split(beta: number, choose: Choose): { factor: number; rest: number } {
  const factor = choose(Math.log2(Math.abs(beta)));
  return { factor, rest: timesPower(beta, -factor) };
}
