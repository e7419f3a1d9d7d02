import type { Pacer } from '../../cooperate.js';
import { type MatrixView, rowMajor, transpose } from '../../tensor/matrix.js';
import { multiply } from '../gemm/gemm.js';
import { addDiagonal, times } from './covariance.js';
import type { PreparedTwoBlock } from './two_block.js';

/** What of a model meets another: its quadratics [A | a] in the other's coordinates, those of rank r. */
interface Projected {
  readonly rank: number;
  readonly low: MatrixView;
  readonly sides: MatrixView;
}

/**
 * E f_c g_c by Hermite degree (MATH.md section 5), which are orthogonal:
 *
 *     E f_c E g_c + a_c·a'_c + 2⟨A_c, A'_c⟩ + Σ_kj D_ck D'_cj K_kj
 *
 * The model of larger rank is projected to the coordinates of the other: A → Γᵀ A Γ, a → Γᵀ a, Γ = Cov(ξ, ξ').
 */
export async function twoBlockSlices(
  a: PreparedTwoBlock,
  b: PreparedTwoBlock,
  result: Float64Array,
  pacer: Pacer,
): Promise<void> {
  if (a.basis.rows < b.basis.rows) return twoBlockSlices(b, a, result, pacer);
  const rank = b.basis.rows;
  const projected = a === b ? { rank, low: a.low, sides: a.sides } : await project(a, b.basis, pacer);
  for (let c = 0; c < result.length; c++) {
    result[c] = a.mean[c] * b.mean[c] + product(projected.low, c, b.low, c, rank);
    if (pacer.due(rank * rank)) await pacer.pause();
  }
  if (a.hidden > 0 && b.hidden > 0) {
    const middle = await highDegrees(projected, a, b, pacer);
    await addDiagonal(result, { left: a.down, middle, right: b.down }, pacer);
  }
  for (let c = 0; c < result.length; c++) result[c] *= a.positions;
}

async function project(a: PreparedTwoBlock, basis: MatrixView, pacer: Pacer): Promise<Projected> {
  const gamma = await times(a.basis, transpose(basis), pacer);
  const { rows, columns: rank } = gamma;
  const turn = async (quadratics: MatrixView) => {
    const width = rank * rank + rank;
    const data = new Float64Array(quadratics.rows * width);
    for (let i = 0; i < quadratics.rows; i++) {
      const row = (quadratics.data as Float64Array).subarray(i * quadratics.columns, (i + 1) * quadratics.columns);
      const half = await times(rowMajor(row, rows, rows), gamma, pacer);
      data.set(await multiply(transpose(gamma), half, pacer), i * width);
      const vector = rowMajor(row.subarray(rows * rows), 1, rows);
      data.set(await multiply(vector, gamma, pacer), i * width + rank * rank);
    }
    return rowMajor(data, quadratics.rows, width);
  };
  return { rank, low: await turn(a.low), sides: await turn(a.sides) };
}

/** 2⟨A, A'⟩ + a·a', the covariance of two centred quadratics. */
function product(a: MatrixView, i: number, b: MatrixView, j: number, rank: number): number {
  const [from, to] = [i * a.columns, j * b.columns];
  let quadratic = 0;
  let linear = 0;
  for (let p = 0; p < rank * rank; p++) quadratic += a.data[from + p] * b.data[to + p];
  for (let p = rank * rank; p < a.columns; p++) linear += a.data[from + p] * b.data[to + p];
  return 2 * quadratic + linear;
}

/**
 * K_kj, the covariance of degrees 3 and 4 of U_k V_k with those of U'_j V'_j. Every leg of one side meets a leg of the
 * other; with q = 2⟨A, A'⟩ and l = a·a' for each of the four pairs of sides,
 *
 *     pairwise      q_UU' q_VV' + q_UU' l_VV' + l_UU' q_VV', and the same with U' and V' swapped
 *     interleaved   16 tr(A_U A_U' A_V A_V') + 4 Σ over sides X, Y: (A_Ȳ' a_X)·(A_X̄ a_Y'), the bar meaning the other side
 */
async function highDegrees(
  { rank, sides }: Projected,
  a: PreparedTwoBlock,
  b: PreparedTwoBlock,
  pacer: Pacer,
): Promise<MatrixView> {
  const [square, h, j] = [rank * rank, a.hidden, b.hidden];
  const quadratic = await times(part(sides, 0, square), transpose(part(b.sides, 0, square)), pacer);
  const odd = a.odd && b.odd;
  const linear = odd ? await times(part(sides, square, rank), transpose(part(b.sides, square, rank)), pacer) : null;
  const kernel = await interleaved(sides, h, b.sides, j, rank, pacer);
  for (let k = 0; k < h; k++) {
    for (let i = 0; i < j; i++) {
      const [u, v] = [k * 2 * j + i, (h + k) * 2 * j + i];
      const direct = wick(quadratic.data, linear?.data, u, v + j);
      kernel[k * j + i] += direct + wick(quadratic.data, linear?.data, u + j, v);
    }
    if (pacer.due(8 * j)) await pacer.pause();
  }
  if (odd) await addInterleavedLinear(kernel, sides, h, b.sides, j, rank, pacer);
  return rowMajor(kernel, h, j);
}

/** q q' + q l' + l q' with q = 2⟨A, A'⟩. */
function wick(quadratic: ArrayLike<number>, linear: ArrayLike<number> | undefined, x: number, y: number): number {
  const [q, r] = [2 * quadratic[x], 2 * quadratic[y]];
  return linear === undefined ? q * r : q * r + q * linear[y] + linear[x] * r;
}

/**
 * 16 tr(A_Uk A_U'j A_Vk A_V'j), (h, h'): the one term that costs h h' r³. For every k the matrices of all j are one
 * stack, multiplied with A_Uk and A_Vk; the trace joins the two products. (Over the hidden units of the first blocks it
 * would cost more, h⁵, unless they are far fewer than r.)
 */
async function interleaved(
  a: MatrixView,
  h: number,
  b: MatrixView,
  j: number,
  rank: number,
  pacer: Pacer,
): Promise<Float64Array> {
  const square = rank * rank;
  const lefts = await stack(b, 0, j, rank, pacer);
  const rights = await stack(b, j, j, rank, pacer);
  const kernel = new Float64Array(h * j);
  for (let k = 0; k < h; k++) {
    const left = await multiply(lefts, matrixAt(a, k, rank), pacer);
    const right = await multiply(rights, matrixAt(a, h + k, rank), pacer);
    for (let i = 0; i < j; i++) {
      let trace = 0;
      for (let p = 0; p < rank; p++) {
        const row = i * square + p * rank;
        for (let q = 0, at = i * square + p; q < rank; q++, at += rank) trace += right[row + q] * left[at];
      }
      kernel[k * j + i] = 16 * trace;
      if (pacer.due(square)) await pacer.pause();
    }
  }
  return kernel;
}

/** Adds 4 Σ_{X,Y} (A_Ȳ' a_X)·(A_X̄ a_Y'). */
async function addInterleavedLinear(
  kernel: Float64Array,
  a: MatrixView,
  h: number,
  b: MatrixView,
  j: number,
  rank: number,
  pacer: Pacer,
): Promise<void> {
  const square = rank * rank;
  // ((2h', r), 2h): A' of every side of b on every a of a; and the other way round.
  const ofB = await multiply(await stack(b, 0, 2 * j, rank, pacer), transpose(part(a, square, rank)), pacer);
  const ofA = await multiply(await stack(a, 0, 2 * h, rank, pacer), transpose(part(b, square, rank)), pacer);
  for (let k = 0; k < h; k++) {
    for (let i = 0; i < j; i++) {
      let sum = 0;
      for (let x = 0; x < 2; x++) {
        for (let y = 0; y < 2; y++) {
          const [from, to] = [((1 - y) * j + i) * rank, ((1 - x) * h + k) * rank];
          for (let p = 0; p < rank; p++) {
            sum += ofB[(from + p) * 2 * h + x * h + k] * ofA[(to + p) * 2 * j + y * j + i];
          }
        }
      }
      kernel[k * j + i] += 4 * sum;
      if (pacer.due(8 * rank)) await pacer.pause();
    }
  }
}

/** Columns `start` … of every row. */
function part(view: MatrixView, start: number, columns: number): MatrixView {
  return { ...view, data: view.data.subarray(start), columns };
}

/** The symmetric matrix A of one row. */
function matrixAt({ data, columns }: MatrixView, row: number, rank: number): MatrixView {
  return rowMajor(data.subarray(row * columns), rank, rank);
}

/** The matrices A of `count` rows from `first` on, one below the other: (count·r, r). */
async function stack(
  { data, columns }: MatrixView,
  first: number,
  count: number,
  rank: number,
  pacer: Pacer,
): Promise<MatrixView> {
  const stacked = new Float64Array(count * rank * rank);
  for (let i = 0; i < count; i++) {
    const start = (first + i) * columns;
    stacked.set((data as Float64Array).subarray(start, start + rank * rank), i * rank * rank);
    if (pacer.due(rank * rank)) await pacer.pause();
  }
  return rowMajor(stacked, count * rank, rank);
}
