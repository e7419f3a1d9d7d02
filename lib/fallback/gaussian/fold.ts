import type { ChainSource } from '../../backend/grams.js';
import type { Pacer } from '../../cooperate.js';
import type { Residual } from '../../layers/residual.js';
import type { LinearLayer } from '../../model/model.js';
import { copyRows, identity, type MatrixView, matrixOf, rowMajor, vectorOf } from '../../tensor/matrix.js';
import type { Tensor } from '../../tensor/tensor.js';
import { multiplyChain } from '../gemm/chain.js';
import { multiplyVector } from '../gemm/gemm.js';

/* What every method does with linear layers and the input law: multiply them into their neighbours. */

/**
 * `outer`, then the weights in front of it (last layer first), then C: what acts on z. A row-major matrix of its own.
 */
export async function throughInputs(
  outer: readonly MatrixView[],
  before: readonly MatrixView[],
  { law, inputs }: ChainSource,
  pacer: Pacer,
): Promise<MatrixView> {
  if (law.factor === undefined) return scaledProduct(law.sigma, inputs, [...outer, ...before], pacer);
  const factor = rowMajor(law.factor.data, inputs, law.factor.columns);
  return scaledProduct(1, inputs, [...outer, ...before, factor], pacer);
}

/** A block of hidden units: what is behind them, and beside them. */
interface BlockOfUnits extends Residual {
  /** D. */
  readonly down?: Tensor;
  /** S. */
  readonly skip?: Tensor;
}

/**
 * What follows the sum in the block: β·W·D for the units, and W (α + S) for what leads past them (null where nothing
 * does), W the layers after.
 */
export async function foldAfter(
  block: BlockOfUnits,
  width: number,
  after: readonly MatrixView[],
  pacer: Pacer,
): Promise<{ down: MatrixView; skip: MatrixView | null }> {
  const { alpha, beta } = block;
  const inner = block.down === undefined ? [] : [matrixOf(block.down)];
  if (alpha === 0 && block.skip === undefined) {
    return { down: await scaledProduct(beta, width, [...after, ...inner], pacer), skip: null };
  }
  const outer = after.length === 0 ? [] : [await multiplyChain(after, pacer)];
  const down = await scaledProduct(beta, width, [...outer, ...inner], pacer);
  const kept = alpha === 0 ? null : await scaledProduct(alpha, width, outer, pacer);
  if (block.skip === undefined) return { down, skip: kept };
  const skip = await scaledProduct(1, width, [...outer, matrixOf(block.skip)], pacer);
  const sum = skip.data as Float64Array;
  for (let i = 0; kept !== null && i < sum.length; i++) sum[i] += kept.data[i];
  return { down, skip };
}

/** A vector sent through linear layers, biases included. */
export async function throughLayers(
  layers: readonly LinearLayer[],
  start: Float64Array,
  pacer: Pacer,
): Promise<Float64Array> {
  let vector: Float64Array = start.slice();
  for (const { weight, bias } of layers) {
    vector = await multiplyVector(matrixOf(weight), vector, vectorOf(bias, weight.shape[0]), pacer);
  }
  return vector;
}

export function weightsLastFirst(layers: readonly LinearLayer[]): MatrixView[] {
  return layers.map((layer) => matrixOf(layer.weight)).reverse();
}

export function meanOf({ law, inputs }: ChainSource): Float64Array {
  return law.mean ?? new Float64Array(inputs);
}

/** A number times the product of a chain (for an empty one, the identity of the given size), as a matrix of its own. */
export async function scaledProduct(
  factor: number,
  size: number,
  chain: readonly MatrixView[],
  pacer: Pacer,
): Promise<MatrixView> {
  const product = chain.length === 0 ? identity(size) : await multiplyChain(chain, pacer);
  const data = new Float64Array(product.rows * product.columns);
  await copyRows(product, factor, data, 0, product.columns, pacer);
  return rowMajor(data, product.rows, product.columns);
}

export function unlessZero(data: Float64Array): Float64Array | null {
  return data.every((value) => value === 0) ? null : data;
}
