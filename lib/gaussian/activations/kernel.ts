import { aboutActivation } from '../../layers/activations.js';
import { complementOf, truncatedMoments } from './bivariate.js';
import { unitCoefficients } from './coefficients.js';
import { conditional, hasClosedMean, REACH, type Unit } from './conditional.js';
import { activationValue } from './evaluate.js';
import { grainOf } from './grain.js';
import { nodesFor, together } from './line.js';
import { piecesOf } from './pieces.js';

export type { Unit } from './conditional.js';

/**
 * E φ(u) ψ(v) of two units whose normals have the correlation `rho`, to rounding of √(E φ² E ψ²), at ρ = ±1 and where a
 * deviation is 0 too. Closed forms of MATH.md section 10 where they keep their digits; everything else is integrated over
 * one unit given the other, in closed form where the other has one: then kinks are smoothed or lie where panels end.
 */
export function kernel(u: Unit, v: Unit, rho: number): number {
  const correlation = Math.min(Math.max(rho, -1), 1);
  if (u.deviation === 0 || v.deviation === 0 || correlation === 0) return meanOf(u) * meanOf(v);
  if (u.activation.name === 'exp') return tilted(u, v, correlation);
  if (v.activation.name === 'exp') return tilted(v, u, correlation);
  if (isPolynomial(u) || isPolynomial(v)) return finite(u, v, correlation);
  if (isTrigonometric(u) && isTrigonometric(v)) return trigonometric(u, v, correlation);
  const [left, right] = [powerOf(u), powerOf(v)];
  if (left !== null && right !== null) return ofPowers(left, right, correlation);
  const [outer, inner] = inOrder(u, v);
  return givenOuter(outer, inner, correlation);
}

const degreeOf = ({ activation }: Unit): number | null => aboutActivation(activation.name).degree;
const isPolynomial = (unit: Unit): boolean => degreeOf(unit) !== null;
const isTrigonometric = ({ activation: { name } }: Unit): boolean => name === 'sin' || name === 'cos';

/** E φ(m + s z). */
export function meanOf(unit: Unit): number {
  return conditional(unit, unit.deviation)(unit.mean)[0];
}

/** e^u tilts the normals: E e^u ψ(v) = e^(m + s²/2) E ψ(v + ρ s s'). */
function tilted({ mean, deviation }: Unit, other: Unit, rho: number): number {
  const shifted = { ...other, mean: other.mean + rho * deviation * other.deviation };
  return Math.exp(mean + 0.5 * deviation * deviation) * meanOf(shifted);
}

/** Σ a_n b_n ρⁿ, finite where one of the two is a polynomial. */
function finite(u: Unit, v: Unit, rho: number): number {
  const degree = Math.min(degreeOf(u) ?? 2, degreeOf(v) ?? 2);
  const [a, b] = [u, v].map(({ activation, mean, deviation }) => {
    const values = new Float64Array(degree + 1);
    unitCoefficients(activation, mean, deviation, values);
    return values;
  });
  let sum = 0;
  for (let n = degree; n >= 0; n--) sum = sum * rho + a[n] * b[n];
  return sum;
}

/** By the sum and the difference of the angles, without the difference of nearly equal numbers. */
function trigonometric(u: Unit, v: Unit, rho: number): number {
  const { mean: m, deviation: s } = u;
  const { mean: n, deviation: t } = v;
  const covariance = rho * s * t;
  const size = Math.abs(covariance);
  // e^(−(s² + t²)/2) times cosh and sinh of the covariance.
  const gap = 0.5 * (s - t) * (s - t) + s * t * (1 - Math.abs(rho));
  const [larger, smaller] = [Math.exp(-gap), Math.exp(-gap - 2 * size)];
  const even = 0.5 * (larger + smaller);
  const odd = Math.sign(covariance) * (size < 1 ? Math.exp(-gap - size) * Math.sinh(size) : 0.5 * (larger - smaller));
  if (u.activation.name === v.activation.name) {
    const [cosines, sines] = [Math.cos(m) * Math.cos(n), Math.sin(m) * Math.sin(n)];
    return u.activation.name === 'cos' ? cosines * even + sines * odd : sines * even + cosines * odd;
  }
  const [first, second] = [Math.sin(m) * Math.cos(n), Math.cos(m) * Math.sin(n)];
  return u.activation.name === 'sin' ? first * even - second * odd : second * even - first * odd;
}

/** above · x_+^p + below · (−x)_+^p with x = s (z + a). */
export interface Power {
  readonly p: number;
  readonly above: number;
  readonly below: number;
  readonly a: number;
}

/** A unit that is a power on either side of zero, or null; s is within its factors. */
export function powerOf({ activation, mean, deviation }: Unit): Power | null {
  const pieces = piecesOf(activation);
  if (pieces === null || pieces.knots.length !== 1 || pieces.exponential !== 0) return null;
  const [left, right] = pieces.polynomials;
  const p = right.length - 1;
  const scale = deviation ** p;
  const below = (left[p] ?? 0) * (p % 2 === 0 ? 1 : -1);
  return { p, above: right[p] * scale, below: below * scale, a: mean / deviation };
}

/** Each side against each, by truncated moments: none of them is negative. */
function ofPowers(u: Power, v: Power, rho: number): number {
  const most = Math.max(u.p, v.p);
  let sum = 0;
  for (const [factor, sign] of [
    [u.above, 1],
    [u.below, -1],
  ] as const) {
    for (const [other, otherSign] of [
      [v.above, 1],
      [v.below, -1],
    ] as const) {
      if (factor === 0 || other === 0) continue;
      const moments = truncatedMoments(sign * u.a, otherSign * v.a, sign * otherSign * rho, most);
      sum += factor * other * moments[u.p * (most + 1) + v.p];
    }
  }
  return sum;
}

/** The one to integrate over first, and the other, which is averaged given the first: the same for (u, v) and (v, u). */
export function inOrder<U extends Unit>(u: U, v: U): readonly [U, U] {
  const ranks = [rankOf(u), rankOf(v)];
  for (let i = 0; i < ranks[0].length; i++) {
    if (ranks[0][i] !== ranks[1][i]) return ranks[0][i] > ranks[1][i] ? [u, v] : [v, u];
  }
  return [u, v];
}

function rankOf(unit: Unit): readonly number[] {
  const { activation, mean, deviation } = unit;
  const kind = isTrigonometric(unit) ? 0 : piecesOf(activation) !== null ? 1 : 2;
  // A step has no derivative to be integrated: it is averaged, whatever the other is.
  return [
    activation.name === 'heaviside' ? -1 : hasClosedMean(unit) ? kind : 3,
    deviation,
    mean,
    activation.slope,
    activation.name.length,
  ];
}

function givenOuter(outer: Unit, inner: Unit, rho: number): number {
  const { activation, mean, deviation } = outer;
  const value = activationValue(activation);
  const spread = complementOf(rho);
  const average = conditional(inner, inner.deviation * spread);
  const slope = inner.deviation * rho;
  const { z, weights } = nodesFor(
    together(grainOf(activation, mean, deviation), grainOf(inner.activation, inner.mean, inner.deviation, rho, spread)),
    REACH,
  );
  let sum = 0;
  for (let p = 0; p < z.length; p++) {
    sum += weights[p] * value(mean + deviation * z[p]) * average(inner.mean + slope * z[p])[0];
  }
  return sum;
}
