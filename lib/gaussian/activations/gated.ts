import type { Pacer } from '../../cooperate.js';
import { type Activation, aboutActivation } from '../../layers/activations.js';
import { normalDensity } from '../normal.js';
import { bivariateDensity, complementOf, edgeMoments, truncatedMoments } from './bivariate.js';
import { coefficients, unitCoefficients } from './coefficients.js';
import { conditional, REACH, type Unit } from './conditional.js';
import { activationDerivative, activationValue } from './evaluate.js';
import { grainOf } from './grain.js';
import { inOrder } from './kernel.js';
import { nodesFor, together } from './line.js';

/**
 * A unit of a gated block (MATH.md section 11): p(z) + ξ q(z), q(z) = φ(m + s z) and p(z) = (u + β z) q(z), ξ independent
 * of z. With s = 0 it has β = 0.
 */
export interface GatedUnit extends Unit {
  /** u, the mean of the value that is gated. */
  readonly constant: number;
  /** β, its regression on z. */
  readonly beta: number;
}

/** Hermite coefficients of p, q and their derivatives with respect to z, each (units, terms + 1), row-major. */
export interface GatedCoefficients {
  readonly p: Float64Array;
  readonly q: Float64Array;
  readonly dp: Float64Array;
  readonly dq: Float64Array;
}

/** The coefficients of gated units up to the degree `terms`, and E q²; slopes of `prelu`, one per unit. */
export async function gatedCoefficients(
  activation: Activation,
  slopes: ArrayLike<number> | null,
  units: {
    readonly means: ArrayLike<number>;
    readonly deviations: ArrayLike<number>;
    readonly constants: ArrayLike<number>;
    readonly betas: ArrayLike<number>;
  },
  terms: number,
  pacer: Pacer,
): Promise<GatedCoefficients & { readonly energy: Float64Array }> {
  const { means, deviations, constants, betas } = units;
  const count = terms + 1;
  const { values, energy } = await coefficients(activation, slopes, means, deviations, terms + 2, pacer);
  const [p, q, dp, dq] = Array.from({ length: 4 }, () => new Float64Array(means.length * count));
  for (let i = 0; i < means.length; i++) {
    const all = values.subarray(i * (count + 2), (i + 1) * (count + 2));
    const unit = fromGate(all, constants[i], betas[i], count);
    p.set(unit.p, i * count);
    q.set(unit.q, i * count);
    dp.set(unit.dp, i * count);
    dq.set(unit.dq, i * count);
    if (pacer.due(8 * count)) await pacer.pause();
  }
  return { p, q, dp, dq, energy };
}

/**
 * p_n = u q_n + β (√n q_{n−1} + √(n+1) q_{n+1}); the n-th coefficient of a derivative is √(n+1) times the next one.
 * @param all q_n, two more than are wanted
 */
function fromGate(all: Float64Array, constant: number, beta: number, count: number): GatedCoefficients {
  const p = Float64Array.from({ length: count + 1 }, (_, n) => {
    const before = n === 0 ? 0 : Math.sqrt(n) * all[n - 1];
    return constant * all[n] + beta * (before + Math.sqrt(n + 1) * all[n + 1]);
  });
  const derivative = (of: Float64Array) => Float64Array.from({ length: count }, (_, n) => Math.sqrt(n + 1) * of[n + 1]);
  return { p: p.subarray(0, count), q: all.subarray(0, count), dp: derivative(p), dq: derivative(all) };
}

/** E pp', E q ∂p', E ∂p q', E qq', E ∂q ∂q'. */
export type GatedKernels = readonly [pp: number, qdp: number, dpq: number, qq: number, dqdq: number];

/**
 * The five expectations of two gated units whose normals have the correlation `rho`, exact at ρ = ±1 and where s = 0 too.
 * Of two steps at ρ = ±1 the last one is infinite or zero; what it is multiplied by is zero then, so it is given as zero.
 */
export function gatedKernels(u: GatedUnit, v: GatedUnit, rho: number): GatedKernels {
  const correlation = Math.min(Math.max(rho, -1), 1);
  const [first, second] = [u, v].map(({ activation: { name } }) => name);
  if (u.deviation === 0 || v.deviation === 0 || correlation === 0) return series(of(u, 1), of(v, 1), correlation, 1);
  if (first === 'exp') return tilted(u, v, correlation);
  if (second === 'exp') return mirrored(tilted(v, u, correlation));
  const degrees = [first, second].map((name) => aboutActivation(name).degree ?? Number.POSITIVE_INFINITY);
  const count = Math.min(degrees[0], degrees[1]) + 2;
  if (count < Number.POSITIVE_INFINITY) return series(of(u, count), of(v, count), correlation, 1);
  if (first === 'heaviside' && second === 'heaviside') return ofSteps(u, v, correlation);
  const [outer, inner] = inOrder(u, v);
  const kernels = givenOuter(outer, inner, correlation);
  return outer === u ? kernels : mirrored(kernels);
}

const mirrored = ([pp, qdp, dpq, qq, dqdq]: GatedKernels): GatedKernels => [pp, dpq, qdp, qq, dqdq];

function of({ activation, mean, deviation, constant, beta }: GatedUnit, count: number): GatedCoefficients {
  const all = new Float64Array(count + 2);
  unitCoefficients(activation, mean, deviation, all);
  return fromGate(all, constant, beta, count);
}

/** Σ over degrees, of coefficients that end or where ρ = 0. */
function series(u: GatedCoefficients, v: GatedCoefficients, rho: number, scale: number): GatedKernels {
  const sum = (a: Float64Array, b: Float64Array) => {
    let value = 0;
    for (let n = a.length - 1; n >= 0; n--) value = value * rho + a[n] * b[n];
    return scale * value;
  };
  return [sum(u.p, v.p), sum(u.q, v.dp), sum(u.dp, v.q), sum(u.q, v.q), sum(u.dq, v.dq)];
}

/** e^u moves z by s and z' by ρ s; what is left of its own unit is linear in z. */
function tilted(unit: GatedUnit, other: GatedUnit, rho: number): GatedKernels {
  const { mean, deviation: s, constant, beta } = unit;
  const shift = rho * s;
  const moved = {
    ...other,
    mean: other.mean + shift * other.deviation,
    constant: other.constant + shift * other.beta,
  };
  const own = constant + beta * s;
  const linear = {
    p: Float64Array.of(own, beta),
    q: Float64Array.of(1, 0),
    dp: Float64Array.of(beta + s * own, s * beta),
    dq: Float64Array.of(s, 0),
  };
  return series(linear, of(moved, 2), rho, Math.exp(mean + 0.5 * s * s));
}

/** p = k H + β (z + a)_+ and ∂p = β H + k δ with k = u − β a. */
function ofSteps(u: GatedUnit, v: GatedUnit, rho: number): GatedKernels {
  const [a, b] = [u.mean / u.deviation, v.mean / v.deviation];
  const [k, l] = [u.constant - u.beta * a, v.constant - v.beta * b];
  const [m00, m01, m10, m11] = truncatedMoments(a, b, rho, 1);
  return [
    k * l * m00 + k * v.beta * m01 + u.beta * l * m10 + u.beta * v.beta * m11,
    v.beta * m00 + l * edgeMoments(b, a, rho, 0)[0],
    u.beta * m00 + k * edgeMoments(a, b, rho, 0)[0],
    m00,
    Math.abs(rho) === 1 ? 0 : bivariateDensity(a, b, rho),
  ];
}

/** Over z, given which z' = ρ z + r w: all that is asked of the other unit are averages over w. */
function givenOuter(outer: GatedUnit, inner: GatedUnit, rho: number): GatedKernels {
  const { activation, mean: m, deviation: s } = outer;
  const { mean: n, deviation: t } = inner;
  const [value, derivative] = [activationValue(activation), activationDerivative(activation)];
  const r = complementOf(rho);
  const average = conditional(inner, t * r, 3);
  const grains = together(grainOf(activation, m, s), grainOf(inner.activation, n, t, rho, r));
  const { z, weights } = nodesFor(grains, REACH);
  const sums: [number, number, number, number, number] = [0, 0, 0, 0, 0];
  const add = (at: number, weight: number, [c0, c1, cw]: ArrayLike<number> & Iterable<number>) => {
    const x = m + s * at;
    const [own, gated] = [outer.constant + outer.beta * at, inner.constant + inner.beta * rho * at];
    const [q, dq] = [weight * value(x), weight * s * derivative(x)];
    const dp = outer.beta * q + own * dq;
    sums[0] += own * q * (gated * c0 + inner.beta * r * r * t * c1);
    sums[1] += q * (inner.beta * c0 + t * (gated * c1 + inner.beta * r * cw));
    sums[2] += dp * c0;
    sums[3] += q * c0;
    sums[4] += dq * t * c1;
  };
  for (let p = 0; p < z.length; p++) add(z[p], weights[p], average(n + t * rho * z[p]));
  // The derivative of a step that nothing smooths.
  const edge = -n / (t * rho);
  if (inner.activation.name === 'heaviside' && r === 0) add(edge, normalDensity(edge) / t, [0, 1, 0]);
  return sums;
}
