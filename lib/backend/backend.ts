import type { Machine } from '../contraction/cost.js';
import type { ContractionPlan } from '../contraction/plan.js';
import type { PairedLegs } from '../gaussian/sieve.js';
import type { Layer } from '../model/model.js';
import type { DType, ScaledTensor, Tensor, TensorData } from '../tensor/tensor.js';

/** `native`: the C++ addon; `cuda`: NVIDIA GPUs, in a build of one's own; `fallback`: TypeScript, everywhere. */
export type BackendName = 'native' | 'cuda' | 'fallback';

/** How running work is steered and watched. Every field is optional. */
export interface Control {
  /** Aborting rejects the call with `signal.reason` within one tile. */
  readonly signal?: AbortSignal | undefined;
  /** Worker threads; default: as many as the process may use. Results do not depend on it. */
  readonly threads?: number | undefined;
  /** Called with units of work done and in all, at most 20 times a second. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * The input law N(μ, Σ) in the form x = μ + C z, z ~ N(0, I_k), CCᵀ = Σ (MATH.md section 3).
 * `factor` absent means C = sigma · I (k = d).
 */
export interface WhitenedLaw {
  /** μ, length d; absent: zero. */
  readonly mean?: Float64Array;
  /** C, shape (d, k), row-major. */
  readonly factor?: { readonly data: Float64Array; readonly columns: number };
  /** Standard deviation of every coordinate when there is no factor. */
  readonly sigma: number;
}

/**
 * How the inner products of chains are computed (sections of MATH.md; "block" means a layer that is not linear).
 *
 * | method | chains | result |
 * |---|---|---|
 * | `one-block` | at most one bilinear block | exact, section 3; both measures |
 * | `two-block` | at most two bilinear blocks | exact, section 5; `gaussian` |
 * | `closure` | any | section 6, exact for at most one block of any kind; `gaussian` |
 * | `tensor` | linear and bilinear layers, any number | exact, section 7; `tensor` |
 */
export type ChainMethod = 'one-block' | 'two-block' | 'closure' | 'tensor';

/**
 * How the quadratic part of a chain of one block is multiplied (MATH.md section 3); every route gives the same numbers, at costs that
 * lib/similarity/plan/gram_route.ts knows.
 *
 * | route | a model is kept as | per pair |
 * |---|---|---|
 * | `factor` | L and R, every layer before them folded in | four h×h products over the whitened input |
 * | `unfolded` | L and R, and the embedding E (m×k) before them | E E'ᵀ, then the h×h products over m |
 * | `dense` | the packed symmetric matrix of every output | one product of vectors of length o·k(k+1)/2 |
 */
export type GramRoute = 'factor' | 'unfolded' | 'dense';

/** What a backend prepares: a chain of layers under an input law, for one method. */
export interface ChainSource {
  readonly kind: 'chain';
  readonly layers: readonly Layer[];
  /** d, the length of the input vector of one position. */
  readonly inputs: number;
  /** n, 1 for a plain network. Inner products sum over the positions of the output. */
  readonly positions: number;
  readonly method: ChainMethod;
  /** For the method `one-block`, which alone has routes; default `factor`. All models of a tile take the same. */
  readonly route?: GramRoute | undefined;
  /** The law of one position; positions are independent and alike. */
  readonly law: WhitenedLaw;
}

/** Plain vectors, one per output slice, whose inner products are ordinary dot products (the `weights` measure). */
export interface FeatureSource {
  readonly kind: 'features';
  readonly segments: readonly TensorData[];
}

/** A model to evaluate on inputs: any chain of layers. */
export interface ForwardSource {
  readonly layers: readonly Layer[];
  /** n, the positions of an input. */
  readonly positions: number;
  /** d, the features of a position. */
  readonly features: number;
  /**
   * How inputs come: as n·d numbers each, or as n token ids, which stand for one-hot vectors; for tokens the first layer is linear,
   * and its columns are gathered instead of multiplied.
   */
  readonly input: 'vectors' | 'tokens';
}

/** A model with its weights packed for the forward pass. Using it after `dispose()` is an error; disposing twice is not. */
export interface ForwardPass {
  /** Memory held, in bytes. */
  readonly bytes: number;
  /**
   * f of every input of a batch, in the dtype it was prepared with: (batch, n, o) from (batch, n, d), or from (batch, n) ids below d;
   * all row-major. `float32` computes products in float32 (the fallback in float64, rounding the result). Progress counts work
   * in a unit of the backend's own. Results do not depend on threads nor on what else is in the batch.
   */
  evaluate(inputs: TensorData | Int32Array, control?: Control): Promise<TensorData>;
  dispose(): void;
}

/** A model folded and packed by a backend, owned by it. Using it after `dispose()` is an error; disposing twice is not. */
export interface PreparedModel {
  /** Slices of the inner product: outputs of a chain (each summed over positions), segments of a feature source. */
  readonly outputs: number;
  /** Memory held, in bytes. */
  readonly bytes: number;
  dispose(): void;
}

/** A stream of random inputs: `dimension` independent standard normal numbers for every sample. */
export interface NormalStream {
  /** A whole number from 0 to 2⁵³ − 1. */
  readonly seed: number;
  /** Below 2¹¹; streams of one seed are independent. */
  readonly stream: number;
  readonly dimension: number;
}

export interface GramJob {
  /** `gaussian` or `tensor` for the method `one-block`; all others ignore it. MATH.md section 2. */
  readonly measure: 'gaussian' | 'tensor';
  /** Rows and columns are the same models: compute i ≤ j only and mirror, so that the tile is symmetric to the bit. */
  readonly symmetric: boolean;
  /** Also return the inner product of every output slice. */
  readonly perOutput: boolean;
}

/** Inner products of rows with columns. */
export interface GramTile {
  /** (rows, columns), row-major. */
  readonly total: Float64Array;
  /** (rows, columns, outputs), row-major, if asked for. */
  readonly perOutput?: Float64Array;
}

/** Symmetric matrices of one size, each row-major, one after the other. Lower triangles are read. */
export interface SymmetricMatrices {
  /** (count, size, size). */
  readonly data: Float64Array;
  readonly count: number;
  readonly size: number;
}

export interface EigenPairs {
  /** (count, size): all eigenvalues of every matrix, the largest in magnitude first. */
  readonly values: Float64Array;
  /** (count, wanted, size): a unit eigenvector for each of the first `wanted` (or `size`) of them. Its sign is arbitrary. */
  readonly vectors: Float64Array;
}

/**
 * The seam between what is written once and what exists per backend. All models of a tile must have been prepared by the
 * same backend with the same dtype, the same method, route and law, and agree in the sizes of input and output.
 */
export interface Backend {
  readonly name: BackendName;
  /** The methods it can prepare chains for. */
  readonly methods: ReadonlySet<ChainMethod>;
  /** The routes it can take for the method `one-block`. */
  readonly routes: ReadonlySet<GramRoute>;
  /** How many models it prepares best at a time, where one does not occupy it; one, unless it says so. */
  readonly preparesAtOnce?: number;
  /** Likewise how many tiles. */
  readonly tilesAtOnce?: number;
  /** Weights folded and packed once, per-model moments cached. */
  prepare(source: ChainSource | FeatureSource, dtype: DType, control?: Control): Promise<PreparedModel>;
  /** Several models, shared out among the threads; where it is there it is quicker than one by one, and gives the same. */
  prepareAll?(
    sources: readonly (ChainSource | FeatureSource)[],
    dtype: DType,
    control?: Control,
  ): Promise<PreparedModel[]>;
  gramTile(
    job: GramJob,
    rows: readonly PreparedModel[],
    columns: readonly PreparedModel[],
    control?: Control,
  ): Promise<GramTile>;
  /** The weights of a chain packed once, for any number of batches. */
  prepareForward(source: ForwardSource, dtype: DType, control?: Control): Promise<ForwardPass>;
  /**
   * Samples `first` to `first + count` − 1 of a stream, (count, dimension), row-major (MATH.md section 8). A number depends on the stream
   * and its own place alone, and is the same on every backend to the bit; samples are counted below 2³².
   */
  normals(stream: NormalStream, first: number, count: number, control?: Control): Promise<Float64Array>;
  /** Its speed at contractions with `threads` as in `Control`: what the cost model chooses paths by. */
  machine(dtype: DType, threads?: number): Machine;
  /**
   * Executes a plan. Operands have the plan's dtype and fit its layouts. The result is contiguous; it has an exponent if the plan
   * strips it.
   */
  contract(plan: ContractionPlan, operands: readonly Tensor[], control?: Control): Promise<Tensor | ScaledTensor>;
  /** The loop hafnian over pairs of legs, by the sieve of MATH.md section 4: exponential in the number of pairs. */
  loopHafnian(legs: PairedLegs, control?: Control): Promise<number>;
  /**
   * Eigenvalues, and the eigenvectors of the `wanted` largest in magnitude, right to some ε‖A‖.
   * @throws TensimError (rejects) `NOT_FINITE` for a matrix that holds anything but numbers.
   */
  symmetricEigen(matrices: SymmetricMatrices, wanted: number, control?: Control): Promise<EigenPairs>;
}
