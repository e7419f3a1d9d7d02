/** How a sampled result came about. */
export interface Sampling {
  /** Random inputs that every model was evaluated on for the result. */
  readonly samples: number;
  /**
   * How many equal samples would carry the norm of a model as these do, the least of all models: where a few inputs
   * carry it, the standard errors are not to be relied on.
   */
  readonly effectiveSamples: number;
  /** Which random inputs: the option `seed`. */
  readonly seed: number;
  /** Half the width of the 95 % interval that was asked for. */
  readonly tolerance: number;
  /** Half the width of the widest 95 % interval of a similarity. */
  readonly interval: number;
  /**
   * Whether the interval is within the tolerance, and can be relied on: samples enough carry it, and what was not seen
   * is bounded by what was.
   */
  readonly reached: boolean;
  /** Whether these look like models of tokens, under a law of vectors: the law `tokens` may be what is wanted. */
  readonly tokenModels: boolean;
  /**
   * Where surrogates of the models were control variates (MATH.md section 15): functions of one block that vary as the
   * models do, and whose inner products are exact.
   */
  readonly surrogate?: {
    /** The variance of the similarities with them in parts of that without, on samples that decided about it. */
    readonly varianceRatio: number;
  };
}

/** Standard errors of what a comparison of two models says beside the similarity, where it was sampled. */
export interface SampledErrors {
  /** Standard error of `distance`. */
  readonly distanceError?: number;
  /** Standard error of `innerProduct`. */
  readonly innerProductError?: number;
  /** Standard error of `normA`. */
  readonly normAError?: number;
  /** Standard error of `normB`. */
  readonly normBError?: number;
}

/** How far the similarity of one output can be trusted, where it was sampled. */
export interface SampledSlice {
  /** As in `Sampling`, of this output. */
  readonly effectiveSamples?: number;
  /** Half the width of its 95 % interval. */
  readonly interval?: number;
  /**
   * Whether samples enough carry it to rely on the interval, however wide that is: the tolerance is for the similarity
   * in all.
   */
  readonly reached?: boolean;
}

/** What the method `auto` has weighed where the exact one takes long (MATH.md section 18). */
export interface Weighed {
  /** What the exact comparison is expected to take, in seconds of one thread of a machine of this class. */
  readonly exactSeconds: number;
  /** The same of sampling to the tolerance. */
  readonly sampledSeconds: number;
  /** The standard deviation of what one random input tells of a similarity, of a few; the largest of the pairs. */
  readonly deviation: number;
}
