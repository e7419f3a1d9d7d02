import { TensimError } from '../../errors.js';
import type { Precision } from '../../tensor/tensor.js';
import { cosine } from '../gram/derived.js';
import { checkPlace } from '../terms/place.js';
import type { Matrix, Step } from '../terms/types.js';
import { gramResolution } from './resolution.js';

/**
 * How much larger a squared difference must be than what rounding can make of it. The cosine of two that are just so
 * large is wrong by 1/16 at most, and by less than a hundredth as a rule.
 */
const ABOVE_ROUNDING = 16;

/**
 * Cosine between two differences of models, ⟨b − a, d − c⟩ / (‖b − a‖ ‖d − c‖), expanded in a Gram matrix (MATH.md
 * section 2).
 *
 *     direction(gram, { from: 0, to: 1 }, { from: 1, to: 2 }); // 1: the second step goes on where the first went
 *
 * @param precision of the inner products.
 * @throws TensimError `INVALID_ARGUMENT` for an index that is not in the matrix, `ZERO_NORM` if a difference is zero,
 * or so small that its direction would be rounding: below about 5e-7 of the norms in double precision, and 1 % in
 * single; `NOT_FINITE` where inner products are out of range or were not computed.
 */
export function direction(gram: Matrix, first: Step, second: Step, precision: Precision = 'float64'): number {
  checkStep(gram, first);
  checkStep(gram, second);
  return cosine(
    product(gram, first, second),
    squaredNorm(gram, first, precision),
    squaredNorm(gram, second, precision),
  );
}

/** Summed in an order that does not tell the two steps apart, so that direction(s, t) equals direction(t, s). */
function product(gram: Matrix, { from: a, to: b }: Step, { from: c, to: d }: Step): number {
  return gram[b][d] + gram[a][c] - (gram[b][c] + gram[a][d]);
}

function squaredNorm(gram: Matrix, step: Step, precision: Precision): number {
  const { from, to } = step;
  const square = product(gram, step, step);
  const [a, b] = [gram[from][from], gram[to][to]];
  if (a === b && a === gram[from][to]) {
    throw new TensimError('ZERO_NORM', `models ${from} and ${to} are equal: their difference has no direction`);
  }
  if (!Number.isFinite(square)) {
    throw new TensimError('NOT_FINITE', `the difference of models ${from} and ${to} is ${square}`, {
      hint: 'Their inner products leave the range of numbers, or lie outside of the window that was compared',
    });
  }
  const least = Math.sqrt(ABOVE_ROUNDING) * gramResolution(a, b, precision);
  if (square >= least ** 2) return square;
  throw new TensimError(
    'ZERO_NORM',
    `models ${from} and ${to} differ by less than ${least.toPrecision(2)}: a direction of that from inner products would be rounding`,
    { hint: precision !== 'float64' ? 'Use dtype "float64"' : 'Compare models that differ more, as later steps do' },
  );
}

function checkStep({ length }: Matrix, step: Step): void {
  const hint = `A step is { from, to } with numbers from 0 to ${length - 1}`;
  for (const index of [step?.from, step?.to]) checkPlace(index, length, hint);
}
