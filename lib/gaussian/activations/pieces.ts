import type { Activation } from '../../layers/activations.js';
import { SELU } from './evaluate.js';

/** A polynomial, constant first. */
export type Polynomial = readonly number[];

/** A function that is a polynomial between every two knots, and before the first and behind the last. */
export interface Pieces {
  /** In rising order. */
  readonly knots: readonly number[];
  /** One more than there are knots, from left to right, in powers of x. */
  readonly polynomials: readonly Polynomial[];
  /** What e^x is multiplied by where it is added before the first knot, which then is 0. */
  readonly exponential: number;
}

const whole = (...polynomials: Polynomial[]): Pieces => ({ knots: [], polynomials, exponential: 0 });
const atZero = (...polynomials: Polynomial[]): Pieces => ({ knots: [0], polynomials, exponential: 0 });
const between = (knots: readonly number[], ...polynomials: Polynomial[]): Pieces => ({
  knots,
  polynomials,
  exponential: 0,
});

/** The pieces of an activation that has such; null for the others. */
export function piecesOf({ name, slope }: Activation): Pieces | null {
  switch (name) {
    case 'identity':
      return whole([0, 1]);
    case 'square':
      return whole([0, 0, 1]);
    case 'relu':
      return atZero([0], [0, 1]);
    case 'leaky_relu':
    case 'prelu':
      return atZero([0, slope], [0, 1]);
    case 'abs':
      return atZero([0, -1], [0, 1]);
    case 'relu2':
      return atZero([0], [0, 0, 1]);
    case 'heaviside':
      return atZero([0], [1]);
    case 'relu6':
      return between([0, 6], [0], [0, 1], [6]);
    case 'hardtanh':
      return between([-1, 1], [-1], [0, 1], [1]);
    case 'hardswish':
      return between([-3, 3], [0], [0, 1 / 2, 1 / 6], [0, 1]);
    case 'hardsigmoid':
      return between([-3, 3], [0], [1 / 2, 1 / 6], [1]);
    case 'elu':
      return { ...atZero([-slope], [0, 1]), exponential: slope };
    case 'selu': {
      const below = SELU.scale * SELU.alpha;
      return { ...atZero([-below], [0, SELU.scale]), exponential: below };
    }
    default:
      return null;
  }
}

/** The coefficients in powers of x − `at`. */
export function centredAt(polynomial: Polynomial, at: number): Polynomial {
  const [constant, linear = 0, quadratic = 0] = polynomial;
  const [first, second] = [linear + quadratic * at, quadratic];
  return [constant + first * at, first + second * at, second];
}
