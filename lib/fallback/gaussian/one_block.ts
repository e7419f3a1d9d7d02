import type { OneBlock } from '../../backend/forms.js';
import type { ChainSource } from '../../backend/grams.js';
import type { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { smallest } from '../../extremes.js';
import type { BilinearLayer, LinearLayer } from '../../model/model.js';
import { copyRows, type MatrixView, matrixOf, rowMajor, transpose, vectorOf } from '../../tensor/matrix.js';
import { multiply, multiplyVector } from '../gemm/gemm.js';
import {
  foldAfter,
  meanOf,
  scaledProduct,
  throughInputs,
  throughLayers,
  unlessZero,
  weightsLastFirst,
} from './fold.js';
import { foldLowDegrees } from './low_degrees.js';
import { requireBilinear, stagesOf } from './stages.js';

/**
 * Folds a chain, multiplying in the cheapest order.
 * @throws TensimError `UNSUPPORTED_LAYER` for more than one block, or one that is not bilinear; by the method `hidden`
 * one that is not made of units.
 */
export async function foldOneBlock(source: ChainSource, pacer: Pacer): Promise<OneBlock> {
  if (source.method === 'hidden') return foldLowDegrees(source, pacer);
  const { before, stages } = stagesOf(source.layers);
  if (stages.length > 1) {
    throw new TensimError('UNSUPPORTED_LAYER', `a chain of ${stages.length} blocks cannot be folded into one`);
  }
  const [stage] = stages;
  if (stage === undefined) return foldLinear(source, before, pacer);
  return foldAround(source, before, requireBilinear(stage.block, 'one-block'), stage.after, pacer);
}

async function foldLinear(source: ChainSource, layers: readonly LinearLayer[], pacer: Pacer): Promise<OneBlock> {
  const constant = await throughLayers(layers, meanOf(source), pacer);
  const { data, columns } = await throughInputs([], weightsLastFirst(layers), source, pacer);
  return {
    inputs: columns,
    outputs: constant.length,
    hidden: null,
    width: columns,
    embedding: null,
    factors: new Float64Array(0),
    down: new Float64Array(0),
    linear: unlessZero(data as Float64Array),
    constant,
    mean: constant,
  };
}

async function foldAround(
  source: ChainSource,
  before: readonly LinearLayer[],
  block: BilinearLayer,
  after: readonly LinearLayer[],
  pacer: Pacer,
): Promise<OneBlock> {
  const hidden = block.left.shape[0];
  const blockOutputs = block.down?.shape[0] ?? hidden;
  const { down, skip } = await foldAfter(block, blockOutputs, weightsLastFirst(after), pacer);
  const outputs = down.rows;

  // The rows of L, R and of the residual's path to the outputs take the same way back to the input: one matrix for all.
  const stack = await stackRows(block, skip, pacer);
  const offset = await throughLayers(before, meanOf(source), pacer);
  const biases = interleave(vectorOf(block.leftBias, hidden), vectorOf(block.rightBias, hidden), stack.rows);
  const constants = await multiplyVector(stack, offset, biases, pacer);
  const { folded, embedding } = await foldBefore(stack, before, source, pacer);
  const width = folded.columns;
  const rows = folded.data as Float64Array;
  const factors = rows.subarray(0, 2 * hidden * width);

  const outerBias = vectorOf(block.downBias, blockOutputs).map((c) => block.beta * c);
  const constant = await throughLayers(after, outerBias, pacer);
  if (skip !== null) for (let c = 0; c < outputs; c++) constant[c] += constants[2 * hidden + c];
  const traces = await tracesOf(factors, hidden, width, embedding, pacer);
  const products = Float64Array.from({ length: hidden }, (_, h) => constants[2 * h] * constants[2 * h + 1]);
  const withProducts = await multiplyVector(down, products, constant, pacer);
  const mean = await multiplyVector(down, traces, withProducts, pacer);

  const skipped = skip === null ? null : rows.subarray(2 * hidden * width);
  const linear = await linearPart(factors, constants, down, skipped, width, pacer);
  return {
    inputs: embedding?.columns ?? width,
    outputs,
    hidden,
    width,
    embedding: embedding && (embedding.data as Float64Array),
    factors,
    down: down.data as Float64Array,
    linear:
      linear === null || embedding === null
        ? linear
        : await multiply(rowMajor(linear, outputs, width), embedding, pacer),
    constant: withProducts,
    mean,
  };
}

/**
 * What acts on the whitened input: all layers before the block, or those after the narrowest, which is the embedding
 * with C.
 */
async function foldBefore(
  stack: MatrixView,
  before: readonly LinearLayer[],
  source: ChainSource,
  pacer: Pacer,
): Promise<{ folded: MatrixView; embedding: MatrixView | null }> {
  if (source.route !== 'unfolded') {
    return { folded: await throughInputs([stack], weightsLastFirst(before), source, pacer), embedding: null };
  }
  const widths = before.map(({ weight }) => weight.shape[0]);
  const embedded = widths.indexOf(smallest(widths)) + 1;
  const inner = weightsLastFirst(before.slice(embedded));
  return {
    folded: await scaledProduct(1, stack.columns, [stack, ...inner], pacer),
    embedding: await throughInputs([], weightsLastFirst(before.slice(0, embedded)), source, pacer),
  };
}

/** L_h·R_h, or L_hᵀ P Pᵀ R_h. */
async function tracesOf(
  factors: Float64Array,
  hidden: number,
  width: number,
  embedding: MatrixView | null,
  pacer: Pacer,
): Promise<Float64Array> {
  const through =
    embedding === null
      ? factors
      : await multiply(
          rowMajor(factors, 2 * hidden, width),
          rowMajor(await multiply(embedding, transpose(embedding), pacer), width, width),
          pacer,
        );
  const traces = new Float64Array(hidden);
  for (let h = 0; h < hidden; h++) {
    let sum = 0;
    for (let i = 0, l = 2 * h * width, r = l + width; i < width; i++) sum += through[l + i] * factors[r + i];
    traces[h] = sum;
    if (pacer.due(width)) await pacer.pause();
  }
  return traces;
}

/** L_0, R_0, L_1, R_1, …, then the residual's rows, as one row-major matrix. */
async function stackRows(block: BilinearLayer, skip: MatrixView | null, pacer: Pacer): Promise<MatrixView> {
  const left = matrixOf(block.left);
  const right = matrixOf(block.right);
  const { rows: hidden, columns } = left;
  const rows = 2 * hidden + (skip?.rows ?? 0);
  const data = new Float64Array(rows * columns);
  await copyRows(left, 1, data, 0, 2 * columns, pacer);
  await copyRows(right, 1, data, columns, 2 * columns, pacer);
  if (skip !== null) await copyRows(skip, 1, data, 2 * hidden * columns, columns, pacer);
  return rowMajor(data, rows, columns);
}

/** w = D·(l ⊙ R + r ⊙ L) + A, (o, k), or null if both parts are zero. */
async function linearPart(
  factors: Float64Array,
  constants: Float64Array,
  down: MatrixView,
  skip: Float64Array | null,
  inputs: number,
  pacer: Pacer,
): Promise<Float64Array | null> {
  const hidden = down.columns;
  if (constants.subarray(0, 2 * hidden).every((value) => value === 0)) return skip === null ? null : unlessZero(skip);
  const units = new Float64Array(hidden * inputs);
  for (let h = 0; h < hidden; h++) {
    const l = constants[2 * h];
    const r = constants[2 * h + 1];
    for (let i = 0, from = 2 * h * inputs, to = h * inputs; i < inputs; i++, from++, to++) {
      units[to] = l * factors[from + inputs] + r * factors[from];
    }
    if (pacer.due(2 * inputs)) await pacer.pause();
  }
  const linear = await multiply(down, rowMajor(units, hidden, inputs), pacer);
  if (skip !== null) for (let i = 0; i < linear.length; i++) linear[i] += skip[i];
  return unlessZero(linear);
}

/** l_0, r_0, l_1, r_1, …, then zeros up to `length`. */
function interleave(left: Float64Array, right: Float64Array, length: number): Float64Array {
  const mixed = new Float64Array(length);
  for (let h = 0; h < left.length; h++) {
    mixed[2 * h] = left[h];
    mixed[2 * h + 1] = right[h];
  }
  return mixed;
}
