import type { Pacer } from '../../../cooperate.js';
import { normaliseRows, splitRows } from '../../../gaussian/directions.js';
import type { SphereUnits } from '../../../gaussian/sphere/coefficients.js';
import { activationOf } from '../../../layers/activations.js';
import { unitsOf } from '../../../layers/layer.js';
import type { Model } from '../../../model/model.js';
import { transposed } from '../../../tensor/cut.js';

/** An MLP f(x) = c + D (p(z) + ξ q(z)), with z = Ŵ x and ξ = U⊥ x (MATH.md sections 11 and 12). */
export interface SphereMlp extends SphereUnits {
  readonly label: string;
  /** Features of the stream. */
  readonly width: number;
  /** h. */
  readonly hidden: number;
  readonly outputs: number;
  /** Ŵ, (h, width): rows of length 1 or 0. */
  readonly directions: Float64Array;
  /** U⊥, (h, width); null for a hidden layer. */
  readonly across: Float64Array | null;
  /** Dᵀ, (h, outputs). */
  readonly down: Float64Array;
  /** c. */
  readonly constant: Float64Array;
}

/** @param model one hidden layer or gated block, with `down` and without a skip, as blocks of transformers are. */
export async function sphereMlp({ layers: [layer], label }: Model, pacer: Pacer): Promise<SphereMlp> {
  const block = unitsOf(layer)!;
  const gated = block.type === 'gated';
  const [weight, bias] = gated ? [block.gate, block.gateBias] : [block.weight, block.bias];
  const [hidden, width] = weight.shape as [number, number];
  const down = block.down!;
  const outputs = down.shape[0];
  const directions = new Float64Array(weight.data);
  const deviations = await normaliseRows(directions, hidden, width, pacer);
  const split = gated ? await splitRows(new Float64Array(block.up.data), directions, hidden, pacer) : null;
  const turned = await transposed(down.data, outputs, hidden, pacer);
  const vector = (data: ArrayLike<number> | undefined, size: number) =>
    data === undefined ? new Float64Array(size) : new Float64Array(data);
  return {
    ...{ label, width, hidden, outputs, directions, deviations, down: turned },
    activation: activationOf(block),
    means: vector(bias?.data, hidden),
    up: split && { ...split, constants: vector(gated ? block.upBias?.data : undefined, hidden) },
    across: split?.across ?? null,
    constant: vector(block.downBias?.data, outputs),
  };
}
