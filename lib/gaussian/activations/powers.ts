import { normalDensity, normalDistribution } from '../normal.js';

/** Beyond this many deviations nothing of a normal is left in double precision. */
export const FAR = 38.5;

/** E (z + a)_+^j, j ≤ most. */
export function momentsAbove(a: number, most: number): Float64Array {
  const moments = new Float64Array(most + 1);
  // Far below zero the recursion would multiply what is left of rounding.
  if (a < -FAR) return moments;
  moments[0] = normalDistribution(a);
  if (most > 0) moments[1] = a * moments[0] + normalDensity(a);
  for (let j = 2; j <= most; j++) moments[j] = a * moments[j - 1] + (j - 1) * moments[j - 2];
  return moments;
}

/** h_n(a) ϕ(a) for n < count, h_n = He_n/√n!: no overflow, and zero where nothing is left of it. */
export function weightedHermite(a: number, count: number): Float64Array {
  const values = new Float64Array(count);
  if (count === 0 || Math.abs(a) > FAR) return values;
  // ϕ is a square: the recursion starts at its root, which is far from the least number.
  const root = Math.exp(-0.25 * a * a);
  let [before, value] = [0, root];
  for (let n = 0; n < count; n++) {
    values[n] = value * root * DENSITY_AT_ZERO;
    [before, value] = [value, (a * value - Math.sqrt(n) * before) / Math.sqrt(n + 1)];
  }
  return values;
}

const DENSITY_AT_ZERO = normalDensity(0);

/**
 * Adds E scale · (z + a)_+^j h_n(z) to every `out[n]`; for the side below, E scale · (−z − a)_+^j h_n(z). Of degrees up
 * to j these are truncated moments, beyond they are j! (−1)^k h_k(a) ϕ(a) √(k!/n!) with k = n − j − 1.
 */
export function addPower(
  out: Float64Array,
  scale: number,
  j: number,
  a: number,
  side: 'above' | 'below',
  hermite: Float64Array,
): void {
  const sign = side === 'above' ? 1 : -1;
  const moments = momentsAbove(sign * a, j);
  let falling = scale;
  let root = 1;
  for (let n = 0; n <= Math.min(j, out.length - 1); n++) {
    if (n > 0) root *= Math.sqrt(n);
    // (d/dz)ⁿ of the power; each derivative of (−z − a) gives a sign.
    out[n] += ((sign < 0 && n % 2 === 1 ? -1 : 1) * falling * moments[j - n]) / root;
    falling *= j - n;
  }
  // h_k(−a) = (−1)^k h_k(a), and h_n of the mirrored z gives (−1)^n: in all (−1)^(n + k) = (−1)^(j + 1).
  const factor = factorial(j) * scale * (sign < 0 && j % 2 === 0 ? -1 : 1);
  for (let n = j + 1; n < out.length; n++) {
    const k = n - j - 1;
    let ratio = 1;
    for (let i = k + 1; i <= n; i++) ratio *= i;
    out[n] += ((k % 2 === 0 ? 1 : -1) * factor * hermite[k]) / Math.sqrt(ratio);
  }
}

function factorial(n: number): number {
  let product = 1;
  for (let i = 2; i <= n; i++) product *= i;
  return product;
}
