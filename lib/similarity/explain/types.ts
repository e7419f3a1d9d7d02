import type { Layer } from '../../model/model.js';
import type { ResultInfo, SimilarityOptions, Source } from '../terms/types.js';

/** How two models are explained; the options of `similarity` and these. */
export interface ExplainOptions extends Omit<SimilarityOptions, 'perOutput'> {
  /** Directions per output and for all together, at most. Default 4. */
  readonly top?: number | undefined;
  /**
   * Outputs to give directions for. Default: the 16 that differ most. Every output gets its share of the difference.
   */
  readonly outputs?: readonly number[] | undefined;
  /**
   * Explain by the directions of the input along which outputs differ, or by exchanging layers. Default: by directions
   * where there are any.
   */
  readonly by?: 'directions' | 'layers' | undefined;
}

/** An input direction along which a quadratic form acts: v of λ (v·z)². */
export interface Direction {
  /**
   * λ. Positive: along the direction, either way, the output is larger in `b`. Of the joint direction, that of Σ_c
   * ΔB_c².
   */
  readonly value: number;
  /** λ² / ‖ΔB_c‖²; of the joint direction, its part of Σ_c ‖ΔB_c‖². */
  readonly share: number;
  /**
   * What the input does as z moves along v: C v (v itself for N(0, I)), of length 1, the largest entry positive. Length
   * d.
   */
  readonly vector: Float64Array;
}

/**
 * A direction along which outputs differ in proportion: the linear parts are Σ_k σ_k u_k v_kᵀ, a matrix of outputs by
 * inputs, and this is one of its singular values with what belongs to it.
 */
export interface LinearDirection extends Direction {
  /** σ. */
  readonly value: number;
  /** σ² / Σ_c ‖Δw_c‖². */
  readonly share: number;
  /** u, of length 1: how the outputs of `b` are larger as the input goes along `vector`. One number per output. */
  readonly outputs: Float64Array;
}

/**
 * What a difference is made of, as shares of its squared norm E (f_b − f_a)² (MATH.md sections 3 and 10), which add up
 * to 1: 2‖ΔB‖² of the quadratic forms, ‖Δw‖² of the linear parts (biases and residuals), (Δ E f)² of the means
 * (constants and traces), and of networks with activations what is left.
 */
export interface DifferenceParts {
  /** Share of 2‖ΔB‖², the quadratic forms. */
  readonly quadratic: number;
  /** Share of ‖Δw‖², the linear parts. */
  readonly linear: number;
  /** Share of (Δ E f)², the means. */
  readonly mean: number;
  /**
   * Share of all degrees above two, which have no directions; absent where neither model has any. It is what is left of
   * the whole, and 0 where that could be rounding.
   */
  readonly higher?: number;
}

/**
 * One output: f_c of `b` minus that of `a`, = zᵀΔB z + Δw·z + Δe in the whitened input z, x = μ + C z. Of networks with
 * activations this is its part of degree two and less, to which all that is left of it is orthogonal.
 */
export interface OutputDifference {
  /** Its number, from 0. */
  readonly output: number;
  /** Its part of the whole squared difference. */
  readonly share: number;
  /** What its difference is made of. */
  readonly parts: DifferenceParts;
  /** Eigenvectors of ΔB_c, those of the largest |λ| first; fewer than asked for where its rank is smaller. */
  readonly directions: readonly Direction[];
  /** C Δw_c of length 1; null where the linear parts do not differ. Along it the output differs in proportion. */
  readonly linear: Float64Array | null;
}

/** All outputs together. */
export interface JointDifference {
  /** Eigenvectors of Σ_c ΔB_c², which see every difference whatever its sign; their values are those of that sum. */
  readonly directions: readonly Direction[];
  /**
   * How much the difference depends on each input, length d, summing to 1: the diagonal of C E[∇Δf ∇Δfᵀ] Cᵀ = C (4 ΔB²
   * + Δw Δwᵀ) Cᵀ, summed over the outputs. For N(0, I) the mean square of ∂Δf/∂x_i. Of networks with activations that
   * of the part of degree two and less.
   */
  readonly energy: Float64Array;
  /** Directions of the linear parts, those of the largest σ first; absent where these do not differ. */
  readonly linear?: readonly LinearDirection[];
}

/**
 * Where two models of at most one bilinear block, or one block of units with activations, differ, exactly: the forms of
 * the difference b − a, or of its part of degree two and less.
 */
export interface FormExplanation extends ResultInfo {
  /** Tells this kind of explanation from the other. */
  readonly kind: 'forms';
  /** Label of the first model. */
  readonly a: string;
  /** Label of the second. */
  readonly b: string;
  /** Where the two came from. */
  readonly sources?: readonly [a: Source, b: Source];
  /** Of the two, in all. */
  readonly similarity: number;
  /** ‖b − a‖; zero where the two are the same function but for rounding, and then there is nothing below to explain. */
  readonly distance: number;
  /** E‖b − a‖² / E‖a‖². */
  readonly fidelityError: number;
  /** ‖b − a‖ / ‖a‖, its square root. */
  readonly relativeDistance: number;
  /** ‖a‖. */
  readonly normA: number;
  /** ‖b‖. */
  readonly normB: number;
  /** d, the length of an input. */
  readonly inputs: number;
  /** The part of every output in the squared difference, by number; they add up to 1. */
  readonly shares: Float64Array;
  /** What the difference of all outputs together is made of. */
  readonly parts: DifferenceParts;
  /** The difference of all outputs together. */
  readonly joint: JointDifference;
  /** The outputs that were asked for, by their share. */
  readonly outputs: readonly OutputDifference[];
}

/** The similarities of a hybrid to the two models it is made of. */
export interface Hybrid {
  /** Similarity to `a`. */
  readonly toA: number;
  /** Similarity to `b`. */
  readonly toB: number;
}

/** One layer exchanged between two models. */
export interface LayerExchange {
  /** Its place in the chain, from 1. */
  readonly layer: number;
  /** What kind of layer it is. */
  readonly type: Layer['type'];
  /** `a` with this layer of `b`. */
  readonly intoA: Hybrid;
  /** `b` with this layer of `a`. */
  readonly intoB: Hybrid;
  /** How much one loses by the other's layer: 1 − the mean of `intoA.toA` and `intoB.toB`. */
  readonly change: number;
}

/**
 * Where two models of several blocks, or with attention, differ, and others that are asked for it: what happens when they exchange a layer. It means
 * something where both write the space between layers in the same basis, as checkpoints of one run do.
 */
export interface ExchangeExplanation extends ResultInfo {
  /** Tells this kind of explanation from the other. */
  readonly kind: 'exchange';
  /** Label of the first model. */
  readonly a: string;
  /** Label of the second. */
  readonly b: string;
  /** Where the two came from. */
  readonly sources?: readonly [a: Source, b: Source];
  /** Of the two, in all. */
  readonly similarity: number;
  /** In the order of the chain. */
  readonly layers: readonly LayerExchange[];
}

/**
 * Where two models differ: by their forms where both have at most one block of units, else by layers exchanged.
 * `kind` tells which.
 */
export type Explanation = FormExplanation | ExchangeExplanation;
