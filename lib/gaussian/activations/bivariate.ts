/*
 * Two correlated standard normals: D. B. Owen, "Tables for computing bivariate normal probabilities", Annals of
 * Mathematical Statistics 27 (1956), 1075–1090; moments by C. M. Stein's identity (MATH.md section 10).
 */
import { whenNeeded } from '../legendre.js';
import { normalDensity, normalDistribution } from '../normal.js';
import { FAR } from './powers.js';

const POINTS = whenNeeded(24);

/** Owen's T(h, k) = (1/2π) ∫₀ᵏ e^(−h²(1 + x²)/2) / (1 + x²) dx, for any h and k, infinite ones too. */
export function owensT(h: number, k: number): number {
  const size = Math.abs(k);
  // Beyond the least positive double.
  if (size === 0 || Math.abs(h) > FAR) return 0;
  return Math.sign(k) * (size <= 1 ? shortT(Math.abs(h), size) : longT(Math.abs(h), size));
}

function shortT(h: number, k: number): number {
  let sum = 0;
  for (let i = 0; i < POINTS.nodes.length; i++) {
    const x = 0.5 * k * (1 + POINTS.nodes[i]);
    const square = 1 + x * x;
    sum += (POINTS.weights[i] * Math.exp(-0.5 * h * h * square)) / square;
  }
  return (sum * k) / (4 * Math.PI);
}

/** For k > 1: T(h, k) = ½(Φ(−h) + Φ(−kh)) − Φ(−h) Φ(−kh) − T(kh, 1/k). */
function longT(h: number, k: number): number {
  const [near, far] = [normalDistribution(-h), h === 0 ? 0.5 : normalDistribution(-k * h)];
  const inner = h === 0 ? Math.atan(1 / k) / (2 * Math.PI) : owensT(k * h, 1 / k);
  return 0.5 * (near + far) - near * far - inner;
}

/** √(1 − ρ²). */
export function complementOf(rho: number): number {
  return Math.sqrt(Math.max((1 - rho) * (1 + rho), 0));
}

/** b − ρ a, without the cancellation of nearly equal numbers at ρ near ±1. */
function beyond(a: number, b: number, rho: number): number {
  return rho > 0 ? b - a + (1 - rho) * a : b + a - (1 + rho) * a;
}

/**
 * P(z > −a, z' > −b) = P(z < a, z' < b) of standard normals with correlation `rho`, to about 1e-16; |ρ| ≤ 1.
 */
export function orthant(a: number, b: number, rho: number): number {
  if (rho >= 1) return normalDistribution(Math.min(a, b));
  if (rho <= -1) return a + b <= 0 ? 0 : between(-b, a);
  if (rho === 0) return normalDistribution(a) * normalDistribution(b);
  // Of two numbers that are not positive everything is as small as the result may be.
  if (a > 0)
    return b > 0 ? 1 - normalDistribution(-a) - normalDistribution(-b) + below(-a, -b, rho) : orthant(b, a, rho);
  return b > 0 ? Math.max(normalDistribution(a) - below(a, -b, -rho), 0) : below(a, b, rho);
}

/** The same for a, b ≤ 0 and |ρ| < 1. */
function below(a: number, b: number, rho: number): number {
  if (a < -FAR || b < -FAR) return 0;
  if (a === 0 && b === 0) return 0.25 + Math.asin(rho) / (2 * Math.PI);
  const r = complementOf(rho);
  if (a === 0 || b === 0) return Math.max(0.5 * normalDistribution(a + b) - owensT(a + b, -rho / r), 0);
  const halves = 0.5 * (normalDistribution(a) + normalDistribution(b));
  return Math.max(halves - owensT(a, beyond(a, b, rho) / (a * r)) - owensT(b, beyond(b, a, rho) / (b * r)), 0);
}

/** P(from < z < to). */
function between(from: number, to: number): number {
  return from > 0
    ? normalDistribution(-from) - normalDistribution(-to)
    : normalDistribution(to) - normalDistribution(from);
}

/** The density of the two at (a, b), |ρ| < 1. */
export function bivariateDensity(a: number, b: number, rho: number): number {
  const square = (1 - rho) * (1 + rho);
  const distance = ((a - b) * (a - b)) / square;
  return Math.exp(-0.5 * distance - (a * b) / (1 + rho)) / (2 * Math.PI * Math.sqrt(square));
}

/**
 * E (z + a)_+^p (z' + b)_+^q for p, q ≤ most, with x_+⁰ = 1[x > 0]: (most + 1, most + 1), row-major, by Stein's
 * recursion. Exact at ρ = ±1 as well; errors are some roundings of (1 + a_+)^p (1 + b_+)^q.
 */
export function truncatedMoments(a: number, b: number, rho: number, most: number): Float64Array {
  const size = most + 1;
  const moments = new Float64Array(size * size);
  moments[0] = orthant(a, b, rho);
  if (most === 0) return moments;
  const atA = edgeMoments(a, b, rho, most);
  const atB = edgeMoments(b, a, rho, most);
  for (let q = 1; q <= most; q++) {
    const edge = q === 1 ? atB[0] : (q - 1) * moments[q - 2];
    moments[q] = b * moments[q - 1] + edge + rho * atA[q - 1];
  }
  for (let p = 1; p <= most; p++) {
    for (let q = 0; q <= most; q++) {
      const own = p === 1 ? atA[q] : (p - 1) * moments[(p - 2) * size + q];
      const other = q === 0 ? atB[p - 1] : q * moments[(p - 1) * size + q - 1];
      moments[p * size + q] = a * moments[(p - 1) * size + q] + own + rho * other;
    }
  }
  return moments;
}

/** E δ(z + a) (z' + b)_+^q for q ≤ most: z' + b is c + r w at z = −a, c = b − ρ a. */
export function edgeMoments(a: number, b: number, rho: number, most: number): Float64Array {
  const [c, r, density] = [beyond(a, b, rho), complementOf(rho), normalDensity(a)];
  const moments = new Float64Array(most + 1);
  if (density === 0) return moments;
  const t = r > 0 ? c / r : c === 0 ? 0 : c * Number.POSITIVE_INFINITY;
  moments[0] = normalDistribution(t);
  if (most > 0) moments[1] = c * moments[0] + r * normalDensity(t);
  for (let q = 2; q <= most; q++) moments[q] = c * moments[q - 1] + (q - 1) * r * r * moments[q - 2];
  for (let q = 0; q <= most; q++) moments[q] *= density;
  return moments;
}
