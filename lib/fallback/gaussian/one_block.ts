import type { ChainSource } from '../../backend/backend.js';
import type { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import type { BilinearLayer, LinearLayer } from '../../model/model.js';
import { multiplyChain } from '../gemm/chain.js';
import { multiply, multiplyVector } from '../gemm/gemm.js';
import { type MatrixView, matrixOf, rowMajor, vectorOf } from '../gemm/pack.js';

/**
 * A chain with at most one block, every linear layer and the input law folded in (MATH.md section 3):
 *
 *     f(z) = D((L z + l) ⊙ (R z + r)) + A z + b,    z ~ N(0, I_k)
 *
 * sorted by degree. The form has the quadratic part D, L, R; `linear` holds w_c = Σ_h D_ch (l_h R_h + r_h L_h) + A_c,
 * `constant` e_c = Σ_h D_ch l_h r_h + b_c and `mean` m_c = E f_c = e_c + Σ_h D_ch L_h·R_h.
 */
export interface OneBlock {
  /** k, the size of z. */
  readonly inputs: number;
  readonly outputs: number;
  /** h; null for a chain without a block, which differs from a block without units in its degree. */
  readonly hidden: number | null;
  /** (2h, k): the rows L_0, R_0, L_1, R_1, … */
  readonly factors: Float64Array;
  /** D, (o, h). */
  readonly down: Float64Array;
  /** w, (o, k); null where it is zero throughout. */
  readonly linear: Float64Array | null;
  /** e, (o). */
  readonly constant: Float64Array;
  /** m, (o). */
  readonly mean: Float64Array;
}

/**
 * Folds a chain, multiplying in the cheapest order.
 * @throws TensimError `UNSUPPORTED_LAYER` for more than one block.
 */
export async function foldOneBlock(source: ChainSource, pacer: Pacer): Promise<OneBlock> {
  const blocks = source.layers.filter((layer) => layer.type === 'bilinear');
  if (blocks.length > 1) {
    throw new TensimError('UNSUPPORTED_LAYER', `a chain of ${blocks.length} bilinear blocks cannot be folded into one`);
  }
  const [block] = blocks;
  if (block === undefined) return foldLinear(source, pacer);
  const position = source.layers.indexOf(block);
  const before = source.layers.slice(0, position) as LinearLayer[];
  const after = source.layers.slice(position + 1) as LinearLayer[];
  return foldAround(source, before, block, after, pacer);
}

async function foldLinear(source: ChainSource, pacer: Pacer): Promise<OneBlock> {
  const layers = source.layers as readonly LinearLayer[];
  const constant = await throughLayers(layers, meanOf(source), pacer);
  const { data, columns } = await throughInputs([], weightsLastFirst(layers), source, pacer);
  return {
    inputs: columns,
    outputs: constant.length,
    hidden: null,
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
  const width = block.down?.shape[0] ?? hidden;
  const { down, skip } = await foldAfter(block, width, weightsLastFirst(after), pacer);
  const outputs = down.rows;

  // The rows of L, R and of the residual's path to the outputs take the same way back to the input: one matrix for all.
  const stack = await stackRows(block, skip, pacer);
  const offset = await throughLayers(before, meanOf(source), pacer);
  const biases = interleave(vectorOf(block.leftBias, hidden), vectorOf(block.rightBias, hidden), stack.rows);
  const constants = await multiplyVector(stack, offset, biases, pacer);
  const folded = await throughInputs([stack], weightsLastFirst(before), source, pacer);
  const inputs = folded.columns;
  const rows = folded.data as Float64Array;
  const factors = rows.subarray(0, 2 * hidden * inputs);

  const outerBias = vectorOf(block.downBias, width).map((c) => block.beta * c);
  const constant = await throughLayers(after, outerBias, pacer);
  if (skip !== null) for (let c = 0; c < outputs; c++) constant[c] += constants[2 * hidden + c];
  const traces = new Float64Array(hidden);
  for (let h = 0; h < hidden; h++) {
    traces[h] = dotOf(factors, 2 * h * inputs, (2 * h + 1) * inputs, inputs);
    if (pacer.due(inputs)) await pacer.pause();
  }
  const products = Float64Array.from({ length: hidden }, (_, h) => constants[2 * h] * constants[2 * h + 1]);
  const withProducts = await multiplyVector(down, products, constant, pacer);
  const mean = await multiplyVector(down, traces, withProducts, pacer);

  const linear = skip === null ? null : rows.subarray(2 * hidden * inputs);
  return {
    inputs,
    outputs,
    hidden,
    factors,
    down: down.data as Float64Array,
    linear: await linearPart(factors, constants, down, linear, inputs, pacer),
    constant: withProducts,
    mean,
  };
}

/** What follows the sum in the block: β·W·D for the units, and α·W for the residual (null without one), W the layers after. */
async function foldAfter(
  block: BilinearLayer,
  width: number,
  after: readonly MatrixView[],
  pacer: Pacer,
): Promise<{ down: MatrixView; skip: MatrixView | null }> {
  const inner = block.down === undefined ? [] : [matrixOf(block.down)];
  if (block.alpha === 0) {
    return { down: await scaledProduct(block.beta, width, [...after, ...inner], pacer), skip: null };
  }
  const outer = after.length === 0 ? [] : [await multiplyChain(after, pacer)];
  return {
    down: await scaledProduct(block.beta, width, [...outer, ...inner], pacer),
    skip: await scaledProduct(block.alpha, width, outer, pacer),
  };
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

/** `outer`, then the weights in front of it (last layer first), then C: what acts on z. A row-major matrix of its own. */
async function throughInputs(
  outer: readonly MatrixView[],
  before: readonly MatrixView[],
  { law, inputs }: ChainSource,
  pacer: Pacer,
): Promise<MatrixView> {
  if (law.factor === undefined) return scaledProduct(law.sigma, inputs, [...outer, ...before], pacer);
  const factor = rowMajor(law.factor.data, inputs, law.factor.columns);
  return scaledProduct(1, inputs, [...outer, ...before, factor], pacer);
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

/** A vector sent through linear layers, biases included. */
async function throughLayers(layers: readonly LinearLayer[], start: Float64Array, pacer: Pacer): Promise<Float64Array> {
  let vector: Float64Array = start.slice();
  for (const { weight, bias } of layers) {
    vector = await multiplyVector(matrixOf(weight), vector, vectorOf(bias, weight.shape[0]), pacer);
  }
  return vector;
}

function weightsLastFirst(layers: readonly LinearLayer[]): MatrixView[] {
  return layers.map((layer) => matrixOf(layer.weight)).reverse();
}

function meanOf({ law, inputs }: ChainSource): Float64Array {
  return law.mean ?? new Float64Array(inputs);
}

/** A number times the product of a chain (for an empty one, the identity of the given size), as a matrix of its own. */
async function scaledProduct(
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

/** Writes factor · row i of a matrix from `target[at + i·stride]` on. */
async function copyRows(
  view: MatrixView,
  factor: number,
  target: Float64Array,
  at: number,
  stride: number,
  pacer: Pacer,
): Promise<void> {
  for (let i = 0; i < view.rows; i++) {
    let from = i * view.rowStride;
    const start = at + i * stride;
    for (let j = 0; j < view.columns; j++, from += view.columnStride) target[start + j] = factor * view.data[from];
    if (pacer.due(view.columns)) await pacer.pause();
  }
}

function identity(size: number): MatrixView {
  const data = new Float64Array(size * size);
  for (let i = 0; i < size; i++) data[i * size + i] = 1;
  return rowMajor(data, size, size);
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

function dotOf(data: Float64Array, a: number, b: number, length: number): number {
  let sum = 0;
  for (let i = 0; i < length; i++) sum += data[a + i] * data[b + i];
  return sum;
}

function unlessZero(data: Float64Array): Float64Array | null {
  return data.every((value) => value === 0) ? null : data;
}
