import type { WhitenedLaw } from '../../backend/grams.js';
import type { Pacer } from '../../cooperate.js';
import { addLevels } from '../../tensor/power.js';
import { featuresOf, rowLevels } from './rows.js';

/*
 * How large numbers are on their way through a chain. A level is log₂ of a root mean square, −∞ for zero; levels are
 * right to a few bits, as features are taken to be independent, and do not depend on the range of numbers.
 */

/** The levels of x = μ + C z, of length d. */
export async function inputLevels(
  { mean, factor, sigma }: WhitenedLaw,
  inputs: number,
  pacer: Pacer,
): Promise<Float64Array> {
  const bias = mean && { data: mean, shape: [inputs] };
  if (factor !== undefined) {
    const weight = { data: factor.data, shape: [inputs, factor.columns] };
    return rowLevels(weight, bias, featuresOf(new Float64Array(factor.columns)), pacer);
  }
  if (mean === undefined) return new Float64Array(inputs).fill(Math.log2(sigma));
  return Float64Array.from({ length: inputs }, (_, i) => addLevels(Math.log2(sigma), Math.log2(Math.abs(mean[i]))));
}
