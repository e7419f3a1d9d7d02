import type { WhitenedLaw } from '../../backend/grams.js';
import type { Pacer } from '../../cooperate.js';
import type { AttentionLayer, BilinearLayer, Layer, LinearLayer } from '../../model/model.js';
import { addLevels, levelOf } from '../../tensor/power.js';
import type { Tensor } from '../../tensor/tensor.js';
import { featuresOf, rowLevels } from './rows.js';

/*
 * How large numbers are on their way through a chain. A level is log₂ of a root mean square, −∞ for zero; levels are right to a few bits, as
 * features are taken to be independent, and do not depend on the range of numbers.
 */

/** Levels inside a layer, by which its parts are scaled, and of what comes out of it. */
export interface LayerLevels {
  readonly inner: Readonly<Record<string, Float64Array>>;
  readonly out: Float64Array;
}

/** The levels of x = μ + C z, of length d. */
export async function inputLevels(
  { mean, factor, sigma }: WhitenedLaw,
  inputs: number,
  pacer: Pacer,
): Promise<Float64Array> {
  const bias = mean && { data: mean, shape: [inputs] };
  if (factor !== undefined) {
    const weight = { data: factor.data, shape: [inputs, factor.columns] };
    return rowLevels(weight, bias, featuresOf(new Float64Array(factor.columns)), pacer);
  }
  if (mean === undefined) return new Float64Array(inputs).fill(Math.log2(sigma));
  return Float64Array.from({ length: inputs }, (_, i) => addLevels(Math.log2(sigma), Math.log2(Math.abs(mean[i]))));
}

/** @param positions n, over which attention adds up. */
export function layerLevels(layer: Layer, input: Float64Array, positions: number, pacer: Pacer): Promise<LayerLevels> {
  switch (layer.type) {
    case 'linear':
      return linearLevels(layer, input, pacer);
    case 'bilinear':
      return bilinearLevels(layer, input, pacer);
    case 'attention':
      return attentionLevels(layer, input, positions, pacer);
  }
}

async function linearLevels({ weight, bias }: LinearLayer, input: Float64Array, pacer: Pacer): Promise<LayerLevels> {
  return { inner: {}, out: await rowLevels(weight, bias, featuresOf(input), pacer) };
}

async function bilinearLevels(layer: BilinearLayer, input: Float64Array, pacer: Pacer): Promise<LayerLevels> {
  const { left, right, leftBias, rightBias, down, downBias, alpha, beta } = layer;
  const features = featuresOf(input);
  const u = await rowLevels(left, leftBias, features, pacer);
  const v = await rowLevels(right, rightBias, features, pacer);
  const products = u.map((level, h) => level + v[h]);
  const block =
    down === undefined ? withBias(products, downBias) : await rowLevels(down, downBias, featuresOf(products), pacer);
  return { inner: { u, v }, out: withResidual(block, input, alpha, beta) };
}

async function attentionLevels(
  layer: AttentionLayer,
  input: Float64Array,
  positions: number,
  pacer: Pacer,
): Promise<LayerLevels> {
  const { heads, alpha, beta } = layer;
  const features = featuresOf(input);
  const q1 = await rowLevels(layer.q1, layer.q1Bias, features, pacer);
  const k1 = await rowLevels(layer.k1, layer.k1Bias, features, pacer);
  const q2 = await rowLevels(layer.q2, layer.q2Bias, features, pacer);
  const k2 = await rowLevels(layer.k2, layer.k2Bias, features, pacer);
  const v = await rowLevels(layer.v, layer.vBias, features, pacer);
  const size = v.length / heads;
  const over = levelOf(positions) - 2 * Math.log2(size);
  const mixed = v.map((level, row) => {
    const head = row - (row % size);
    return over + level + scoreLevel(q1, k1, head, size) + scoreLevel(q2, k2, head, size);
  });
  const block = await rowLevels(layer.o, layer.oBias, featuresOf(mixed), pacer);
  return { inner: { q1, k1, q2, k2, v }, out: withResidual(block, input, alpha, beta) };
}

function withBias(levels: Float64Array, bias: Tensor | undefined): Float64Array {
  return bias === undefined ? levels : levels.map((level, i) => addLevels(level, Math.log2(Math.abs(bias.data[i]))));
}

/** The level of Σ_i q_i k_i over a head. */
function scoreLevel(q: Float64Array, k: Float64Array, first: number, size: number): number {
  let level = Number.NEGATIVE_INFINITY;
  for (let row = first; row < first + size; row++) level = addLevels(level, q[row] + k[row]);
  return level;
}

function withResidual(block: Float64Array, input: Float64Array, alpha: number, beta: number): Float64Array {
  if (alpha === 0 && beta === 1) return block;
  const factor = Math.log2(Math.abs(beta));
  const kept = Math.log2(Math.abs(alpha));
  return block.map((level, i) => (alpha === 0 ? factor + level : addLevels(factor + level, kept + input[i])));
}
