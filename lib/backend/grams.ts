import type { ChainMethod } from '../layers/kind.js';
import type { Layer } from '../model/model.js';
import type { DType, TensorData } from '../tensor/tensor.js';
import type { Ability } from './ability.js';
import type { Control } from './control.js';

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

export type { ChainMethod } from '../layers/kind.js';

/**
 * How the quadratic part of a chain of one block is multiplied (MATH.md section 3); every route gives the same numbers,
 * at costs that lib/similarity/plan/gram_route.ts knows.
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
  /**
   * Whether it is wanted in one tile alone, so that by the route `dense` nothing large has to be kept. No number depends
   * on it. Default false.
   */
  readonly once?: boolean | undefined;
  /** The law of one position; positions are independent and alike. */
  readonly law: WhitenedLaw;
  /**
   * What the columns of the first layer's weights were multiplied by, (d), where that is known: without it they may have
   * few digits, and be handed on in as few bytes. No number depends on it.
   */
  readonly gain?: Float64Array | undefined;
}

/** Plain vectors, one per output slice, whose inner products are ordinary dot products (the `weights` measure). */
export interface FeatureSource {
  readonly kind: 'features';
  readonly segments: readonly TensorData[];
}

/**
 * A model folded and packed by a backend, owned by it. Using it after `dispose()` is an error; disposing twice is not.
 */
export interface PreparedModel {
  /** Slices of the inner product: outputs of a chain (each summed over positions), segments of a feature source. */
  readonly outputs: number;
  /** Memory held, in bytes. */
  readonly bytes: number;
  dispose(): void;
}

/** A model whose numbers need no units, with what is known of their size: log₂ of root mean squares. */
export interface CalmModel {
  readonly model: PreparedModel;
  /** Of the norm that it would have if nothing in it cancelled. */
  readonly level: number;
  /** The same of every output. */
  readonly sliceLevels: Float64Array;
}

export interface GramJob {
  /** `gaussian` or `tensor` for the method `one-block`; all others ignore it. MATH.md section 2. */
  readonly measure: 'gaussian' | 'tensor';
  /** Rows and columns are the same models: compute i ≤ j only and mirror, so that a tile is symmetric to the bit. */
  readonly symmetric: boolean;
  /** Also return the inner product of every output slice. */
  readonly perOutput: boolean;
  /** Also return what every degree contributes, of methods in `Ability.degrees`. Default false. */
  readonly degrees?: boolean | undefined;
}

/** Inner products of rows with columns. */
export interface GramTile {
  /** (rows, columns), row-major. */
  readonly total: Float64Array;
  /** (rows, columns, outputs), row-major, if asked for. */
  readonly perOutput?: Float64Array;
  /**
   * (rows, columns, 4): what the constant, linear, quadratic and all higher parts contribute to the total, if asked
   * for.
   */
  readonly perDegree?: Float64Array;
  /**
   * (rows, columns): what at most is left out of the total by series that were cut off; of the method `hidden`, whose
   * error is proven.
   */
  readonly bound?: Float64Array;
}

/** The parts of `GramTile.perDegree`. */
export const DEGREE_PARTS = ['constant', 'linear', 'quadratic', 'higher'] as const;

/**
 * Shares of the rate of large products that the parts of a route reach: preparing a model, and the product of a pair.
 */
export interface RouteEfficiency {
  readonly prepare: number;
  readonly pair: number;
}

/**
 * What routes are chosen by: the same on all machines of a class, whatever they do beside, so that two runs choose
 * alike.
 */
export interface GramMachine {
  /** Rate of large products, of one thread. */
  readonly flopsPerSecond: number;
  /** Rate at which what lies in its memory is read, likewise. */
  readonly bytesPerSecond: number;
  /**
   * How many times as quick as that it is with all threads, as far as it has been measured. What is reported is divided
   * by it and tiles are made as large as it allows; no number depends on it.
   */
  readonly pace: number;
  /** Bytes of a memory of its own for prepared models, and those that are left of it; absent where there is none. */
  readonly memory?: { readonly total: number; readonly free: number };
}

/** Grams of devices that share tiles. What goes wrong on one ends all that is at work, and all that comes after. */
export interface SharedGrams extends Grams {
  /** Tiles that every device has begun so far. */
  readonly taken: readonly number[];
}

/**
 * Inner products of models: each is prepared once, and tiles of products are computed of prepared ones. All models of a
 * tile must have been prepared by the same backend with the same dtype, the same method, route and law, and agree in
 * the sizes of input and output.
 */
export interface Grams extends Ability {
  readonly methods: ReadonlySet<ChainMethod>;
  readonly kinds: ReadonlySet<string>;
  readonly dtypes: ReadonlySet<DType>;
  /** The routes it can take for the method `one-block`, `factor` among them, each with what it reaches here. */
  readonly routes: ReadonlyMap<GramRoute, RouteEfficiency>;
  /**
   * Names what the last bits of its products depend on beside all that a job says: the instructions it has chosen, and
   * the sums that it takes with them.
   * Absent where there is nothing of the kind.
   */
  readonly arithmetic?: string | undefined;
  /** Whether it makes use of `ChainSource.once`: it is quicker if all models are in one tile. */
  readonly once?: boolean | undefined;
  /** How many models it prepares best at a time, where one does not occupy it; one, unless it says so. */
  readonly preparesAtOnce?: number;
  /** Likewise how many tiles. */
  readonly tilesAtOnce?: number;
  /**
   * The same on several devices: what is prepared by it is on each of them, and every tile is computed by one that has
   * time. No number depends on which. Absent where there is never more than one.
   * @param tiles how many there are to be, roughly: no more devices take part.
   * @throws TensimError (rejects) as preparing a model, where none can be used.
   */
  shared?(tiles: number, control?: Control): Promise<SharedGrams>;
  /** What routes and the sizes of tiles are chosen by, with `threads` as in `Control`. */
  machine(dtype: DType, threads?: number): Promise<GramMachine>;
  /** Weights folded and packed once, per-model moments cached. */
  prepare(source: ChainSource | FeatureSource, dtype: DType, control?: Control): Promise<PreparedModel>;
  /**
   * Several models, shared out among the threads; where it is there it is quicker than one by one, and gives the same.
   */
  prepareAll?(
    sources: readonly (ChainSource | FeatureSource)[],
    dtype: DType,
    control?: Control,
  ): Promise<PreparedModel[]>;
  /**
   * The same of chains for the method `one-block`, and how large the numbers in them are: null, and not prepared, for
   * one in which features, units or outputs are estimated at more than 2^window, or less than 2^−window, in root mean
   * square. Where it is absent, who asks looks through the weights by himself.
   */
  prepareCalm?(
    sources: readonly ChainSource[],
    window: number,
    dtype: DType,
    control?: Control,
  ): Promise<(CalmModel | null)[]>;
  tile(
    job: GramJob,
    rows: readonly PreparedModel[],
    columns: readonly PreparedModel[],
    control?: Control,
  ): Promise<GramTile>;
}
