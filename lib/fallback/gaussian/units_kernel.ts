import type { Pacer } from '../../cooperate.js';
import { type GatedUnit, gatedKernels } from '../../gaussian/activations/gated.js';
import { kernel } from '../../gaussian/activations/kernel.js';
import { type MatrixView, rowMajor, transpose } from '../../tensor/matrix.js';
import { times } from './covariance.js';
import { TERMS, type UnitsState } from './units_state.js';

/** What a series may leave out, of the root of the product of both energies. */
const TOLERANCE = 1e-14;
/** Beyond this a correlation is one but for rounding, which steps would feel. */
const ONE = 1 - 4e-15;
/** About the multiply-adds of an entry without its series. */
const WORK_OF_KERNEL = 1 << 14;

/** K of every two units without the degrees 0 and 1 of their block, (h, h'). */
export async function higherDegrees(a: UnitsState, b: UnitsState, cov: MatrixView, pacer: Pacer): Promise<MatrixView> {
  const half = await times(a.direction, cov, pacer);
  const rho = await times(half, transpose(b.direction), pacer);
  const gates = a.gate === null && b.gate === null ? null : await gateProducts(a, b, half, cov, pacer);
  const middle = new Float64Array(rho.data.length);
  for (let i = 0, k = 0; i < rho.rows; i++) {
    for (let j = 0; j < rho.columns; j++, k++) {
      const r = snapped(rho.data[k]);
      const factors = gates?.map(({ data }) => data[k]) ?? null;
      const rest = gates === null ? a.tails[i] * b.tails[j] : 1;
      const near = Math.abs(r) ** (TERMS + 1) * rest > TOLERANCE;
      middle[k] = near ? entryOf(a, i, b, j, r, factors) : seriesOf(a, i, b, j, r, factors);
      if (pacer.due(near ? WORK_OF_KERNEL : 4 * TERMS)) await pacer.pause();
    }
  }
  return rowMajor(middle, rho.rows, rho.columns);
}

function snapped(rho: number): number {
  return Math.abs(rho) > ONE ? Math.sign(rho) : rho;
}

/** κ = U⊥ C Ŵ'ᵀ, κ' = Ŵ C U⊥'ᵀ, ν = U⊥ C U⊥'ᵀ; of a hidden layer U⊥ = 0. */
async function gateProducts(a: UnitsState, b: UnitsState, half: MatrixView, cov: MatrixView, pacer: Pacer) {
  const none = rowMajor(new Float64Array(a.direction.rows * b.direction.rows), a.direction.rows, b.direction.rows);
  const rest = a.gate === null ? null : await times(a.gate.rest, cov, pacer);
  const kappa = rest === null ? none : await times(rest, transpose(b.direction), pacer);
  const other = b.gate === null ? none : await times(half, transpose(b.gate.rest), pacer);
  const nu = rest === null || b.gate === null ? none : await times(rest, transpose(b.gate.rest), pacer);
  return [kappa, other, nu];
}

/** Σ from degree 2 of pp', from 1 of q∂p', ∂pq' and qq', from 0 of ∂q∂q', each with its factor. */
function seriesOf(
  { coefficients: u }: UnitsState,
  i: number,
  { coefficients: v }: UnitsState,
  j: number,
  rho: number,
  factors: readonly number[] | null,
): number {
  const [kappa, other, nu] = factors ?? [0, 0, 0];
  const [from, to] = [i * (TERMS + 1), j * (TERMS + 1)];
  let sum = 0;
  for (let n = TERMS; n >= 0; n--) {
    const [x, y] = [from + n, to + n];
    let term = n >= 2 ? u.p[x] * v.p[y] : 0;
    if (factors !== null) {
      if (n >= 1) term += kappa * u.q[x] * v.dp[y] + other * u.dp[x] * v.q[y] + nu * u.q[x] * v.q[y];
      term += kappa * other * u.dq[x] * v.dq[y];
    }
    sum = sum * rho + term;
  }
  return sum;
}

/** The same in closed form or by quadrature, less what belongs to lower degrees. */
function entryOf(
  a: UnitsState,
  i: number,
  b: UnitsState,
  j: number,
  rho: number,
  factors: readonly number[] | null,
): number {
  const [u, v] = [unitOf(a, i), unitOf(b, j)];
  const [x, y] = [i * (TERMS + 1), j * (TERMS + 1)];
  const [p, q] = [a.coefficients, b.coefficients];
  const low = p.p[x] * q.p[y] + rho * p.p[x + 1] * q.p[y + 1];
  if (factors === null) return kernel(u, v, rho) - low;
  const [kappa, other, nu] = factors;
  const [pp, qdp, dpq, qq, dqdq] = gatedKernels(u, v, rho);
  return (
    pp -
    low +
    kappa * (qdp - p.q[x] * q.dp[y]) +
    other * (dpq - p.dp[x] * q.q[y]) +
    nu * (qq - p.q[x] * q.q[y]) +
    kappa * other * dqdq
  );
}

/** A unit without a gate has the value that is gated 1. */
function unitOf({ form, means, deviations, gate }: UnitsState, i: number): GatedUnit {
  const { activation, slopes } = form;
  return {
    activation: slopes === null ? activation : { ...activation, slope: slopes[i] },
    mean: means[i],
    deviation: deviations[i],
    constant: gate?.constants[i] ?? 1,
    beta: gate?.betas[i] ?? 0,
  };
}
