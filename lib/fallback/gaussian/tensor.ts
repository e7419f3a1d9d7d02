import type { ChainSource } from '../../backend/grams.js';
import type { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { copyRows, type MatrixView, rowMajor, transpose } from '../../tensor/matrix.js';
import { type BilinearForm, bilinearForm } from './bilinear_form.js';
import { addDiagonal, times } from './covariance.js';
import { meanOf, throughInputs, throughLayers, weightsLastFirst } from './fold.js';
import { requireBilinear, stagesOf } from './stages.js';

/** A chain of padded layers for the recursion of MATH.md section 7, x̃ = (1, x), the input law its first layer. */
export interface PreparedTensor {
  readonly kind: 'tensor';
  /** k, the size of the whitened input. */
  readonly inputs: number;
  readonly outputs: number;
  readonly positions: number;
  /** x̃ = entry · (1, z), (1 + m, 1 + k). */
  readonly entry: MatrixView;
  readonly blocks: readonly PaddedBlock[];
  /** ⟨f_c, f_c⟩, per output. */
  readonly self: Float64Array;
}

/** x̃ ↦ D̃ (L̃ x̃ ⊙ R̃ x̃) of q products: the constant 1·1, the hidden units, and with a residual every x_i·1. */
interface PaddedBlock {
  /** q. */
  readonly products: number;
  /** (2q, 1 + in): L̃, then R̃. */
  readonly factors: MatrixView;
  /** (1 + o, q). */
  readonly down: MatrixView;
}

/** @throws TensimError `UNSUPPORTED_LAYER` for a block that is not bilinear. */
export async function prepareTensor(source: ChainSource, pacer: Pacer): Promise<PreparedTensor> {
  const { before, stages } = stagesOf(source.layers);
  const weight = await throughInputs([], weightsLastFirst(before), source, pacer);
  const mean = await throughLayers(before, meanOf(source), pacer);
  const blocks: PaddedBlock[] = [];
  for (const { block, after } of stages) {
    blocks.push(await padBlock(await bilinearForm(requireBilinear(block, 'tensor'), after, pacer), pacer));
  }
  const outputs = (blocks.at(-1)?.down.rows ?? mean.length + 1) - 1;
  const prepared: PreparedTensor = {
    kind: 'tensor',
    inputs: weight.columns,
    outputs,
    positions: source.positions,
    entry: await padded([1, ...new Array(weight.columns).fill(0)], mean, weight, pacer),
    blocks,
    self: new Float64Array(outputs),
  };
  await tensorSlices(prepared, prepared, prepared.self, pacer);
  return prepared;
}

/** The row `first`, and below it every row of the matrix with its constant in front. */
async function padded(
  first: readonly number[],
  constants: Float64Array,
  matrix: MatrixView,
  pacer: Pacer,
): Promise<MatrixView> {
  const columns = matrix.columns + 1;
  const data = new Float64Array((matrix.rows + 1) * columns);
  data.set(first);
  for (let i = 0; i < matrix.rows; i++) data[(i + 1) * columns] = constants[i];
  await copyRows(matrix, 1, data, columns + 1, columns, pacer);
  return rowMajor(data, matrix.rows + 1, columns);
}

async function padBlock(form: BilinearForm, pacer: Pacer): Promise<PaddedBlock> {
  const { hidden, factors, biases, down, skip, constant } = form;
  const inputs = factors.columns;
  const products = 1 + hidden + (skip === null ? 0 : inputs);
  const columns = 1 + inputs;
  const data = new Float64Array(2 * products * columns);
  for (let side = 0; side < 2; side++) {
    const start = side * products * columns;
    data[start] = 1;
    const rows = start + columns;
    for (let h = 0; h < hidden; h++) data[rows + h * columns] = biases[side * hidden + h];
    const half = { ...factors, data: factors.data.subarray(side * hidden * inputs), rows: hidden };
    await copyRows(half, 1, data, rows + 1, columns, pacer);
    if (skip === null) continue;
    const residual = rows + hidden * columns;
    for (let i = 0; i < inputs; i++) data[residual + i * columns + (side === 0 ? i + 1 : 0)] = 1;
  }
  const wide = new Float64Array(down.rows * (products - 1));
  await copyRows(down, 1, wide, 0, products - 1, pacer);
  if (skip !== null) await copyRows(skip, 1, wide, hidden, products - 1, pacer);
  const first = [1, ...new Array(products - 1).fill(0)];
  return {
    products,
    factors: rowMajor(data, 2 * products, columns),
    down: await padded(first, constant, rowMajor(wide, down.rows, products - 1), pacer),
  };
}

/**
 * G ← D̃ · ½[(L̃GL̃'ᵀ)⊙(R̃GR̃'ᵀ) + (L̃GR̃'ᵀ)⊙(R̃GL̃'ᵀ)] · D̃'ᵀ block by block; of the last G only the diagonal is
 * computed.
 * @throws TensimError `SHAPE_MISMATCH` for chains of different numbers of blocks.
 */
export async function tensorSlices(
  a: PreparedTensor,
  b: PreparedTensor,
  result: Float64Array,
  pacer: Pacer,
): Promise<void> {
  if (a.blocks.length !== b.blocks.length) {
    throw new TensimError('SHAPE_MISMATCH', 'tensors of different degree have no inner product', {
      hint: 'Use the measure "gaussian"',
    });
  }
  // One number more than outputs: the constant stands first.
  const diagonal = new Float64Array(result.length + 1);
  let gram = await times(a.entry, transpose(b.entry), pacer);
  if (a.blocks.length === 0) await addDiagonal(diagonal, { left: null, middle: gram, right: null }, pacer);
  for (const [index, left] of a.blocks.entries()) {
    const right = b.blocks[index];
    const half = await times(left.factors, gram, pacer);
    const middle = await symmetrised(await times(half, transpose(right.factors), pacer), pacer);
    if (index + 1 === a.blocks.length) {
      await addDiagonal(diagonal, { left: left.down, middle, right: right.down }, pacer);
    } else {
      gram = await times(await times(left.down, middle, pacer), transpose(right.down), pacer);
    }
  }
  for (let c = 0; c < result.length; c++) result[c] = a.positions * diagonal[c + 1];
}

/** ½[LL' ⊙ RR' + LR' ⊙ RL'], (q, q'), from all four in one matrix. */
async function symmetrised({ data, rows, columns }: MatrixView, pacer: Pacer): Promise<MatrixView> {
  const [p, q] = [rows / 2, columns / 2];
  const products = new Float64Array(p * q);
  for (let i = 0; i < p; i++) {
    const [left, right] = [i * columns, (p + i) * columns];
    for (let j = 0; j < q; j++) {
      products[i * q + j] = (data[left + j] * data[right + q + j] + data[left + q + j] * data[right + j]) / 2;
    }
    if (pacer.due(2 * q)) await pacer.pause();
  }
  return rowMajor(products, p, q);
}
