import type { Ability } from './ability.js';
import type { Control } from './control.js';
import type { ChainSource } from './grams.js';

/**
 * A chain with at most one block, every linear layer and the input law folded in (MATH.md section 3):
 *
 *     f(z) = D((L z + l) ⊙ (R z + r)) + A z + b,    z ~ N(0, I_k)
 *
 * sorted by degree. The form has the quadratic part D, L, R; `linear` holds w_c = Σ_h D_ch (l_h R_h + r_h L_h) + A_c,
 * `constant` e_c = Σ_h D_ch l_h r_h + b_c and `mean` m_c = E f_c = e_c + Σ_h D_ch L_h·R_h.
 *
 * By the route `unfolded`, the narrowest of the layers before the block is kept as an embedding P (m, k): L and R have
 * m columns and act on P z, and L_h·R_h becomes L_hᵀ P Pᵀ R_h.
 */
export interface OneBlock {
  /** k, the size of z. */
  readonly inputs: number;
  readonly outputs: number;
  /** h; null for a chain without a block, which differs from a block without units in its degree. */
  readonly hidden: number | null;
  /** Columns of L and R: k, or m beside an embedding. */
  readonly width: number;
  /** P, (m, k); null where it is folded into L and R. */
  readonly embedding: Float64Array | null;
  /** (2h, width): the rows L_0, R_0, L_1, R_1, … */
  readonly factors: Float64Array;
  /** D, (o, h). */
  readonly down: Float64Array;
  /** w, (o, k); null where it is zero throughout. */
  readonly linear: Float64Array | null;
  /** e, (o). */
  readonly constant: Float64Array;
  /** m, (o). */
  readonly mean: Float64Array;
}

/** Models of one block written out, for what is read off their forms and not from inner products. */
export interface Forms extends Ability {
  readonly kinds: ReadonlySet<string>;
  /**
   * Folds a chain, in double precision, by its route. By the method `hidden` a block of units may stand in the place of
   * the bilinear one, and what is folded is the part of degree two and less of the chain: its mean, its linear part and
   * its quadratic one (MATH.md sections 10 and 11), orthogonal to all that is left of it.
   * @throws TensimError (rejects) `UNSUPPORTED_LAYER` for more than one block, or one that is no quadratic form and not
   * made of units.
   */
  fold(source: ChainSource, control?: Control): Promise<OneBlock>;
}
