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
