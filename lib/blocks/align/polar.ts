import type { Pacer } from '../../cooperate.js';
import { inRuns, lengthOf } from '../paced.js';
import type { Products } from '../products.js';

/**
 * Steps that raise small singular values, each 3.4 times: enough for what is 10⁻¹⁵ of the largest. Values near 1 stay
 * between 0.68 and 1.21 meanwhile.
 */
const RAISING = [3.4445, -4.775, 2.0315] as const;
const MOST_RAISES = 32;
/** Steps that bring what is there to 1, the error to its third power each. */
const FINISHING = [15 / 8, -10 / 8, 3 / 8] as const;
const FINISHES = 5;
/** All singular values of X are in reach of the finishing steps where XᵀX is no farther from I than this. */
const IN_REACH = 0.75;
const POWER_STEPS = 40;
/** Of the identity, by the norm: where a matrix says nothing, as little as possible is turned. */
const LEAN = 1e-13;

/**
 * The orthogonal matrix nearest to a square one, U Vᵀ of its U S Vᵀ, by products alone: X ← a X + b (XXᵀ) X + c (XXᵀ)² X.
 * Directions in which the matrix is zero are turned as little as possible.
 * @param matrix (size, size); all zeros give the identity
 */
export async function polarFactor(
  matrix: Float64Array,
  size: number,
  products: Products,
  pacer: Pacer,
): Promise<Float64Array> {
  const norm = await lengthOf(matrix, pacer);
  let x: Float64Array = new Float64Array(matrix.length);
  await inRuns(x.length, pacer, (from, to) => {
    for (let at = from; at < to; at++)
      x[at] = (norm === 0 ? 0 : matrix[at] / norm) + (at % (size + 1) === 0 ? LEAN : 0);
  });
  const step = async (square: Float64Array, [a, b, c]: readonly [number, number, number]) => {
    const inner = await products.plain(square, square, size);
    await inRuns(inner.length, pacer, (from, to) => {
      for (let at = from; at < to; at++) inner[at] = b * square[at] + c * inner[at];
    });
    const moved = await products.plain(inner, x, size);
    await inRuns(moved.length, pacer, (from, to) => {
      for (let at = from; at < to; at++) moved[at] += a * x[at];
    });
    x = moved;
  };
  for (let raises = 0; raises < MOST_RAISES; raises++) {
    const square = await products.rows(x, x, size);
    if ((await farthest(square, size, pacer)) < IN_REACH) break;
    await step(square, RAISING);
  }
  for (let finishes = 0; finishes < FINISHES; finishes++) await step(await products.rows(x, x, size), FINISHING);
  return x;
}

/** The norm of I − S of a symmetric S, by powers of it on a vector: from below, and near enough to tell 1 from 0.5. */
async function farthest(square: Float64Array, size: number, pacer: Pacer): Promise<number> {
  let vector = Float64Array.from({ length: size }, (_, i) => Math.cos(1 + i * i) + 0.1);
  let length = 0;
  for (let steps = 0; steps < POWER_STEPS; steps++) {
    const scale = 1 / Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
    const next = new Float64Array(size);
    length = 0;
    for (let i = 0; i < size; i++) {
      let sum = vector[i];
      for (let j = 0, at = i * size; j < size; j++, at++) sum -= square[at] * vector[j];
      next[i] = sum * scale;
      length += next[i] ** 2;
      if (pacer.due(size)) await pacer.pause();
    }
    if (length === 0) return 0;
    vector = next;
  }
  return Math.sqrt(length);
}
