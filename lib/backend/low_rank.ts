import type { FloatFormat } from '../tensor/convert.js';
import type { DType } from '../tensor/tensor.js';
import type { Ability } from './ability.js';
import type { Control } from './control.js';

/** One factor of some matrices, one after the other: `rank` rows of `depth` numbers each, as a file has them. */
export interface StoredFactors {
  /** Little-endian, beginning at a multiple of the size of a number. */
  readonly bytes: Uint8Array;
  readonly format: FloatFormat;
  readonly depth: number;
  /** (count, depth, rank), else (count, rank, depth). */
  readonly rankLast: boolean;
}

/** Matrices B diag(w) A of one shape and rank. */
export interface LowRankMatrices {
  readonly count: number;
  readonly rank: number;
  /** A, (rank, inputs). */
  readonly a: StoredFactors;
  /** Bᵀ, (rank, outputs). */
  readonly b: StoredFactors;
  /** w, (count, rank). */
  readonly weights: Float64Array;
}

/** Inner products of matrices of low rank, which are never multiplied out. */
export interface LowRank extends Ability {
  readonly dtypes: ReadonlySet<DType>;
  /**
   * ⟨B diag(w) A, B' diag(w') A'⟩ = Σ_kl w_k w'_l (A_k·A'_l)(B_k·B'_l) of every row with every column, (rows.count,
   * columns.count), row-major. Where `columns` is null, of the rows with themselves, and only from the diagonal on.
   * Sums over the depth are taken in `dtype` (on the fallback in float64). A product does not depend on threads nor on
   * what else is among rows and columns.
   */
  products(
    rows: LowRankMatrices,
    columns: LowRankMatrices | null,
    dtype: DType,
    control?: Control,
  ): Promise<Float64Array>;
}
