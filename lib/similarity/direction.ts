import { TensimError } from '../errors.js';
import { cosine } from './derived.js';
import type { Matrix, Step } from './types.js';

/** Differences below this part of what was subtracted are rounding: a norm of them would be noise. */
const ROUNDING = 16 * Number.EPSILON;

/**
 * Cosine between two differences of models, ⟨b − a, d − c⟩ / (‖b − a‖ ‖d − c‖), expanded in a Gram matrix (MATH.md section 2).
 * @throws TensimError `INVALID_ARGUMENT` for an index that is not in the matrix, `ZERO_NORM` if a difference is zero.
 */
export function direction(gram: Matrix, first: Step, second: Step): number {
  checkStep(gram, first);
  checkStep(gram, second);
  return cosine(product(gram, first, second), squaredNorm(gram, first), squaredNorm(gram, second));
}

/** Summed in an order that does not tell the two steps apart, so that direction(s, t) equals direction(t, s). */
function product(gram: Matrix, { from: a, to: b }: Step, { from: c, to: d }: Step): number {
  return gram[b][d] + gram[a][c] - (gram[b][c] + gram[a][d]);
}

function squaredNorm(gram: Matrix, step: Step): number {
  const { from, to } = step;
  const square = product(gram, step, step);
  if (square <= ROUNDING * (gram[from][from] + gram[to][to])) {
    throw new TensimError('ZERO_NORM', `models ${from} and ${to} are equal: their difference has no direction`);
  }
  return square;
}

function checkStep(gram: Matrix, step: Step): void {
  for (const index of [step?.from, step?.to]) {
    if (Number.isSafeInteger(index) && index >= 0 && index < gram.length) continue;
    throw new TensimError('INVALID_ARGUMENT', `there is no model ${String(index)}`, {
      hint: `A step is { from, to } with numbers from 0 to ${gram.length - 1}`,
    });
  }
}
