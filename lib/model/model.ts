import type {
  ActivationOf,
  AttentionOf,
  BatchNormOf,
  BilinearOf,
  ConvolutionOf,
  GatedOf,
  HiddenOf,
  LayerNormOf,
  LayerOf,
  LinearOf,
  ParallelOf,
  PoolOf,
  PositionsOf,
  RmsNormOf,
  SoftmaxAttentionOf,
} from '../layers/layer.js';
import type { Tensor } from '../tensor/tensor.js';

/** x ↦ W x + b, with W of shape (out, in) and b of shape (out). */
export interface LinearLayer extends LinearOf<Tensor> {}

/**
 * x ↦ α x + β (D((L x + l) ⊙ (R x + r)) + c), MATH.md section 1. L and R have shape (h, in), D (out, h), l and r (h), c
 * (out). Without `down` D is the identity (out = h). α ≠ 0 needs in = out.
 */
export interface BilinearLayer extends BilinearOf<Tensor> {}

/**
 * x_s ↦ α x_s + β (O·concat_heads Σ_t M_st (q1_s·k1_t)(q2_s·k2_t)/d_head² · v_t + o) over positions s and t, MATH.md
 * section 1, of degree 5. q1, k1, q2, k2 and v have shape (heads·d_head, in), their rows head by head, and their biases
 * (heads·d_head); o has shape (out, heads·d_head), its bias (out). α ≠ 0 needs in = out.
 */
export interface AttentionLayer extends AttentionOf<Tensor> {}

/** x ↦ φ(x), every feature of every position by itself: `width` features, and for `prelu` as many slopes. */
export interface ActivationLayer extends ActivationOf<Tensor> {}

/**
 * x ↦ α x + β (D φ(W x + b) + c) + S x, MATH.md section 10: a hidden layer of a multilayer perceptron. W has shape (h,
 * in), b (h), D (out, h), c (out), S (out, in). Without `down` D is the identity (out = h). α ≠ 0 needs in = out.
 */
export interface HiddenLayer extends HiddenOf<Tensor> {}

/**
 * x ↦ α x + β (D (φ(W x + b) ⊙ (U x + u)) + c) + S x, MATH.md section 11: a gated block (SwiGLU, GEGLU, ReGLU …). W
 * (`gate`) and U (`up`) have shape (h, in), b and u (h), D (out, h), c (out), S (out, in). Without `down` D is the
 * identity (out = h). α ≠ 0 needs in = out.
 */
export interface GatedLayer extends GatedOf<Tensor> {}

/**
 * x ↦ (w + offset) ⊙ x / √(mean x² + ε) + b at every position, w and b of shape (features). `offset` is 1 where weights
 * are stored around 0 (Gemma), else 0. Without w and b, `features` says how many there are.
 */
export interface RmsNormLayer extends RmsNormOf<Tensor> {}

/** The same of x less its mean over the features, which makes of the mean square a variance. */
export interface LayerNormLayer extends LayerNormOf<Tensor> {}

/**
 * x ↦ w ⊙ (x − μ) / √(σ² + ε) + b, channel by channel, as after training: μ, σ², w and b have shape (channels). A channel
 * is `area` features in a row: height × width behind a convolution, 1 behind a linear layer.
 */
export interface BatchNormLayer extends BatchNormOf<Tensor> {}

/**
 * A convolution of images of `height` × `width`, flattened as channels × height × width: `weight` has shape (out,
 * in/groups, rows, columns), `bias` (out). Without `height` it is one of sequences, and `weight` has shape (out,
 * in/groups, columns). `stride`, `padding` (with zeros) and `dilation` are a number, or [down, across]. It is affine: exact
 * wherever its neighbours are, up to 2^25 inputs times outputs.
 */
export interface ConvolutionLayer extends ConvolutionOf<Tensor> {}

/**
 * The mean or the largest of every window of every channel of an image. Fields as in `ConvolutionLayer`; `stride` is that
 * of the windows, by default their own size, and padding counts as zeros in a mean unless `countPadding` is false. Means
 * are affine, maxima can be sampled only.
 */
export interface PoolLayer extends PoolOf<Tensor> {}

/**
 * x_s ↦ α x_s + β (O·concat_heads Σ_t softmax_t(scale q_s·k_t) v_t + o) over the positions t that s sees. q has shape
 * (heads·d_head, in), k (kvHeads·d_head, in), v (kvHeads·d_value, in), their rows head by head, o (out, heads·d_value);
 * biases as many numbers as their matrix has rows. Head h of the queries meets head ⌊h·kvHeads/heads⌋ of keys and values.
 * Before they meet, queries and keys are normalised where `qNorm` and `kNorm` are given (RMS, every head by itself, or
 * all of them as one vector), and then turned by the rotary embedding. To the scores `softcap` is applied, and then
 * ALiBi added, −slope·|s − t|. Only the forward pass takes such layers.
 */
export interface SoftmaxAttentionLayer extends SoftmaxAttentionOf<Tensor> {}

/** x_s ↦ x_s + p_s: row s of `weight`, (positions, features), which may have more rows than inputs have positions. */
export interface PositionsLayer extends PositionsOf<Tensor> {}

/**
 * x ↦ α x + β Σ_k F_k(x): chains of layers beside each other, each on the same input, whose outputs add up. A block of a
 * pre-norm transformer is two of them with one branch each, [norm, attention] and [norm, MLP]; with both branches in one
 * it has parallel residuals (GPT-NeoX, Falcon, Phi). Branches take and give as many features as each other, and α ≠ 0
 * needs as many outputs as inputs. At most eight are within each other. Exact where all branches are affine, or one of
 * them has a single block of units; otherwise outputs can be sampled.
 */
export interface ParallelLayer extends ParallelOf<Tensor> {}

/**
 * One layer of a network: a `LinearLayer`, a `BilinearLayer`, an `AttentionLayer`, an `ActivationLayer`, a
 * `HiddenLayer`, a `GatedLayer`, or one that only the forward pass takes: an `RmsNormLayer`, a `LayerNormLayer`, a
 * `SoftmaxAttentionLayer`, a `PositionsLayer`;
 * or an affine one, a `BatchNormLayer`, a `ConvolutionLayer` or a `PoolLayer`; or chains of them, a `ParallelLayer`.
 */
export type Layer = LayerOf<Tensor>;

/** Where a model came from. All fields are absent for a model made from arrays. */
export interface Provenance {
  /** Path as given by the caller. */
  readonly file?: string;
  /** The commit, for a file from the Hugging Face Hub. */
  readonly revision?: string;
  /** Where in its file it is, where that was asked for with the option `key`. */
  readonly key?: string;
  /** Hex digest over the file's bytes (for a sharded checkpoint: over the index and every shard, in order of name). */
  readonly sha256?: string;
  /** The checkpoint's own metadata, strings as they stand in the file. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** A network as a chain of layers, deeply frozen (the typed arrays excepted: JavaScript cannot freeze them). */
export interface Model {
  /** A short name for tables and reports: the file name without its ending, or as given. */
  readonly label: string;
  /**
   * How the layers were recognised: `bilinear`, `deep`, … as docs/guide/models.md lists them, `custom` (model.json or
   * made from arrays), or `unknown` (parameters only, without layers).
   */
  readonly family: string;
  /** From the input to the output. */
  readonly layers: readonly Layer[];
  /** (positions, features); positions is 1 for a plain network. */
  readonly inputShape: readonly [positions: number, features: number];
  /** (positions, features) of the output. */
  readonly outputShape: readonly [positions: number, features: number];
  /**
   * Polynomial degree of the output in the input: a number for every chain of linear, bilinear and attention layers,
   * and null for one with a layer that is no polynomial.
   */
  readonly degree: number | null;
  /** Every weight tensor under its own name, in file order; what the `weights` measure compares. */
  readonly parameters: ReadonlyMap<string, Tensor>;
  /** Elements of all of `parameters`. */
  readonly parameterCount: number;
  /** Where it came from. */
  readonly provenance: Provenance;
}
