import { nodesOn } from './nodes.js';

/** Bins of |ρ|. */
const BINS = 32;

/**
 * How large the covariance of two units can be by degree beside that of one with itself, in bins of |ρ|:
 * (1 + n)² E (ρ² + (1 − ρ²) s²)^((n−2)/2), with s a coordinate on a sphere of one dimension less, bounds P_n and, with
 * what gates multiply them by, its derivatives (Laplace's integral for P_n); by Cauchy and Schwarz it is at most 1.
 * @returns (bins + 1, terms + 1): the most of all degrees beyond n, in the bin and all before it
 */
export function damping(d: number, terms: number): Float64Array {
  const { z, weights } = nodesOn(d - 1, 0, [], 2);
  const table = new Float64Array((BINS + 1) * (terms + 1));
  for (let bin = 0; bin <= BINS; bin++) {
    const square = Math.min(1, ((bin + 1) / BINS) ** 2);
    const bound = new Float64Array(terms + 2);
    for (const [k, at] of z.entries()) {
      const base = Math.sqrt(square + ((1 - square) * at * at) / (d - 1));
      for (let n = 2, power = weights[k]; n <= terms + 1; n++, power *= base) bound[n] += power;
    }
    let most = 0;
    for (let n = terms; n >= 0; n--) {
      most = Math.max(most, n + 1 < 2 ? 1 : Math.min(1, (2 + n) ** 2 * bound[n + 1]));
      table[bin * (terms + 1) + n] = most;
    }
  }
  return table;
}

/**
 * The last degree that is needed by the bin of |ρ|, not below 2, so that what is left out of a sum over pairs in the bin
 * is at most `tolerance`.
 * @param reach by N: what is left of the sum from degree N + 1 on, were all units parallel
 */
export function lastDegrees(table: Float64Array, reach: Float64Array, tolerance: number): Int32Array {
  const count = reach.length;
  return Int32Array.from({ length: table.length / count }, (_, bin) => {
    for (let n = 2; n < count; n++) if (table[bin * count + n] * reach[n] <= tolerance) return n;
    return count - 1;
  });
}

/** What cutting series off in all bins can leave out, in tolerances. */
export const CUTS = BINS + 1;
