import type { BackendName } from '../../backend/backend.js';
import type { GramRoute } from '../../backend/grams.js';
import type { ModelInputs } from '../../evaluation/inputs.js';
import type { Model } from '../../model/model.js';
import type { LoadOptions } from '../../model/reading/load.js';
import type { DType, Tensor, TensorData } from '../../tensor/tensor.js';
import type { LiveMatrix, ModelPlaces } from './live.js';
import type { Measure, Method } from './results.js';

/** Inputs for the measure `behavioural`, with or without the name that results give them. */
export type DataInputs =
  | ModelInputs
  | {
      /** The inputs. */
      readonly values: ModelInputs;
      /** What results call them. */
      readonly name: string;
    };

/**
 * The law of the input x. `'standard'` is N(0, I); `'onehot'` the Gaussian with the mean and the (singular) covariance
 * of a uniform one-hot vector; `'tokens'`, no Gaussian, uniform random token sequences, for models that begin with an
 * embedding and by sampling only; `{ sigma }` N(0, σ²I); `{ mean, cov }` N(μ, Σ) with either part left out meaning 0 or
 * I. `mean` has length d, `cov` shape (d, d), symmetric positive semi-definite, singular allowed. Where there are
 * positions, each has this law and they are independent.
 */
export type InputLaw =
  | 'standard'
  | 'onehot'
  | 'tokens'
  | {
      /** σ, positive. */
      readonly sigma: number;
    }
  | {
      /** μ, of length d; absent: 0. */
      readonly mean?: TensorData | readonly number[];
      /** Σ, (d, d); absent: I. */
      readonly cov?: Tensor | readonly (readonly number[])[];
      /** What results call the law; absent: `custom`. */
      readonly name?: string;
      /** t, from 0 to 1: Σ becomes (1 − t) Σ + t · tr(Σ)/d · I. Absent: it stays as it is. */
      readonly ridge?: number;
    };

/** How two models are compared. */
export interface SimilarityOptions {
  /** Default `'gaussian'`. */
  readonly measure?: Measure | undefined;
  /**
   * Default `'auto'`: exact where that applies and is affordable, else sampled. `closure` is used only when asked for
   * by name.
   */
  readonly method?: 'auto' | Method | undefined;
  /**
   * How models of at most one bilinear block are multiplied; all routes give the same numbers. Default `'auto'`: the
   * one that is expected to be the quickest. Other models have no choice, and naming a route for them is an error.
   */
  readonly route?: 'auto' | GramRoute | undefined;
  /** Default `'standard'`. Not used by `weights` and `behavioural`. */
  readonly input?: InputLaw | undefined;
  /** The inputs that `behavioural` compares on; no other measure takes any. */
  readonly inputs?: DataInputs | undefined;
  /** Compute type, default `'float64'`. */
  readonly dtype?: DType | undefined;
  /**
   * Let products of float32 be one pass of TF32, of factors rounded to 11 bits: about three times as quick on the
   * backend `cuda`, and only that exact (an inner product of two vectors is off by less than 2⁻¹⁰ of the product of
   * their norms, a similarity by some 10⁻³ at most and by less as a rule). With dtype `'float32'` alone; with the backend
   * `'auto'` it is a permission, used where that takes `cuda`. The result says so. Methods that do not use tensor cores
   * stay as they are. Default false.
   */
  readonly tf32?: boolean | undefined;
  /**
   * Default `'auto'`: the environment variable TENSIM_BACKEND if set, else native if it loads and knows the method,
   * else fallback; the result says which.
   */
  readonly backend?: 'auto' | BackendName | undefined;
  /** Default: as many as the process may use. Results do not depend on it. */
  readonly threads?: number | undefined;
  /** Also compare every output slice. Default false. */
  readonly perOutput?: boolean | undefined;
  /**
   * Also compare degree by degree: the mean of the outputs, their linear and quadratic parts, and the rest. It costs
   * next to nothing, and only exact comparisons of models of at most one block under `gaussian` know it; asked for
   * elsewhere it is an error. Default: `similarity` tells it where it is known, `similarityMatrix` not.
   */
  readonly degrees?: boolean | undefined;
  /**
   * For `sampled`: which random inputs, a whole number from 0 to 2⁵³ − 1. Default 0. The same seed gives the same
   * inputs on every backend.
   */
  readonly seed?: number | undefined;
  /** For `sampled`: half the width that the 95 % interval of every similarity is to have, in (0, 1]. Default 0.005. */
  readonly tolerance?: number | undefined;
  /** For `sampled`: inputs to evaluate at most for the result, from 1024. Default 262,144. */
  readonly maxSamples?: number | undefined;
  /** Aborting rejects with `signal.reason`, within one tile. */
  readonly signal?: AbortSignal | undefined;
  /** Called with work done and in all, at most 20 times a second. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** A model by its number in the list that was given, by its label or path, or itself. */
export type ModelChoice = number | string | Model;

/** Which models are compared with which, within which memory; the options of `similarity` and these. */
export interface MatrixOptions extends SimilarityOptions {
  /**
   * Compare only these, as the rows, with the columns. Models and paths beside those of the list join it. Default: all
   * of the list.
   */
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
   * Take the models of these training steps only, single ones or from … to: by the metadata `step` of the checkpoint,
   * or else the last number in its label.
   */
  readonly steps?: readonly (number | readonly [from: number, to: number])[] | undefined;
  /** How models in files are read. */
  readonly load?: Pick<LoadOptions, 'model' | 'config' | 'key' | 'ignore'> | undefined;
  /**
   * What models prepared for the comparison may take at a time, in bytes or as '128MiB': others are read again when
   * their turn comes. The result (8 bytes for every inner product and every similarity) is not counted. Default: no
   * limit.
   */
  readonly memoryLimit?: number | string | undefined;
  /**
   * A file that keeps the inner products: those in it are not computed again, be it after an interruption, or because
   * models were added. Made if it is not there. Not used by the measure `behavioural`, which compares quickly.
   */
  readonly state?: string | undefined;
  /**
   * Called with every finished part of the Gram matrix, in no particular order; a sampled one is finished all at once.
   * The last call says so, and is made even if nothing had to be computed. What it throws ends the comparison.
   */
  readonly onTile?: ((tile: FinishedTile) => void) | undefined;
}

/**
 * Inner products of some models with some others. Each is also that of the second with the first, and stands in the
 * result at both places.
 */
export interface FinishedTile {
  /** Labels; none where nothing had to be computed. */
  readonly rows: readonly string[];
  /** Labels. */
  readonly columns: readonly string[];
  /**
   * Where these models stand in the result. The rows of a tile need not be rows of the result: a model may be a column
   * there.
   */
  readonly rowIndices: readonly ModelPlaces[];
  /** Where the models of its columns stand. */
  readonly columnIndices: readonly ModelPlaces[];
  /**
   * (rows, columns), row-major: ∞, or less than a normal number, where a product is out of range. `matrix.product` has
   * them all.
   */
  readonly gram: Float64Array;
  /** (rows, columns, outputs), row-major, with the option `perOutput`. */
  readonly perOutput?: Float64Array;
  /** Standard errors of the similarities, (rows, columns), row-major, where they were sampled. */
  readonly cosineError?: Float64Array;
  /** Whether this was the last part: nothing is left to come. */
  readonly last: boolean;
  /**
   * All that is known so far, this part included. The same object in every call, which can be read at any time, also
   * afterwards.
   */
  readonly matrix: LiveMatrix;
}

/** A result that was asked for with `perOutput: true`: what every output contributes is there. */
export type PerOutput<Result extends Partial<Record<'perOutput', unknown>>> = Result & {
  /** Every output by itself. */
  readonly perOutput: NonNullable<Result['perOutput']>;
};

/** How far a comparison is. */
export interface Progress {
  /**
   * `open`: files read to learn what they hold; `evaluate`: models run on the inputs of `behavioural`; `sample`: random
   * inputs evaluated, of as many as seem to be needed; `compare` counts pairs.
   */
  readonly phase: 'open' | 'evaluate' | 'sample' | 'prepare' | 'compare';
  /** Of `total`, in the unit of the phase. */
  readonly done: number;
  /** Work of the phase in all, as far as it is known. */
  readonly total: number;
}

export type * from './behaviour.js';
export type * from './live.js';
export type * from './results.js';
export type { SampledErrors, SampledSlice, Sampling, Weighed } from './sampling.js';
export type { RouteEstimate, Source, Work } from './work.js';
