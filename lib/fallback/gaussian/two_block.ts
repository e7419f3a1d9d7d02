import type { ChainSource } from '../../backend/grams.js';
import type { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { type MatrixView, rowMajor } from '../../tensor/matrix.js';
import { multiplyVector } from '../gemm/gemm.js';
import { bilinearForm } from './bilinear_form.js';
import { times } from './covariance.js';
import { firstQuadratics, rowLength } from './quadratics.js';
import { requireBilinear, stagesOf } from './stages.js';
import { twoBlockSlices } from './two_block_pair.js';

/**
 * A chain of at most two bilinear blocks by Hermite degree (MATH.md section 5). With U_k = ξᵀA_k ξ + a_kᵀξ and V_k
 * alike, the quadratics that the second block multiplies, centred, f_c = E f_c + (degrees 1 and 2) + Σ_k D_ck (degrees
 * 3 and 4 of U_k V_k).
 */
export interface PreparedTwoBlock {
  readonly kind: 'two-block';
  /** k, the size of the whitened input. */
  readonly inputs: number;
  readonly outputs: number;
  readonly positions: number;
  /** (r, k): ξ = basis · z. */
  readonly basis: MatrixView;
  /** E f, (o). */
  readonly mean: Float64Array;
  /** Degrees 1 and 2 of every output, [A | a]: (o, r² + r). */
  readonly low: MatrixView;
  /** h of the second block; 0 without one. */
  readonly hidden: number;
  /** U, then V, [A | a]: (2h, r² + r). */
  readonly sides: MatrixView;
  /** Whether any a of `sides` differs from zero; without, there is no degree 3. */
  readonly odd: boolean;
  /** D, (o, h). */
  readonly down: MatrixView;
  /** ⟨f_c, f_c⟩, per output. */
  readonly self: Float64Array;
}

/** @throws TensimError `UNSUPPORTED_LAYER` for more than two blocks, or one that is not bilinear. */
export async function prepareTwoBlock(source: ChainSource, pacer: Pacer): Promise<PreparedTwoBlock> {
  const { before, stages } = stagesOf(source.layers);
  if (stages.length > 2)
    throw new TensimError('UNSUPPORTED_LAYER', `the method "two-block" cannot take ${stages.length} blocks`);
  const [first, second] = stages.map(({ block, after }) => ({ block: requireBilinear(block, 'two-block'), after }));
  const { rank, rows, basis } = await firstQuadratics(source, before, first?.block, first?.after ?? [], pacer);
  const width = rowLength(rank);
  const form = second && (await bilinearForm(second.block, second.after, pacer));
  const parts =
    form === undefined ? await withoutSecond(rows, rank, pacer) : await throughSecond(form, rows, rank, pacer);
  const prepared: PreparedTwoBlock = {
    kind: 'two-block',
    inputs: basis.columns,
    outputs: parts.mean.length,
    positions: source.positions,
    basis,
    ...parts,
    odd: hasLinearPart(parts.sides, rank, width - 1),
    self: new Float64Array(parts.mean.length),
  };
  await twoBlockSlices(prepared, prepared, prepared.self, pacer);
  return prepared;
}

type Parts = Pick<PreparedTwoBlock, 'mean' | 'low' | 'hidden' | 'sides' | 'down'>;

async function withoutSecond(rows: MatrixView, rank: number, pacer: Pacer): Promise<Parts> {
  const outputs = rows.rows;
  return {
    mean: Float64Array.from({ length: outputs }, (_, c) => meanOfRow(rows, rank, c)),
    low: await withoutConstants(rows, pacer),
    hidden: 0,
    sides: rowMajor(new Float64Array(0), 0, rows.columns - 1),
    down: rowMajor(new Float64Array(0), outputs, 0),
  };
}

/**
 * The second block on the quadratics y of the first: U V = m_U m_V + m_U V + m_V U (centred from here on) + U V, and of
 * the last product
 *
 *     degree 0: 2 tr(A_U A_V) + a_U·a_V     degree 1: 2 (A_U a_V + A_V a_U)     degree 2: 2 (A_U A_V + A_V A_U) + ½(a_U a_Vᵀ + a_V a_Uᵀ)
 */
async function throughSecond(
  { hidden, factors, biases, down, skip, constant }: Awaited<ReturnType<typeof bilinearForm>>,
  y: MatrixView,
  rank: number,
  pacer: Pacer,
): Promise<Parts> {
  const full = await times(factors, y, pacer);
  const means = Float64Array.from({ length: 2 * hidden }, (_, i) => meanOfRow(full, rank, i) + biases[i]);
  const sides = await withoutConstants(full, pacer);
  const width = sides.columns;
  const lower = new Float64Array(hidden * width);
  const constants = new Float64Array(hidden);
  for (let h = 0; h < hidden; h++) {
    const row = lower.subarray(h * width, (h + 1) * width);
    const [u, v] = [sideOf(sides, h), sideOf(sides, hidden + h)];
    constants[h] = means[h] * means[hidden + h] + (await contract(u, v, rank, row, pacer));
    for (let i = 0; i < width; i++) row[i] += means[h] * v[i] + means[hidden + h] * u[i];
  }
  const low = await times(down, rowMajor(lower, hidden, width), pacer);
  let mean = await multiplyVector(down, constants, constant, pacer);
  if (skip !== null) {
    const through = await times(skip, await withoutConstants(y, pacer), pacer);
    for (let i = 0; i < low.data.length; i++) low.data[i] += through.data[i];
    const inner = Float64Array.from({ length: y.rows }, (_, i) => meanOfRow(y, rank, i));
    mean = await multiplyVector(skip, inner, mean, pacer);
  }
  return { mean, low, hidden, sides, down };
}

/** Writes degrees 2 and 1 of the product of two centred quadratics [A | a] to `row`; returns degree 0. */
async function contract(
  u: Float64Array,
  v: Float64Array,
  rank: number,
  row: Float64Array,
  pacer: Pacer,
): Promise<number> {
  const square = rank * rank;
  const [a, b] = [rowMajor(u.subarray(0, square), rank, rank), rowMajor(v.subarray(0, square), rank, rank)];
  const product = await times(a, b, pacer);
  let constant = 0;
  for (let p = 0; p < rank; p++) {
    const [up, vp] = [u[square + p], v[square + p]];
    constant += up * vp;
    let linear = 0;
    for (let q = 0; q < rank; q++) {
      const at = p * rank + q;
      const [uq, vq] = [u[square + q], v[square + q]];
      row[at] = 2 * (product.data[at] + product.data[q * rank + p]) + (up * vq + vp * uq) / 2;
      linear += u[at] * vq + v[at] * uq;
      constant += 2 * u[at] * v[at];
    }
    row[square + p] = 2 * linear;
  }
  if (pacer.due(2 * square)) await pacer.pause();
  return constant;
}

export function sideOf({ data, columns }: MatrixView, row: number): Float64Array {
  return (data as Float64Array).subarray(row * columns, (row + 1) * columns);
}

/** tr A + e. */
function meanOfRow({ data, columns }: MatrixView, rank: number, row: number): number {
  const start = row * columns;
  let mean = data[start + columns - 1];
  for (let p = 0; p < rank; p++) mean += data[start + p * (rank + 1)];
  return mean;
}

/** The rows [A | a | e] as [A | a], which stand for centred quadratics. */
async function withoutConstants({ data, rows, columns }: MatrixView, pacer: Pacer): Promise<MatrixView> {
  const kept = new Float64Array(rows * (columns - 1));
  for (let i = 0; i < rows; i++) {
    kept.set((data as Float64Array).subarray(i * columns, (i + 1) * columns - 1), i * (columns - 1));
    if (pacer.due(columns)) await pacer.pause();
  }
  return rowMajor(kept, rows, columns - 1);
}

function hasLinearPart({ data, rows, columns }: MatrixView, rank: number, width: number): boolean {
  for (let i = 0; i < rows; i++) {
    for (let p = width - rank; p < width; p++) if (data[i * columns + p] !== 0) return true;
  }
  return false;
}
