import type { Residual } from '../../../layers/residual.js';
import { addLevels } from '../../../tensor/power.js';

/** Levels of α x + β block(x) from those of the block and of x. */
export function withResidual(block: Float64Array, input: Float64Array, { alpha, beta }: Residual): Float64Array {
  if (alpha === 0 && beta === 1) return block;
  const factor = Math.log2(Math.abs(beta));
  const kept = Math.log2(Math.abs(alpha));
  return block.map((level, i) => (alpha === 0 ? factor + level : addLevels(factor + level, kept + input[i])));
}
