import type { Pacer } from '../cooperate.js';
import type { RepeatedRows } from './sieve.js';

/** How many numbers `momentRecursion` fills: one for every multi-index up to `repeats`. */
export function recursionStates(repeats: readonly number[]): number {
  return repeats.reduce((states, count) => states * (count + 1), 1);
}

/**
 * The loop hafnian of repeated rows by recursion over multi-indices, as for the moments of a Gaussian:
 *
 *     M(α + e_i) = loops_i M(α) + Σ_j α_j edges_ij M(α − e_j),     M(0) = 1
 *
 * Nothing cancels that does not cancel in the sum over matchings itself, so its error is a few roundings of that sum
 * with all signs made positive. It takes memory and time Π (repeats + 1): right for few rows, however often they are
 * repeated.
 */
export async function momentRecursion(rows: RepeatedRows, pacer: Pacer): Promise<number> {
  const { loops, repeats } = rows;
  const { size, data } = rows.edges;
  const strides = new Float64Array(size);
  let states = 1;
  for (let i = 0; i < size; i++) {
    strides[i] = states;
    states *= repeats[i] + 1;
  }
  const values = new Float64Array(states);
  const powers = new Float64Array(size);
  values[0] = 1;
  for (let state = 1; state < states; state++) {
    let i = 0;
    for (; powers[i] === repeats[i]; i++) powers[i] = 0;
    powers[i]++;
    // Row i is the lowest with a copy in this state, so the copy taken off is joined to rows from i on.
    const from = state - strides[i];
    let sum = loops === null ? 0 : loops[i] * values[from];
    if (powers[i] > 1) sum += (powers[i] - 1) * data[i * size + i] * values[from - strides[i]];
    for (let j = i + 1; j < size; j++) {
      if (powers[j] > 0) sum += powers[j] * data[i * size + j] * values[from - strides[j]];
    }
    values[state] = sum;
    if (pacer.due(size)) await pacer.pause();
  }
  return values[states - 1];
}
