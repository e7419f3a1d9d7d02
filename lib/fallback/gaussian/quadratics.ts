import type { ChainSource } from '../../backend/grams.js';
import type { Pacer } from '../../cooperate.js';
import type { BilinearLayer, LinearLayer } from '../../model/model.js';
import { copyRows, type MatrixView, rowMajor, transpose } from '../../tensor/matrix.js';
import { multiply, multiplyVector } from '../gemm/gemm.js';
import { bilinearForm } from './bilinear_form.js';
import { times } from './covariance.js';
import { meanOf, throughInputs, throughLayers, weightsLastFirst } from './fold.js';
import { rowSpace } from './orthonormal.js';

/**
 * Quadratic polynomials Q_i(ξ) = ξᵀA_i ξ + a_iᵀξ + e_i of ξ ~ N(0, I_r), a row [A_i | a_i | e_i] of r² + r + 1 numbers
 * each, A_i symmetric. A linear map of them is a product of matrices.
 */
export interface Quadratics {
  /** r. */
  readonly rank: number;
  readonly rows: MatrixView;
  /** Orthonormal rows (r, k) with ξ = basis · z, z the whitened input. */
  readonly basis: MatrixView;
}

export function rowLength(rank: number): number {
  return rank * rank + rank + 1;
}

/**
 * What the linear layers `before`, one bilinear block (if there is one) and the linear layers `after` make of the
 * input. It depends on z through the rows of L, R and the residual only, so r is the rank of these.
 */
export async function firstQuadratics(
  source: ChainSource,
  before: readonly LinearLayer[],
  block: BilinearLayer | undefined,
  after: readonly LinearLayer[],
  pacer: Pacer,
): Promise<Quadratics> {
  const mean = await throughLayers(before, meanOf(source), pacer);
  const entry = await throughInputs([], weightsLastFirst(before), source, pacer);
  if (block === undefined) return linearRows(entry, mean, pacer);
  const form = await bilinearForm(block, after, pacer);
  const { hidden, factors, biases, down, skip, constant } = form;

  // The linear functions of z that the block is made of: u, v, and the residual.
  const parts = [factors, ...(skip === null ? [] : [skip])];
  const count = parts.reduce((sum, part) => sum + part.rows, 0);
  const stacked = new Float64Array(count * entry.columns);
  const means = new Float64Array(count);
  let row = 0;
  for (const part of parts) {
    stacked.set(await multiply(part, entry, pacer), row * entry.columns);
    means.set(await multiplyVector(part, mean, null, pacer), row);
    row += part.rows;
  }
  for (let i = 0; i < 2 * hidden; i++) means[i] += biases[i];
  const functions = rowMajor(stacked, count, entry.columns);
  const basis = await rowSpace(functions, pacer);
  const coordinates = await times(functions, transpose(basis), pacer);

  const rank = basis.rows;
  const width = rowLength(rank);
  const products = new Float64Array(hidden * width);
  for (let h = 0; h < hidden; h++) {
    writeProduct(coordinates.data as Float64Array, rank, means, h, hidden + h, products, h * width);
    if (pacer.due(rank * rank)) await pacer.pause();
  }
  const rows = await times(down, rowMajor(products, hidden, width), pacer);
  for (let i = 0; i < rows.rows; i++) {
    const end = i * width + width - 1;
    rows.data[end] += constant[i];
    if (skip === null) continue;
    const at = 2 * hidden + i;
    for (let k = 0; k < rank; k++) rows.data[end - rank + k] += coordinates.data[at * rank + k];
    rows.data[end] += means[at];
  }
  return { rank, rows, basis };
}

/** Rows of no quadratic part: a chain without a block. */
async function linearRows(entry: MatrixView, mean: Float64Array, pacer: Pacer): Promise<Quadratics> {
  const basis = await rowSpace(entry, pacer);
  const rank = basis.rows;
  const width = rowLength(rank);
  const data = new Float64Array(entry.rows * width);
  await copyRows(await times(entry, transpose(basis), pacer), 1, data, rank * rank, width, pacer);
  for (let i = 0; i < entry.rows; i++) data[(i + 1) * width - 1] = mean[i];
  return { rank, rows: rowMajor(data, entry.rows, width), basis };
}

/** The product of the linear functions i and j, ℓ(ξ) = lᵀξ + m: A = ½(l l'ᵀ + l' lᵀ), a = m l' + m' l, e = m m'. */
function writeProduct(
  coordinates: Float64Array,
  rank: number,
  means: Float64Array,
  i: number,
  j: number,
  target: Float64Array,
  start: number,
): void {
  const [l, r] = [i * rank, j * rank];
  for (let p = 0; p < rank; p++) {
    const [lp, rp] = [coordinates[l + p] / 2, coordinates[r + p] / 2];
    const to = start + p * rank;
    for (let q = 0; q < rank; q++) target[to + q] = lp * coordinates[r + q] + rp * coordinates[l + q];
    target[start + rank * rank + p] = 2 * (means[i] * rp + means[j] * lp);
  }
  target[start + rank * rank + rank] = means[i] * means[j];
}
