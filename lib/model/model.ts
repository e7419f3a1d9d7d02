import type { Tensor } from '../tensor/tensor.js';

/** x ↦ W x + b, with W of shape (out, in) and b of shape (out). */
export interface LinearLayer {
  readonly type: 'linear';
  readonly weight: Tensor;
  readonly bias?: Tensor;
}

/**
 * x ↦ α x + β (D((L x + l) ⊙ (R x + r)) + c), MATH.md section 1. L and R have shape (h, in), D (out, h), l and r (h), c (out).
 * Without `down` D is the identity (out = h). α ≠ 0 needs in = out.
 */
export interface BilinearLayer {
  readonly type: 'bilinear';
  readonly left: Tensor;
  readonly right: Tensor;
  readonly down?: Tensor;
  readonly leftBias?: Tensor;
  readonly rightBias?: Tensor;
  readonly downBias?: Tensor;
  readonly alpha: number;
  readonly beta: number;
}

/**
 * x_s ↦ α x_s + β (O·concat_heads Σ_t M_st (q1_s·k1_t)(q2_s·k2_t)/d_head² · v_t + o) over positions s and t, MATH.md section 1, of
 * degree 5. q1, k1, q2, k2 and v have shape (heads·d_head, in), their rows head by head, and their biases (heads·d_head); o has shape
 * (out, heads·d_head), its bias (out). α ≠ 0 needs in = out.
 */
export interface AttentionLayer {
  readonly type: 'attention';
  readonly heads: number;
  readonly q1: Tensor;
  readonly k1: Tensor;
  readonly q2: Tensor;
  readonly k2: Tensor;
  readonly v: Tensor;
  readonly o: Tensor;
  readonly q1Bias?: Tensor;
  readonly k1Bias?: Tensor;
  readonly q2Bias?: Tensor;
  readonly k2Bias?: Tensor;
  readonly vBias?: Tensor;
  readonly oBias?: Tensor;
  /** `'causal'`: position s sees t ≤ s only. */
  readonly mask: 'causal' | 'none';
  /** Base of the rotary position embedding of q and k, half-split layout; null: none. It needs an even d_head. */
  readonly rotaryBase: number | null;
  readonly alpha: number;
  readonly beta: number;
}

export type Layer = LinearLayer | BilinearLayer | AttentionLayer;

/** Where a model came from. All fields are absent for a model made from arrays. */
export interface Provenance {
  /** Path as given by the caller. */
  readonly file?: string;
  /** The commit, for a file from the Hugging Face Hub. */
  readonly revision?: string;
  /** Hex digest over the file's bytes (for a sharded checkpoint: over the index and every shard, in order of name). */
  readonly sha256?: string;
  /** The checkpoint's own metadata, strings as they stand in the file. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** A network as a chain of polynomial layers, deeply frozen (the typed arrays excepted: JavaScript cannot freeze them). */
export interface Model {
  /** A short name for tables and reports: the file name without its ending, or as given. */
  readonly label: string;
  /** How the layers were recognised: `bilinear`, `deep`, … as the README lists them, or `custom` (model.json or made from arrays). */
  readonly family: string;
  readonly layers: readonly Layer[];
  /** (positions, features); positions is 1 for a plain network. */
  readonly inputShape: readonly [positions: number, features: number];
  /** (positions, features) of the output. */
  readonly outputShape: readonly [positions: number, features: number];
  /** Polynomial degree of the output in the input. */
  readonly degree: number;
  /** Every weight tensor under its own name, in file order; what the `weights` measure compares. */
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly parameterCount: number;
  readonly provenance: Provenance;
}
