import { timesPower } from '../tensor/power.js';

/** What follows from inner products (MATH.md section 2). */

/**
 * ⟨a,b⟩ / (‖a‖·‖b‖) from inner products, in [−1, 1]; NaN if one of the norms is zero. Equal inner products mean equal
 * functions, whose similarity is 1 without rounding. The roots are taken one by one: the product of the squares may overflow.
 */
export function cosine(ab: number, aa: number, bb: number): number {
  return cosineByRoots(ab, aa, bb, Math.sqrt(aa), Math.sqrt(bb));
}

/** The same with √⟨a,a⟩ and √⟨b,b⟩ at hand, as for the cells of a matrix. */
export function cosineByRoots(ab: number, aa: number, bb: number, rootA: number, rootB: number): number {
  if (!(aa > 0 && bb > 0)) return Number.NaN;
  if (ab === aa && ab === bb) return 1;
  return Math.min(1, Math.max(-1, ab / (rootA * rootB)));
}

/** ‖a − b‖ from inner products; zero where rounding would make its square negative. */
export function distance(ab: number, aa: number, bb: number): number {
  return Math.sqrt(Math.max(0, aa - ab + (bb - ab)));
}

/** ‖a‖ from ⟨a,a⟩; zero where rounding made it negative. */
export function norm(aa: number): number {
  return Math.sqrt(Math.max(0, aa));
}

/** What two models have in common, from their inner products. */
export interface PairNumbers {
  /** NaN where one of the norms is zero. */
  readonly similarity: number;
  readonly distance: number;
  readonly innerProduct: number;
  readonly normA: number;
  readonly normB: number;
}

/**
 * The same in units: with ⟨a,a⟩ · 2^2u, ⟨a,b⟩ · 2^(u+v) and ⟨b,b⟩ · 2^2v. The similarity is right wherever those are; a number that is out of
 * the range of doubles is ∞, or smaller than a normal one.
 */
export function pairNumbers(ab: number, aa: number, bb: number, u: number, v: number): PairNumbers {
  const most = Math.max(u, v);
  const [x, y] = [u - most, v - most];
  const apart = distance(timesPower(ab, x + y), timesPower(aa, 2 * x), timesPower(bb, 2 * y));
  return {
    similarity: cosine(ab, aa, bb),
    distance: timesPower(apart, most),
    innerProduct: timesPower(ab, u + v),
    normA: timesPower(norm(aa), u),
    normB: timesPower(norm(bb), v),
  };
}
