import type { BackendName } from '../../backend/backend.js';
import type { GramRoute } from '../../backend/grams.js';
import type { PassedOver } from '../../machines/select.js';
import type { Order } from '../../model/reading/order.js';
import type { DType } from '../../tensor/tensor.js';
import type { Behaviour, BehaviourMatrix, Matrix } from './behaviour.js';
import type { Degrees, DegreesMatrix } from './degrees.js';
import type { SampledErrors, SampledSlice, Sampling, Weighed } from './sampling.js';
import type { RouteEstimate, Source, Work } from './work.js';

/**
 * MATH.md section 2. Two are baselines: `weights` changes under reparametrisations that leave the function alone, and
 * `behavioural` sees the given inputs only.
 */
export type Measure = 'gaussian' | 'tensor' | 'weights' | 'behavioural';

/**
 * How inner products are computed. `exact` is exact, for at most two bilinear blocks or one attention block (`tensor`:
 * any number of bilinear blocks). `closure` treats what comes out of every block as Gaussian (`gaussian` only, MATH.md
 * section 6): exact up to one block, beyond that an approximation of unknown error. `sampled` estimates from outputs on
 * common random inputs (`gaussian` only, section 8): any layers, any law, unbiased, with a standard error.
 */
export type Method = 'exact' | 'closure' | 'sampled';

/** What every result says about how it was obtained. */
export interface ResultInfo {
  /** Which inner product was taken. */
  readonly measure: Measure;
  /** How it was computed; never `auto`. */
  readonly method: Method;
  /** Whether the method is exact for these models; false for `sampled`, and for `closure` beyond one block. */
  readonly exact: boolean;
  /** How the pairs were multiplied; null where the method has one way only. */
  readonly route: GramRoute | null;
  /** What the routes that could be taken were expected to cost; empty where there is no choice. */
  readonly estimates: readonly RouteEstimate[];
  /**
   * What series that were cut off can have changed of any similarity, proven (docs/MATH.md section 10): at most 1e-12,
   * or 1e-6 in float32. There where units with activations were compared exactly.
   */
  readonly certified?: number | undefined;
  /** Standard error of the similarity where it was sampled (of a matrix: the largest of all), else null. */
  readonly standardError: number | null;
  /** How it was sampled, if it was. */
  readonly sampling: Sampling | null;
  /** What `auto` has weighed, where the exact method takes long; absent elsewhere. */
  readonly weighed?: Weighed | undefined;
  /**
   * Name of the input law: `standard`, `onehot`, `sigma=2`, `custom` or the name given; of the inputs for `behavioural`
   * (`1797 inputs` or the name given); null for `weights`.
   */
  readonly input: string | null;
  /**
   * SHA-256 of the input law by its content (mean and covariance), or of the inputs for `behavioural`: the same for the
   * same numbers, whatever they are called and however they were given. Absent for `weights`.
   */
  readonly inputDigest?: string | undefined;
  /** Compute type. */
  readonly dtype: DType;
  /** There where products of floats were one pass of TF32: see the option. */
  readonly tf32?: true | undefined;
  /** Which backend computed. */
  readonly backend: BackendName;
  /** How many of the backend's devices have computed tiles, where several could share them; absent elsewhere. */
  readonly devices?: number | undefined;
  /**
   * The backends and sets of instructions that have computed it, where workers of several have: its last bits may differ
   * from those of any other run. Absent elsewhere.
   */
  readonly mixed?: readonly string[] | undefined;
  /** Backends that are there and were passed over, each with the reason; absent where there are none. */
  readonly passedOver?: readonly PassedOver[] | undefined;
}

/** By how much two models, or one output of both, differ. Exactly zero throughout for models of the same numbers. */
export interface PairDifference {
  /**
   * ‖a − b‖, of models near each other from the difference itself: right to the rounding of their weights, however
   * small.
   */
  readonly distance: number;
  /**
   * The smallest distance that could be told from zero: below it, `distance` is rounding. Where the difference itself
   * was multiplied, it shrinks with the change of the weights; it is larger for one function written in two ways (other
   * orders or scales of the units).
   */
  readonly distanceResolution: number;
  /** 1 − similarity, of models near each other from their difference; in [0, 2], null where one of the two is zero. */
  readonly dissimilarity: number | null;
  /** E‖a − b‖² / E‖a‖²: the error of b as a stand-in for a, the reference. Null where a is zero. */
  readonly fidelityError: number | null;
  /** ‖a − b‖ / ‖a‖, its square root. */
  readonly relativeDistance: number | null;
}

/** Norms beyond the range of numbers: log₂ ‖a‖ and log₂ ‖b‖, −∞ for zero. */
export interface BeyondRange {
  /** log₂ ‖a‖. */
  readonly log2NormA: number;
  /** log₂ ‖b‖. */
  readonly log2NormB: number;
}

/** One output (class) of two models compared. `similarity` is null where one of the two slices is zero. */
export interface SliceSimilarity extends PairDifference, SampledErrors, SampledSlice {
  /** Output number as text, or the tensor's name for the `weights` measure. */
  readonly name: string;
  /** Of the two slices, in [−1, 1]. */
  readonly similarity: number | null;
  /** Of the similarity, where it was sampled. */
  readonly standardError?: number;
  /** ⟨a_c, b_c⟩. */
  readonly innerProduct: number;
  /** ‖a_c‖. */
  readonly normA: number;
  /** ‖b_c‖. */
  readonly normB: number;
  /**
   * There where a norm or the inner product leaves the range of normal doubles, and is ∞, or less exact or 0: the
   * similarity and other ratios are right all the same.
   */
  readonly beyondRange?: BeyondRange;
}

/** Two models compared. */
export interface SimilarityResult extends ResultInfo, PairDifference, SampledErrors {
  /** Which kind of result it is. */
  readonly kind: 'pair';
  /** Label of the first model, the reference of `fidelityError`. */
  readonly a: string;
  /** Label of the second. */
  readonly b: string;
  /** Where the two came from. */
  readonly sources?: readonly [a: Source, b: Source];
  /** ⟨a,b⟩ / (‖a‖·‖b‖), in [−1, 1]; exactly 1 for a model with itself. */
  readonly similarity: number;
  /** 1 − similarity, of models near each other from their difference; in [0, 2]. */
  readonly dissimilarity: number;
  /** E‖a − b‖² / E‖a‖²: the error of b as a stand-in for a. */
  readonly fidelityError: number;
  /** ‖a − b‖ / ‖a‖, its square root. */
  readonly relativeDistance: number;
  /** ⟨a,b⟩. */
  readonly innerProduct: number;
  /** ‖a‖ = √⟨a,a⟩. */
  readonly normA: number;
  /** ‖b‖ = √⟨b,b⟩. */
  readonly normB: number;
  /**
   * There where a norm or the inner product leaves the range of normal doubles, and is ∞, or less exact or 0: the
   * similarity and other ratios are right all the same.
   */
  readonly beyondRange?: BeyondRange;
  /** Every output by itself, in their order; with the option `perOutput`. */
  readonly perOutput?: readonly SliceSimilarity[];
  /** Degree by degree, where the method knows it: see the option `degrees`. */
  readonly degrees?: Degrees;
  /** For the measure `behavioural`. */
  readonly behaviour?: Behaviour;
}

/** A difference of two models of a matrix: `to` − `from`, by index. */
export interface Step {
  /** Index of the model before. */
  readonly from: number;
  /** Index of the model after. */
  readonly to: number;
}

/** Every model of a list compared with every other, or with its neighbours. */
export interface SimilarityMatrix extends ResultInfo {
  /** Which kind of result it is. */
  readonly kind: 'matrix';
  /** Names of the models, in the order of rows and columns. */
  readonly labels: readonly string[];
  /** Where they came from, in the same order. */
  readonly sources?: readonly Source[];
  /**
   * What the order of the models rests on, where `tensim matrix` has put files in order; absent where the caller has.
   * Without any order no change from one model to the next is told.
   */
  readonly order?: Order | undefined;
  /**
   * Of models in no order: their numbers in the order of the leaves of their tree, where those that are alike stand next
   * to each other. Absent for a series, for fewer than three models, and where not every pair was compared.
   */
  readonly leaves?: readonly number[] | undefined;
  /** How far from the diagonal pairs were compared; null: all. Beyond it is NaN. */
  readonly window: number | null;
  /** Inner products. */
  readonly gram: Matrix;
  /**
   * There where inner products leave the range of normal doubles, and are ∞, or less exact or 0: log₂ of the norms.
   * Similarities are right all the same.
   */
  readonly beyondRange?: {
    /** log₂ of the norm of every model, −∞ for zero. */
    readonly log2Norms: Float64Array;
  };
  /** Similarities; the diagonal is exactly 1. */
  readonly cosine: Matrix;
  /** Standard errors of the similarities, where they were sampled; 0 on the diagonal. */
  readonly cosineError?: Matrix;
  /** The same output by output; with the option `perOutput`. */
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
  /** The same degree by degree; with the option `degrees`. */
  readonly degrees?: DegreesMatrix;
  /** For the measure `behavioural`. */
  readonly behaviour?: BehaviourMatrix;
  /** What was computed, and what was not. */
  readonly work: Work;
  /**
   * Cosine between two differences of models, `first.to − first.from` and `second.to − second.from`, from the Gram
   * matrix.
   * @throws TensimError `ZERO_NORM` if one of the differences is zero, or so small that its direction would be
   * rounding.
   */
  direction(first: Step, second: Step): number;
  /**
   * What a model differs by from a reference, by index, from the Gram matrix: its `fidelityError` is that of the model
   * as a stand-in for the reference. Models nearer than its `distanceResolution` are told apart by `similarity`. NaN
   * beyond the window.
   * @throws TensimError `INVALID_ARGUMENT` for an index that is not in the matrix.
   */
  difference(reference: number, model: number): PairDifference;
}

/** Models against others: what `rows`, `columns` and `reference` ask for. */
export interface CrossSimilarity extends ResultInfo {
  /** Which kind of result it is. */
  readonly kind: 'cross';
  /** Labels. */
  readonly rows: readonly string[];
  /** Labels. */
  readonly columns: readonly string[];
  /** Where the models of the rows came from. */
  readonly rowSources?: readonly Source[];
  /** Where those of the columns came from. */
  readonly columnSources?: readonly Source[];
  /** Inner products, (rows, columns). */
  readonly gram: Matrix;
  /** As in a square matrix. */
  readonly beyondRange?: {
    /** log₂ of `rowNorms`, −∞ for zero. */
    readonly log2RowNorms: Float64Array;
    /** log₂ of `columnNorms`. */
    readonly log2ColumnNorms: Float64Array;
  };
  /** Similarities, (rows, columns). */
  readonly cosine: Matrix;
  /** Standard errors of the similarities, where they were sampled. */
  readonly cosineError?: Matrix;
  /** ‖a‖ of every row and of every column. */
  readonly rowNorms: Float64Array;
  /** ‖b‖ of every column. */
  readonly columnNorms: Float64Array;
  /** The same output by output; with the option `perOutput`. */
  readonly perOutput?: {
    /** Output numbers as text, or tensor names for the `weights` measure. */
    readonly names: readonly string[];
    /** Inner products, one matrix per output. */
    readonly gram: readonly Matrix[];
    /** Similarities, one matrix per output; NaN where a slice is zero. */
    readonly cosine: readonly Matrix[];
    /** Standard errors per output, where it was sampled. */
    readonly cosineError?: readonly Matrix[];
  };
  /** The same degree by degree; with the option `degrees`. */
  readonly degrees?: DegreesMatrix;
  /** What was computed, and what was not. */
  readonly work: Work;
  /**
   * What the model of a row differs by from that of a column, which is the reference, from their inner products.
   * @throws TensimError `INVALID_ARGUMENT` for an index that is not in the matrix.
   */
  difference(row: number, column: number): PairDifference;
}
