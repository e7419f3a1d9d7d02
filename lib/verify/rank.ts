import type { Pacer } from '../cooperate.js';
import { readSource, type Source } from './slots.js';

/** Ranks up to this one are told; adapters seldom have more. */
const MOST = 64;
/** What is left of a vector beside those before it, where it is a combination of them. */
const NOTHING = 1e-5;
/** Below this part of the tensor's size a difference is rounding. */
const ROUNDING = 1e-6;

/**
 * The rank of the difference of two matrices of one shape, up to 64: how many random combinations of its rows are
 * independent. Undefined where there are more, where it is a vector, or rounding.
 */
export async function rankOf(one: Source, other: Source, pacer: Pacer): Promise<number | undefined> {
  const { rows, columns } = one;
  if (columns < 8 || rows < 8) return undefined;
  const inPairs = one.heads !== undefined && one.heads.width === other.heads?.width;
  const [a, b] = [await readSource(one, inPairs), await readSource(other, inPairs)];
  const tries = Math.min(MOST, Math.floor(Math.min(rows, columns) / 4)) + 1;
  const sums = Array.from({ length: tries }, () => new Float64Array(columns));
  let [size, norm] = [0, 0];
  for (let row = 0; row < rows; row++) {
    for (let j = 0; j < columns; j++) {
      const at = row * columns + j;
      size += a[at] * a[at];
      b[at] -= a[at];
      norm += b[at] * b[at];
    }
    for (const [k, sum] of sums.entries()) {
      // Signs that are drawn by the places of row and combination.
      let h = Math.imul(row + 1, 0x9e3779b1) ^ Math.imul(k + 1, 0x85ebca6b);
      h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
      h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
      const sign = h & 0x10000 ? 1 : -1;
      for (let j = 0; j < columns; j++) sum[j] += sign * b[row * columns + j];
    }
    if (pacer.due(tries * columns)) await pacer.pause();
  }
  if (!(norm > ROUNDING ** 2 * size)) return undefined;
  const basis: Float64Array[] = [];
  for (const sum of sums) {
    const before = lengthOf(sum);
    // Twice, as the first time leaves rounding of the others in it.
    for (let time = 0; time < 2; time++)
      for (const one of basis) {
        const part = sum.reduce((total, value, j) => total + value * one[j], 0);
        for (let j = 0; j < columns; j++) sum[j] -= part * one[j];
      }
    const left = lengthOf(sum);
    if (left <= NOTHING * before) return basis.length;
    basis.push(sum.map((value) => value / left));
  }
  return undefined;
}

const lengthOf = (values: Float64Array): number => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
