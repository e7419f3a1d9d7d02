/**
 * Exact expectations of polynomials of Gaussian variables (MATH.md section 4) and the hafnians behind them, and of the
 * activations of neural networks (section 10).
 *
 *     import { gaussian } from 'tensim';
 *     await gaussian.moment([0, 0, 1, 1], [0, 0], [[1, 0.5], [0.5, 1]]);   // E x₀² x₁² = 1.5
 *
 * All arguments are copied when a function is called.
 */
export {
  type ActivationInput,
  dual,
  hermiteCoefficients,
  type NormalPair,
  type NormalPairs,
} from './activations.js';
export type { MatrixInput, VectorInput } from './arguments.js';
export { type BilinearForm, bilinearForms } from './bilinear_forms.js';
export {
  type HafnianOptions,
  hafnian,
  type IdentityOptions,
  type LoopHafnianOptions,
  loopHafnian,
  moment,
} from './hafnian.js';
export { type QuadraticForm, quadraticForms } from './quadratic_forms.js';
export { orthant, truncatedMoments } from './truncated.js';
