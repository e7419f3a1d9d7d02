import { DEGREE_PARTS } from '../../backend/grams.js';
import type { Matrix } from './behaviour.js';

/**
 * The degrees of a function f(x) = Σ_n ⟨F_n, He_n(z)⟩ of a Gaussian input (z: the input, whitened) that results tell
 * apart: its mean, its linear and its quadratic part, and all that is left. They are orthogonal, so inner products are
 * sums over them (MATH.md section 10).
 */
export const DEGREE_NAMES = DEGREE_PARTS;

/** One of them. */
export type DegreeName = (typeof DEGREE_NAMES)[number];

/** The parts of one degree of two models compared. */
export interface DegreeSimilarity {
  /** Which degree. */
  readonly name: DegreeName;
  /** Of the two parts, in [−1, 1]; null where one of the two is zero, or so small that it may be rounding. */
  readonly similarity: number | null;
  /** ⟨a_n, b_n⟩; the inner products of all degrees add up to that of the models. */
  readonly innerProduct: number;
  /** ‖a_n‖² / ‖a‖². */
  readonly shareA: number;
  /** ‖b_n‖² / ‖b‖². */
  readonly shareB: number;
}

/** Two models compared degree by degree. */
export interface Degrees {
  /** Constant, linear, quadratic, higher. */
  readonly parts: readonly DegreeSimilarity[];
  /**
   * The similarity of what depends on the input, without the constant: of a − E a and b − E b. Null where one of the
   * two depends on nothing.
   */
  readonly centred: number | null;
}

/** Models of a matrix compared degree by degree. Matrices have the rows and columns of the result. */
export interface DegreesMatrix {
  /** Constant, linear, quadratic, higher. */
  readonly names: readonly DegreeName[];
  /** Inner products, one matrix per degree. */
  readonly gram: readonly Matrix[];
  /** Similarities, one matrix per degree; NaN where a part is zero, or so small that it may be rounding. */
  readonly cosine: readonly Matrix[];
  /** Similarities without the constant. */
  readonly centred: Matrix;
  /** ‖a_n‖² / ‖a‖² of the models of the rows, one array per degree. */
  readonly rowShares: readonly Float64Array[];
  /** The same of those of the columns. */
  readonly columnShares: readonly Float64Array[];
}
