import type { BackendName, GramRoute } from '../backend/backend.js';
import type { ModelInputs } from '../model/inputs.js';
import type { LoadOptions } from '../model/load.js';
import type { Model } from '../model/model.js';
import type { DType, Tensor, TensorData } from '../tensor/tensor.js';
import type { SampledErrors, SampledSlice, Sampling } from './sampling.js';

export type { SampledErrors, SampledSlice, Sampling } from './sampling.js';

/**
 * MATH.md section 2. Two are baselines: `weights` changes under reparametrisations that leave the function alone, and `behavioural`
 * sees the given inputs only.
 */
export type Measure = 'gaussian' | 'tensor' | 'weights' | 'behavioural';

/** Inputs for the measure `behavioural`, with or without the name that results give them. */
export type DataInputs = ModelInputs | { readonly values: ModelInputs; readonly name: string };

/**
 * The law of the input x. `'standard'` is N(0, I); `'onehot'` the Gaussian with the mean and the (singular) covariance of a
 * uniform one-hot vector; `'tokens'`, no Gaussian, uniform random token sequences, for models that begin with an embedding and by
 * sampling only; `{ sigma }` N(0, σ²I); `{ mean, cov }` N(μ, Σ) with either part left out meaning 0 or I. `mean` has length
 * d, `cov` shape (d, d), symmetric positive semi-definite, singular allowed. Where there are positions, each has this law and they
 * are independent.
 */
export type InputLaw =
  | 'standard'
  | 'onehot'
  | 'tokens'
  | { readonly sigma: number }
  | {
      readonly mean?: TensorData | readonly number[];
      readonly cov?: Tensor | readonly (readonly number[])[];
      readonly name?: string;
    };

/**
 * How inner products are computed. `exact` is exact, for at most two bilinear blocks or one attention block (`tensor`: any number of
 * bilinear blocks). `closure` treats what comes out of every block as Gaussian (`gaussian` only, MATH.md section 6): exact up to one
 * block, beyond that an approximation of unknown error. `sampled` estimates from outputs on common random inputs (`gaussian` only, section 8):
 * any layers, any law, unbiased, with a standard error.
 */
export type Method = 'exact' | 'closure' | 'sampled';

/**
 * What one route to the Gram matrix was expected to take (see `GramRoute`); the cheapest that fits the memory is chosen. Only ratios of
 * the seconds are meant to be relied on.
 */
export interface RouteEstimate {
  readonly route: GramRoute;
  /** Floating-point operations, preparation and pairs together. */
  readonly flops: number;
  /** Bytes moved between main memory and the processor, and the cost of new memory in such bytes. */
  readonly bytes: number;
  readonly seconds: number;
  /** Bytes of all prepared models together. */
  readonly memory: number;
}

export interface SimilarityOptions {
  /** Default `'gaussian'`. */
  readonly measure?: Measure | undefined;
  /** Default `'auto'`: exact where that applies and is affordable, else sampled. `closure` is used only when asked for by name. */
  readonly method?: 'auto' | Method | undefined;
  /**
   * How models of at most one bilinear block are multiplied; all routes give the same numbers. Default `'auto'`: the one that is expected
   * to be the quickest. Other models have no choice, and naming a route for them is an error.
   */
  readonly route?: 'auto' | GramRoute | undefined;
  /** Default `'standard'`. Not used by `weights` and `behavioural`. */
  readonly input?: InputLaw | undefined;
  /** The inputs that `behavioural` compares on; no other measure takes any. */
  readonly inputs?: DataInputs | undefined;
  /** Compute type, default `'float64'`. */
  readonly dtype?: DType | undefined;
  /**
   * Default `'auto'`: the environment variable TENSIM_BACKEND if set, else native if it loads and knows the method, else fallback;
   * the result says which.
   */
  readonly backend?: 'auto' | BackendName | undefined;
  /** Default: as many as the process may use. Results do not depend on it. */
  readonly threads?: number | undefined;
  /** Also compare every output slice. Default false. */
  readonly perOutput?: boolean | undefined;
  /** For `sampled`: which random inputs, a whole number from 0 to 2⁵³ − 1. Default 0. The same seed gives the same inputs on every backend. */
  readonly seed?: number | undefined;
  /** For `sampled`: half the width that the 95 % interval of every similarity is to have, in (0, 1]. Default 0.005. */
  readonly tolerance?: number | undefined;
  /** For `sampled`: inputs to evaluate at most for the result, from 1024. Default 262,144. */
  readonly maxSamples?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** A model by its number in the list that was given, by its label or path, or itself. */
export type ModelChoice = number | string | Model;

export interface MatrixOptions extends SimilarityOptions {
  /** Compare only these, as the rows, with the columns. Models and paths beside those of the list join it. Default: all of the list. */
  readonly rows?: readonly ModelChoice[] | undefined;
  /** Compare the rows with these instead of with each other. Default: all of the list. */
  readonly columns?: readonly ModelChoice[] | undefined;
  /** Compare the rows with this one: `columns` of one. */
  readonly reference?: ModelChoice | undefined;
  /** Compare every model with as many before and after it; what lies outside of this band is NaN. */
  readonly window?: number | undefined;
  /** Compare every model with the next: a `window` of 1. */
  readonly consecutive?: boolean | undefined;
  /** Take every n-th model of the list only, from the first. */
  readonly every?: number | undefined;
  /**
   * Take the models of these training steps only, single ones or from … to: by the metadata `step` of the checkpoint, or else the last
   * number in its label.
   */
  readonly steps?: readonly (number | readonly [from: number, to: number])[] | undefined;
  /** How models in files are read. */
  readonly load?: Pick<LoadOptions, 'model' | 'config'> | undefined;
  /**
   * What models prepared for the comparison may take at a time, in bytes or as '128MiB': others are read again when their turn comes.
   * The result (8 bytes for every inner product and every similarity) is not counted. Default: no limit.
   */
  readonly memoryLimit?: number | string | undefined;
  /**
   * A file that keeps the inner products: those in it are not computed again, be it after an interruption, or because models were
   * added. Made if it is not there. Not used by the measure `behavioural`, which compares quickly.
   */
  readonly state?: string | undefined;
  /** Called with every finished part of the Gram matrix, in no particular order. */
  readonly onTile?: ((tile: FinishedTile) => void) | undefined;
}

/** Inner products of some models with some others. */
export interface FinishedTile {
  /** Labels. */
  readonly rows: readonly string[];
  readonly columns: readonly string[];
  /** (rows, columns), row-major. */
  readonly gram: Float64Array;
}

export interface Progress {
  /**
   * `open`: files read to learn what they hold; `evaluate`: models run on the inputs of `behavioural`; `sample`: random inputs evaluated,
   * of as many as seem to be needed; `compare` counts pairs.
   */
  readonly phase: 'open' | 'evaluate' | 'sample' | 'prepare' | 'compare';
  readonly done: number;
  readonly total: number;
}

/** What every result says about how it was obtained. */
export interface ResultInfo {
  readonly measure: Measure;
  readonly method: Method;
  readonly exact: boolean;
  /** How the pairs were multiplied; null where the method has one way only. */
  readonly route: GramRoute | null;
  /** What the routes that could be taken were expected to cost; empty where there is no choice. */
  readonly estimates: readonly RouteEstimate[];
  /** Standard error of the similarity where it was sampled (of a matrix: the largest of all), else null. */
  readonly standardError: number | null;
  /** How it was sampled, if it was. */
  readonly sampling: Sampling | null;
  /**
   * Name of the input law: `standard`, `onehot`, `sigma=2`, `custom` or the name given; of the inputs for `behavioural` (`1797 inputs`
   * or the name given); null for `weights`.
   */
  readonly input: string | null;
  readonly dtype: DType;
  readonly backend: BackendName;
}

/** One output (class) of two models compared. `similarity` is null where one of the two slices is zero. */
export interface SliceSimilarity extends SampledErrors, SampledSlice {
  /** Output number as text, or the tensor's name for the `weights` measure. */
  readonly name: string;
  readonly similarity: number | null;
  /** Of the similarity, where it was sampled. */
  readonly standardError?: number;
  readonly distance: number;
  readonly innerProduct: number;
  readonly normA: number;
  readonly normB: number;
}

/** Two models on given inputs, beside the mean cosine of their outputs, which is the similarity. */
export interface Behaviour {
  /** How many inputs. */
  readonly inputs: number;
  /** Share of places (positions of all inputs) where both have the same largest output; null for models of one output. */
  readonly agreement: number | null;
  /** Linear centred kernel alignment of the outputs, in [0, 1]; null where the outputs of one model do not vary. */
  readonly cka: number | null;
}

/** The same for every pair. NaN where it is null above (written as null in JSON). */
export interface BehaviourMatrix {
  readonly inputs: number;
  readonly agreement: Matrix;
  readonly cka: Matrix;
}

export interface SimilarityResult extends ResultInfo, SampledErrors {
  readonly a: string;
  readonly b: string;
  /** ⟨a,b⟩ / (‖a‖·‖b‖), in [−1, 1]; exactly 1 for a model with itself. */
  readonly similarity: number;
  /** ‖a − b‖. */
  readonly distance: number;
  readonly innerProduct: number;
  /** ‖a‖ = √⟨a,a⟩. */
  readonly normA: number;
  readonly normB: number;
  readonly perOutput?: readonly SliceSimilarity[];
  /** For the measure `behavioural`. */
  readonly behaviour?: Behaviour;
}

/** Rows of a matrix; row i is a Float64Array. Square ones are symmetric to the bit. */
export type Matrix = readonly Float64Array[];

/** What there was to do for a matrix, and what was done. Two models that hold the same weights count as one. */
export interface Work {
  /** Pairs of different models, and every model with itself. */
  readonly pairs: number;
  /** Of these, found in the state file. */
  readonly reused: number;
  /** How often a model was prepared: once each, or more where the memory limit did not let all stay. */
  readonly prepared: number;
  /** Labels of models that are equal, one list per model. */
  readonly same: readonly (readonly string[])[];
  /** What had to be cut off a damaged state file, in bytes. */
  readonly discarded: number;
}

/** A difference of two models of a matrix: `to` − `from`, by index. */
export interface Step {
  readonly from: number;
  readonly to: number;
}

export interface SimilarityMatrix extends ResultInfo {
  readonly labels: readonly string[];
  /** How far from the diagonal pairs were compared; null: all. Beyond it is NaN. */
  readonly window: number | null;
  /** Inner products. */
  readonly gram: Matrix;
  /** Similarities; the diagonal is exactly 1. */
  readonly cosine: Matrix;
  /** Standard errors of the similarities, where they were sampled; 0 on the diagonal. */
  readonly cosineError?: Matrix;
  readonly perOutput?: {
    /** Output numbers as text, or tensor names for the `weights` measure. */
    readonly names: readonly string[];
    /** One Gram matrix per output. */
    readonly gram: readonly Matrix[];
    /** One similarity matrix per output; NaN where a slice is zero (written as null in JSON, empty elsewhere). */
    readonly cosine: readonly Matrix[];
    /** Standard errors per output, where it was sampled. */
    readonly cosineError?: readonly Matrix[];
  };
  /** For the measure `behavioural`. */
  readonly behaviour?: BehaviourMatrix;
  readonly work: Work;
  /**
   * Cosine between two differences of models, `first.to − first.from` and `second.to − second.from`, from the Gram matrix.
   * @throws TensimError `ZERO_NORM` if one of the differences is zero.
   */
  direction(first: Step, second: Step): number;
}

/** Models against others: what `rows`, `columns` and `reference` ask for. */
export interface CrossSimilarity extends ResultInfo {
  /** Labels. */
  readonly rows: readonly string[];
  readonly columns: readonly string[];
  /** Inner products, (rows, columns). */
  readonly gram: Matrix;
  /** Similarities, (rows, columns). */
  readonly cosine: Matrix;
  /** Standard errors of the similarities, where they were sampled. */
  readonly cosineError?: Matrix;
  /** ‖a‖ of every row and of every column. */
  readonly rowNorms: Float64Array;
  readonly columnNorms: Float64Array;
  readonly perOutput?: {
    readonly names: readonly string[];
    /** One matrix per output; NaN where a slice is zero. */
    readonly gram: readonly Matrix[];
    readonly cosine: readonly Matrix[];
    readonly cosineError?: readonly Matrix[];
  };
  readonly work: Work;
}
