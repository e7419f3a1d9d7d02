import { whenNeeded } from '../legendre.js';
import { millsRatio, normalDensity, normalDistribution } from '../normal.js';
import { centredAt, type Pieces } from './pieces.js';
import { addPower, weightedHermite } from './powers.js';

const INTERVAL = whenNeeded(20);

/**
 * Adds E φ(m + s z) h_n(z) of a function made of polynomials to every `out[n]`, s > 0. Either
 *
 * - φ is the polynomial at the mean, and what is added behind the knots above it and before those below it: then nothing
 *   cancels however far the mean is from the knots; or
 * - where all pieces between knots are short against s, both ends are taken in closed form and what lies between by Gauss
 *   quadrature: then nothing cancels however large s is.
 */
export function addPieces(out: Float64Array, pieces: Pieces, m: number, s: number): void {
  const { knots } = pieces;
  const span = knots.length === 0 ? 0 : knots[knots.length - 1] - knots[0];
  // Twenty points resolve the interval times the oscillation of h_n over it.
  const short = span > 0 && span * Math.max(1, Math.sqrt(out.length) / 10) <= s;
  if (short) addEndsAndMiddle(out, pieces, m, s);
  else addAroundMean(out, pieces, m, s);
  if (pieces.exponential !== 0) addExponential(out, pieces.exponential, m, s);
}

function addAroundMean(out: Float64Array, { knots, polynomials }: Pieces, m: number, s: number): void {
  let own = 0;
  while (own < knots.length && knots[own] <= m) own++;
  const [value, slope, square] = centredAt(polynomials[own], m);
  const local = [value + square * s * s, slope * s, square * s * s * Math.SQRT2];
  for (let n = 0; n < Math.min(out.length, local.length); n++) out[n] += local[n];
  for (const [k, knot] of knots.entries()) {
    const [left, right] = [centredAt(polynomials[k], knot), centredAt(polynomials[k + 1], knot)];
    if (k >= own)
      addSide(
        out,
        right.map((d, j) => d - left[j]),
        (m - knot) / s,
        s,
        'above',
      );
    else
      addSide(
        out,
        left.map((d, j) => d - right[j]),
        (m - knot) / s,
        s,
        'below',
      );
  }
}

function addEndsAndMiddle(out: Float64Array, { knots, polynomials }: Pieces, m: number, s: number): void {
  const [first, last] = [knots[0], knots[knots.length - 1]];
  addSide(out, centredAt(polynomials[0], first), (m - first) / s, s, 'below');
  addSide(out, centredAt(polynomials[knots.length], last), (m - last) / s, s, 'above');
  for (let k = 0; k + 1 < knots.length; k++) {
    const half = (knots[k + 1] - knots[k]) / 2;
    const middle = knots[k] + half;
    for (const [i, node] of INTERVAL.nodes.entries()) {
      const x = middle + half * node;
      const [c0, c1 = 0, c2 = 0] = polynomials[k + 1];
      const value = ((c0 + (c1 + c2 * x) * x) * half * INTERVAL.weights[i]) / s;
      const hermite = weightedHermite((x - m) / s, out.length);
      for (let n = 0; n < out.length; n++) out[n] += value * hermite[n];
    }
  }
}

/** Adds a polynomial in x − knot on one side of the knot, a = (m − knot)/s. */
function addSide(
  out: Float64Array,
  polynomial: readonly number[],
  a: number,
  s: number,
  side: 'above' | 'below',
): void {
  const hermite = weightedHermite(a, out.length);
  for (const [j, d] of polynomial.entries()) {
    if (d !== 0) addPower(out, d * (side === 'below' && j % 2 === 1 ? -1 : 1) * s ** j, j, a, side, hermite);
  }
}

/**
 * Adds I_n = E e^x h_n(z) 1[x < 0] times a factor: I_0 = e^(m + s²/2) Φ(−a − s), a = m/s, as e^x tilts the normal by s;
 * and by parts I_n = (s I_{n−1} − h_{n−1}(−a) ϕ(a)) / √n.
 */
function addExponential(out: Float64Array, factor: number, m: number, s: number): void {
  const a = m / s;
  const tilted = a + s;
  let value =
    tilted > 0 ? normalDensity(a) * millsRatio(tilted) : Math.exp(m + 0.5 * s * s) * normalDistribution(-tilted);
  out[0] += factor * value;
  const hermite = weightedHermite(-a, out.length);
  for (let n = 1; n < out.length; n++) {
    value = (s * value - hermite[n - 1]) / Math.sqrt(n);
    out[n] += factor * value;
  }
}
