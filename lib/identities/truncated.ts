import { TensimError } from '../errors.js';
import * as bivariate from '../gaussian/activations/bivariate.js';
import type { Tensor } from '../tensor/tensor.js';
import { checkCorrelation } from './activations.js';
import { inRange, readVector, type VectorInput } from './arguments.js';

/**
 * P(z > −a, z' > −b) of standard normals with a correlation, which is P(z < a, z' < b) as well: the bivariate normal
 * distribution function.
 *
 *     gaussian.orthant([0, 0], 0.5);   // 1/3
 *
 * To about 1e-16, at ρ = ±1 too. Source: D. B. Owen, "Tables for computing bivariate normal probabilities", Annals of
 * Mathematical Statistics 27 (1956), 1075–1090.
 *
 * @param limits [a, b].
 * @param correlation from −1 to 1.
 * @throws TensimError `INVALID_ARGUMENT` for a correlation beyond ±1, `NOT_FINITE`, `SHAPE_MISMATCH`.
 */
export function orthant(limits: VectorInput, correlation: number): number {
  const [a, b] = readLimits(limits, correlation);
  return bivariate.orthant(a, b, correlation);
}

/**
 * E (z + a)_+^p (z' + b)_+^q of standard normals with a correlation, for all p, q ≤ most, where x_+⁰ = 1[x > 0]: a tensor
 * of shape [most + 1, most + 1].
 *
 *     gaussian.truncatedMoments([0, 0], 0.5, 1).data;   // 0.3333, 0.2992, 0.2992, 0.3045: the last is the dual of relu
 *
 * By Stein's recursion (C. M. Stein, "Estimation of the mean of a multivariate normal distribution", 1981; MATH.md section
 * 10). Errors are some roundings of (1 + a_+)^p (1 + b_+)^q.
 *
 * @param limits [a, b].
 * @param correlation from −1 to 1.
 * @param most the highest power, a whole number from 0 to 16; default 2.
 * @throws TensimError as `orthant`.
 */
export function truncatedMoments(limits: VectorInput, correlation: number, most = 2): Tensor {
  const [a, b] = readLimits(limits, correlation);
  if (!Number.isSafeInteger(most) || most < 0 || most > MOST) {
    throw new TensimError('INVALID_ARGUMENT', `the highest power is ${String(most)}`, {
      hint: `It must be a whole number from 0 to ${MOST}`,
    });
  }
  const data = bivariate.truncatedMoments(a, b, correlation, most).map((value) => inRange(value, 'a moment'));
  return { data, shape: [most + 1, most + 1] };
}

const MOST = 16;

function readLimits(limits: VectorInput, correlation: number): Float64Array {
  if (typeof correlation !== 'number' || Number.isNaN(correlation)) {
    throw new TensimError('INVALID_ARGUMENT', `the correlation is ${String(correlation)}`);
  }
  checkCorrelation(correlation);
  return readVector(limits, 'the pair of limits', 2);
}
