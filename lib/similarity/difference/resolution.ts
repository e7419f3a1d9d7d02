import { EPSILON, type Precision } from '../../tensor/tensor.js';

/**
 * By how much errors are larger than a rounding of the terms. Of networks of the same function in other gauges (2 to 24
 * inputs, nine kinds and routes, both dtypes, native and fallback) none was seen above 0.77 of what follows from these
 * (docs/MATH.md section 2).
 */
const LINEAR = 32;
const SQUARED = 64;

/** The smallest distance that inner products expanded in a Gram matrix tell from zero. */
export function gramResolution(aa: number, bb: number, precision: Precision): number {
  return Math.sqrt(SQUARED * EPSILON[precision]) * Math.sqrt(Math.max(0, aa) + Math.max(0, bb));
}

/** The error of a norm whose terms add up before they are squared; `terms` is their norm when nothing cancels. */
export function linearResolution(terms: number, precision: Precision): number {
  return LINEAR * EPSILON[precision] * terms;
}

/** Likewise, where squares and products of the terms add up. */
export function squaredResolution(terms: number): number {
  return Math.sqrt(SQUARED * EPSILON.float64) * terms;
}
