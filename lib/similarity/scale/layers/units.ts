import { type Activated, aboutActivation, activationOf } from '../../../layers/activations.js';

/**
 * The levels of φ(u) from those of u: about growth times the level for large u. What is bounded is at most 1; and near
 * zero nothing is said of what φ(0) is, which is never far from 1 either.
 */
export function activated(layer: Activated, input: Float64Array): Float64Array {
  const { growth, homogeneous } = aboutActivation(activationOf(layer).name);
  if (homogeneous !== null) return input.map((level) => (homogeneous === 0 ? 0 : homogeneous * level));
  return input.map((level) => Math.max(0, growth * level));
}
