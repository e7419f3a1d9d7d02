import type { Activation } from '../../layers/activations.js';
import { erf, normalDistribution } from '../normal.js';
import { piecesOf } from './pieces.js';
import { addPieces } from './piecewise.js';
import { weightedHermite } from './powers.js';

/**
 * Writes E φ(m + s z) h_n(z) to every `out[n]` where it has a closed form that keeps its digits (MATH.md section 10),
 * s > 0; false where it has none.
 */
export function closedCoefficients(activation: Activation, m: number, s: number, out: Float64Array): boolean {
  switch (activation.name) {
    case 'exp':
      writePowers(out, s, m + 0.5 * s * s);
      return true;
    case 'cos':
      trigonometric(out, s, [Math.cos(m), -Math.sin(m)]);
      return true;
    case 'sin':
      trigonometric(out, s, [Math.sin(m), Math.cos(m)]);
      return true;
    case 'erf':
      // erf(x) = 2 Φ(√2 x) − 1
      distribution(out, Math.SQRT2 * m, Math.SQRT2 * s);
      for (let n = 1; n < out.length; n++) out[n] *= 2;
      out[0] = erf(m / Math.sqrt(1 + 2 * s * s));
      return true;
    case 'gelu':
      gelu(out, m, s);
      return true;
    default: {
      const pieces = piecesOf(activation);
      if (pieces === null || (pieces.exponential !== 0 && losesDigits(out.length, s))) return false;
      out.fill(0);
      addPieces(out, pieces, m, s);
      return true;
    }
  }
}

/** For large s the recursion of the exponential multiplies rounding by s^n / √n!. */
const losesDigits = (count: number, s: number): boolean => losesSmallDigits(s) || (s > 3 && count > 3);

/** For small s e^x − 1 is a difference of nearly equal numbers. */
export const losesSmallDigits = (s: number): boolean => s < 0.05;

/** `log` is added up apart from the power: e^log alone may be zero where their product is not. */
function writePowers(out: Float64Array, s: number, log: number): void {
  let value = 1;
  let taken = 0;
  for (let n = 0; n < out.length; n++) {
    if (n > 0) value *= s / Math.sqrt(n);
    if (value > TWO_TO_512) {
      value /= TWO_TO_512;
      taken += LOG_TWO_TO_512;
    }
    out[n] = value * Math.exp(log + taken);
  }
}

const TWO_TO_512 = 2 ** 512;
const LOG_TWO_TO_512 = 512 * Math.LN2;

/** Derivatives at the mean go round: φ, φ', −φ, −φ'. */
function trigonometric(out: Float64Array, s: number, [value, slope]: readonly [number, number]): void {
  writePowers(out, s, -0.5 * s * s);
  for (let n = 0; n < out.length; n++) out[n] *= (n % 2 === 0 ? value : slope) * (n % 4 < 2 ? 1 : -1);
}

/** Of Φ: with T = √(1 + s²), A = m/T and q = s/T, b_0 = Φ(A) and b_n = qⁿ (−1)^(n−1) h_{n−1}(A) ϕ(A) / √n. */
function distribution(out: Float64Array, m: number, s: number): void {
  const root = Math.hypot(1, s);
  const a = m / root;
  const hermite = weightedHermite(-a, out.length - 1);
  out[0] = normalDistribution(a);
  let power = 1;
  for (let n = 1; n < out.length; n++) {
    power *= s / root;
    out[n] = (power * hermite[n - 1]) / Math.sqrt(n);
  }
}

/** x Φ(x): m b_n + s (√n b_{n−1} + √(n+1) b_{n+1}). */
function gelu(out: Float64Array, m: number, s: number): void {
  const b = new Float64Array(out.length + 1);
  distribution(b, m, s);
  for (let n = 0; n < out.length; n++) {
    const below = n === 0 ? 0 : Math.sqrt(n) * b[n - 1];
    out[n] = m * b[n] + s * (below + Math.sqrt(n + 1) * b[n + 1]);
  }
}
