import type { ChainSource } from '../../backend/grams.js';
import type { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { normaliseRows, type SplitRows, splitRows } from '../../gaussian/directions.js';
import { type Activation, aboutActivation, activationOf } from '../../layers/activations.js';
import { unitsOf } from '../../layers/layer.js';
import type { GatedLayer, HiddenLayer, LinearLayer } from '../../model/model.js';
import { copyRows, type MatrixView, matrixOf, rowMajor, vectorOf } from '../../tensor/matrix.js';
import { multiplyVector } from '../gemm/gemm.js';
import { foldAfter, meanOf, throughInputs, throughLayers, unlessZero, weightsLastFirst } from './fold.js';
import { stagesOf } from './stages.js';

/**
 * A chain of at most one block of units as a function of the whitened input z ~ N(0, I_k), with everything around the
 * block folded in (MATH.md sections 10 and 11):
 *
 *     f(z) = c + S z + D φ(m + s ⊙ Ŵ z)                                a hidden layer
 *     f(z) = c + S z + D (φ(m + s ⊙ Ŵ z) ⊙ (u + β ⊙ Ŵ z + U⊥ z))       a gated block
 *
 * Rows of Ŵ have length 1, or are zero where s is; those of U⊥ are orthogonal to those of Ŵ. Where φ(s x) = s^k φ(x), D
 * has taken s^k, and s is 1.
 */
export interface FoldedUnits {
  /** k. */
  readonly inputs: number;
  readonly outputs: number;
  /** h; 0 without a block. */
  readonly hidden: number;
  readonly activation: Activation;
  /** Of `prelu`, (h). */
  readonly slopes: Float64Array | null;
  /** Ŵ, (h, k). */
  readonly directions: Float64Array;
  /** m, (h). */
  readonly means: Float64Array;
  /** s, (h). */
  readonly deviations: Float64Array;
  /** What φ is multiplied by; null for a hidden layer. */
  readonly up: FoldedUp | null;
  /** D, (o, h). */
  readonly down: Float64Array;
  /** c, (o). */
  readonly constant: Float64Array;
  /** S, (o, k), or null if zero. */
  readonly skip: Float64Array | null;
}

/** The other factor of gated units: u + β z + ξ with z = ŵ·x, ξ = U⊥·x. */
export interface FoldedUp extends SplitRows {
  /** u, (h). */
  readonly constants: Float64Array;
}

/**
 * Folds a chain, multiplying in the cheapest order.
 * @throws TensimError `UNSUPPORTED_LAYER` for more than one block, or one that is not made of units.
 */
export async function foldUnits(source: ChainSource, pacer: Pacer): Promise<FoldedUnits> {
  const { before, stages } = stagesOf(source.layers);
  if (stages.length > 1)
    throw new TensimError('UNSUPPORTED_LAYER', `the method "hidden" cannot take ${stages.length} blocks`);
  const [stage] = stages;
  if (stage === undefined) return foldWithout(source, before, pacer);
  const block = unitsOf(stage.block);
  if (block === null)
    throw new TensimError('UNSUPPORTED_LAYER', `the method "hidden" does not know ${stage.block.type} layers`);
  return foldAround(source, before, block, stage.after, pacer);
}

/** A chain of linear layers alone: no unit. */
async function foldWithout(source: ChainSource, layers: readonly LinearLayer[], pacer: Pacer): Promise<FoldedUnits> {
  const constant = await throughLayers(layers, meanOf(source), pacer);
  const { data, columns } = await throughInputs([], weightsLastFirst(layers), source, pacer);
  const none = new Float64Array(0);
  return {
    ...{ inputs: columns, outputs: constant.length, hidden: 0 },
    ...{ activation: { name: 'identity', slope: 0 }, slopes: null },
    ...{ directions: none, means: none, deviations: none, up: null, down: none },
    constant,
    skip: unlessZero(data as Float64Array),
  };
}

async function foldAround(
  source: ChainSource,
  before: readonly LinearLayer[],
  block: HiddenLayer | GatedLayer,
  after: readonly LinearLayer[],
  pacer: Pacer,
): Promise<FoldedUnits> {
  const [weight, bias] = block.type === 'gated' ? [block.gate, block.gateBias] : [block.weight, block.bias];
  const hidden = weight.shape[0];
  const blockOutputs = block.down?.shape[0] ?? hidden;
  const { down, skip } = await foldAfter(block, blockOutputs, weightsLastFirst(after), pacer);
  const outputs = down.rows;

  // W, U and what leads past the block take the same way back to the input: one matrix for all.
  const sides = block.type === 'gated' ? [weight, block.up] : [weight];
  const parts = [...sides.map(matrixOf), ...(skip === null ? [] : [skip])];
  const stack = await stackRows(parts, pacer);
  const offset = await throughLayers(before, meanOf(source), pacer);
  const biases = new Float64Array(stack.rows);
  biases.set(vectorOf(bias, hidden));
  if (block.type === 'gated') biases.set(vectorOf(block.upBias, hidden), hidden);
  const constants = await multiplyVector(stack, offset, biases, pacer);
  const { data, columns: inputs } = await throughInputs([stack], weightsLastFirst(before), source, pacer);
  const rows = data as Float64Array;
  const [units, sided] = [hidden * inputs, sides.length * hidden];

  const outerBias = vectorOf(block.downBias, blockOutputs).map((c) => block.beta * c);
  const constant = await throughLayers(after, outerBias, pacer);
  if (skip !== null) for (let c = 0; c < outputs; c++) constant[c] += constants[sided + c];
  const directions = rows.subarray(0, units);
  const deviations = await normaliseRows(directions, hidden, inputs, pacer);
  const [means, weights] = [constants.subarray(0, hidden), down.data as Float64Array];
  const { homogeneous } = aboutActivation(activationOf(block).name);
  if (homogeneous !== null) await toUnitDeviations(homogeneous, means, deviations, weights, pacer);
  const up = sides.length === 1 ? null : await splitRows(rows.subarray(units, 2 * units), directions, hidden, pacer);
  return {
    ...{ inputs, outputs, hidden, directions, deviations },
    activation: activationOf(block),
    slopes: block.slopes === undefined ? null : vectorOf(block.slopes, hidden),
    means,
    up: up && { constants: constants.subarray(hidden, 2 * hidden), ...up },
    down: weights,
    constant,
    skip: skip && unlessZero(rows.subarray(sided * inputs)),
  };
}

/** How many deviations from zero a mean may be that is divided by the deviation. */
const FARTHEST_MEAN = 2 ** 200;

/** φ(m + s z) = s^k φ(m/s + z): of homogeneous activations D takes the sizes, so that no number depends on units. */
async function toUnitDeviations(
  degree: number,
  means: Float64Array,
  deviations: Float64Array,
  down: Float64Array,
  pacer: Pacer,
): Promise<void> {
  const sizes = deviations.map((size, i) => (size > 0 && Math.abs(means[i]) / size < FARTHEST_MEAN ? size : 1));
  for (const [i, size] of sizes.entries()) {
    means[i] /= size;
    deviations[i] /= size;
  }
  const powers = sizes.map((size) => (degree === 2 ? size * size : degree === 1 ? size : 1));
  for (let at = 0; at < down.length; at += powers.length) {
    for (let i = 0; i < powers.length; i++) down[at + i] *= powers[i];
    if (pacer.due(powers.length)) await pacer.pause();
  }
}

/** Matrices of equal width below each other. */
async function stackRows(parts: readonly MatrixView[], pacer: Pacer): Promise<MatrixView> {
  const { columns } = parts[0];
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  const data = new Float64Array(rows * columns);
  let at = 0;
  for (const part of parts) {
    await copyRows(part, 1, data, at, columns, pacer);
    at += part.rows * columns;
  }
  return rowMajor(data, rows, columns);
}
