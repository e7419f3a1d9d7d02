import type { Work } from '../backend/work.js';
import { type LayerOf, partsOf } from '../layers/layer.js';
import type { ShapeOnly } from '../layers/shapes.js';
import type { Model } from '../model/model.js';
import { sizeOf } from '../tensor/tensor.js';

/** Numbers of the weights of layers: the multiply-adds of one position, what positions do with each other left out. */
export function weightsIn(layers: readonly LayerOf<ShapeOnly>[]): number {
  return layers.flatMap(partsOf).reduce((sum, [, { shape }]) => sum + sizeOf(shape), 0);
}

/**
 * The work of running a model on inputs: roughly, and rather less than more.
 * @param values numbers of all inputs, or tokens
 */
export function passWork(
  { layers, inputShape: [positions, features], outputShape }: Model,
  values: number,
  { kind, dtype, threads }: Pick<Work, 'dtype' | 'threads'> & { readonly kind: 'vectors' | 'tokens' },
): Work {
  const isTokens = kind === 'tokens';
  const size = dtype === 'float64' ? 8 : 4;
  const rows = isTokens ? values : values / features;
  const weights = weightsIn(layers);
  // Tokens pick columns of the first layer, and multiply nothing.
  const multiplied = isTokens ? weights - weightsIn(layers.slice(0, 1)) : weights;
  const outputs = (rows / positions) * outputShape[0] * outputShape[1];
  const bytes = size * (weights + outputs) + (isTokens ? 4 : size) * values;
  return {
    kind: 'outputs',
    dtype,
    threads,
    flops: 2 * rows * multiplied,
    hostFlops: 0,
    bytes,
    held: 2 * size * weights,
  };
}
