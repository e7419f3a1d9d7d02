import type { DType } from '../../tensor/tensor.js';

/** Half the distance from 1 to the next number, twice: what one rounding changes at most. */
export const ROUNDING: Readonly<Record<DType, number>> = { float64: 2 ** -52, float32: 2 ** -23 };

/**
 * Factors by which errors are larger than a rounding of the terms' size. Of networks of the same function in other gauges (2 to 64 inputs, up to 256
 * units, native and fallback, one block to three) none was seen more than half as large: test/similarity/difference/resolution.test.ts.
 */
const LINEAR = 32;
const SQUARED = 64;

/** The smallest distance that inner products expanded in a Gram matrix tell from zero. */
export function gramResolution(aa: number, bb: number, dtype: DType): number {
  return Math.sqrt(SQUARED * ROUNDING[dtype]) * Math.sqrt(Math.max(0, aa) + Math.max(0, bb));
}

/** The error of a norm whose terms add up before they are squared; `terms` is their norm when nothing cancels. */
export function linearResolution(terms: number, dtype: DType): number {
  return LINEAR * ROUNDING[dtype] * terms;
}

/** Likewise, where squares and products of the terms add up. */
export function squaredResolution(terms: number): number {
  return Math.sqrt(SQUARED * ROUNDING.float64) * terms;
}
