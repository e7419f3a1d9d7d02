import { type GatedUnit, gatedKernels } from '../../gaussian/activations/gated.js';
import { kernel } from '../../gaussian/activations/kernel.js';
import { TILE } from '../gemm/kernel.js';
import { SERIES } from './hidden_bound.js';

/* K_ij, the covariance of two units without its degrees 0 and 1 (MATH.md sections 10 and 11). */

/** The first of four units on either side. */
interface Place {
  readonly unit: number;
  readonly other: number;
}

/** Unit i is p_i(z) + ξ q_i(z); of a hidden layer there is no q. */
interface Units {
  /** p_n: (units, SERIES). */
  readonly p: Float64Array;
  /** q_{n−1}. */
  readonly q: Float64Array | null;
  readonly closed: readonly GatedUnit[];
}

/** K of four units with some others, and its parts of degree 2 and from 3 on. */
export interface Strips {
  readonly all: Float64Array;
  readonly quadratic: Float64Array;
  readonly higher: Float64Array;
}

/**
 * K_ij = Σ_{2≤n≤N} a_in b_jn ρ^n of 4 × 4 units by Horner, four sums side by side.
 * @param rho in a row of 16 from `at` on.
 * @param strips get K_ij and its parts at `to` + 4j + i.
 */
export function hiddenSeries(
  a: Float64Array,
  b: Float64Array,
  { unit, other }: Place,
  rho: Float64Array,
  at: number,
  degree: number,
  strips: Strips,
  to: number,
): void {
  const b0 = other * SERIES;
  const b1 = b0 + SERIES;
  const b2 = b1 + SERIES;
  const b3 = b2 + SERIES;
  for (let i = 0; i < TILE; i++) {
    const from = (unit + i) * SERIES;
    const r0 = rho[at + TILE * i];
    const r1 = rho[at + TILE * i + 1];
    const r2 = rho[at + TILE * i + 2];
    const r3 = rho[at + TILE * i + 3];
    let k0 = 0;
    let k1 = 0;
    let k2 = 0;
    let k3 = 0;
    for (let n = degree; n > 2; n--) {
      const own = a[from + n];
      k0 = (k0 + own * b[b0 + n]) * r0;
      k1 = (k1 + own * b[b1 + n]) * r1;
      k2 = (k2 + own * b[b2 + n]) * r2;
      k3 = (k3 + own * b[b3 + n]) * r3;
    }
    const second = a[from + 2];
    put(k0, second * b[b0 + 2], r0 * r0, strips, to + i);
    put(k1, second * b[b1 + 2], r1 * r1, strips, to + TILE + i);
    put(k2, second * b[b2 + 2], r2 * r2, strips, to + 2 * TILE + i);
    put(k3, second * b[b3 + 2], r3 * r3, strips, to + 3 * TILE + i);
  }
}

function put(higher: number, second: number, square: number, strips: Strips, at: number): void {
  strips.all[at] = (higher + second) * square;
  strips.quadratic[at] = second * square;
  strips.higher[at] = higher * square;
}

/** ρ = ŵ·ŵ', κ = U⊥·ŵ', κ' = ŵ·U⊥' and ν = U⊥·U⊥'; what is null is zero. */
interface Crossed<T> {
  readonly rho: number | Float64Array;
  readonly kappa: T;
  readonly otherKappa: T;
  readonly nu: T;
}

/** √n, for the derivatives of series. */
const ROOTS = Float64Array.from({ length: SERIES }, (_, n) => Math.sqrt(n));
const NONE = new Float64Array(SERIES);

/**
 * The same where units are gated on either side. Degree n contributes
 *
 *     ρ^{n−2} [ρ² p_n p'_n + ρ √n (κ q_{n−1} p'_n + κ' p_n q'_{n−1}) + (ρ ν + (n−1) κκ') q_{n−1} q'_{n−1}]
 */
export function gatedSeries(
  a: Units,
  b: Units,
  { unit, other }: Place,
  crossed: Crossed<Float64Array | null> & { readonly rho: Float64Array; readonly at: number },
  degree: number,
  strips: Strips,
  to: number,
): void {
  const [p, otherP] = [a.p, b.p];
  const [q, otherQ] = [a.q ?? NONE, b.q ?? NONE];
  for (let i = 0; i < TILE; i++) {
    const from = (unit + i) * SERIES;
    const fromQ = a.q === null ? 0 : from;
    for (let j = 0; j < TILE; j++) {
      const place = crossed.at + TILE * i + j;
      const rho = crossed.rho[place];
      const kappa = crossed.kappa === null ? 0 : crossed.kappa[place];
      const otherKappa = crossed.otherKappa === null ? 0 : crossed.otherKappa[place];
      const nu = crossed.nu === null ? 0 : rho * crossed.nu[place];
      const [square, left, right, both] = [rho * rho, rho * kappa, rho * otherKappa, kappa * otherKappa];
      const start = (other + j) * SERIES;
      const startQ = b.q === null ? 0 : start;
      let [sum, term, higher] = [0, 0, 0];
      for (let n = degree; n >= 2; n--) {
        const [x, y, s, t] = [p[from + n], otherP[start + n], q[fromQ + n], otherQ[startQ + n]];
        term = square * x * y + ROOTS[n] * (left * s * y + right * x * t) + (nu + (n - 1) * both) * s * t;
        higher = sum * rho;
        sum = higher + term;
      }
      const at = to + TILE * j + i;
      strips.all[at] = sum;
      strips.quadratic[at] = term;
      strips.higher[at] = higher;
    }
  }
}

/** K_ij in closed form or by quadrature, for any ρ: without the degrees 0 and 1, which are subtracted. */
export function closedKernel(a: Units, b: Units, unit: number, other: number, crossed: Crossed<number>): number {
  const { kappa, otherKappa, nu } = crossed;
  const rho = crossed.rho as number;
  const [u, v] = [a.closed[unit], b.closed[other]];
  const [from, start] = [unit * SERIES, other * SERIES];
  const [p0, p1, s0, s1] = [a.p[from], a.p[from + 1], b.p[start], b.p[start + 1]];
  if (a.q === null && b.q === null) return kernel(u, v, rho) - p0 * s0 - rho * p1 * s1;
  const [pp, qdp, dpq, qq, dqdq] = gatedKernels(u, v, rho);
  const [q0, t0] = [a.q === null ? 0 : a.q[from + 1], b.q === null ? 0 : b.q[start + 1]];
  const [left, right] = [kappa * (qdp - q0 * s1), otherKappa * (dpq - p1 * t0)];
  // At |ρ| = 1 κ and κ' are zero, whatever stands beside them.
  const both = kappa * otherKappa;
  return pp - p0 * s0 - rho * p1 * s1 + left + right + nu * (qq - q0 * t0) + (both === 0 ? 0 : both * dqdq);
}
