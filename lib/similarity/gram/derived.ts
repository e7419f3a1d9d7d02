import { isInRange, timesPower } from '../../tensor/power.js';

/** What follows from inner products (MATH.md section 2). */

/**
 * ⟨a,b⟩ / (‖a‖·‖b‖) from inner products, in [−1, 1]; NaN if one of the norms is zero. Equal inner products mean equal
 * functions, whose similarity is 1 without rounding. The roots are taken one by one: the product of the squares may
 * overflow.
 *
 *     cosine(gram[0][1], gram[0][0], gram[1][1]);
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

/** ⟨a,a⟩, ⟨a,b⟩ and ⟨b,b⟩ of models in units: 2^2u, 2^(u+v) and 2^2v times these. */
export interface GramEntry {
  readonly aa: number;
  readonly ab: number;
  readonly bb: number;
  readonly u: number;
  readonly v: number;
}

/** Slice `c` of a (2, 2, size) Gram matrix; exponents are those of its cells. */
export function entryOf(gram: Float64Array, exponents: Int32Array | undefined, c: number, size: number): GramEntry {
  const [u, v] = [(exponents?.[c] ?? 0) / 2, (exponents?.[3 * size + c] ?? 0) / 2];
  return { aa: gram[c], ab: gram[size + c], bb: gram[3 * size + c], u, v };
}

/**
 * What two models have in common. The similarity, NaN where one of the norms is zero, is right in any units; a number
 * out of the range of doubles is ∞, or smaller than a normal one, and `beyondRange` is there then.
 */
export function pairNumbers({ aa, ab, bb, u, v }: GramEntry) {
  const [rootA, rootB] = [norm(aa), norm(bb)];
  const within = isInRange(ab, u + v) && isInRange(rootA, u) && isInRange(rootB, v);
  return {
    similarity: cosine(ab, aa, bb),
    innerProduct: timesPower(ab, u + v),
    normA: timesPower(rootA, u),
    normB: timesPower(rootB, v),
    ...(!within && { beyondRange: { log2NormA: Math.log2(rootA) + u, log2NormB: Math.log2(rootB) + v } }),
  };
}
