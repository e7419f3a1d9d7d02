import type { GramRoute } from '../../backend/grams.js';

/** Where a model came from: what its provenance says of its file. Empty for a model made of arrays. */
export interface Source {
  /** Path as given. */
  readonly file?: string;
  /** The commit, for a file from the Hugging Face Hub. */
  readonly revision?: string;
  /** Where in its file it is, where that was asked for. */
  readonly key?: string;
  /** Hex digest of the file's bytes. */
  readonly sha256?: string;
}

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

/**
 * What one route to the Gram matrix was expected to take (see `GramRoute`); the cheapest that fits the memory is
 * chosen, by rates of a class of machines and not of this one. Only ratios of the seconds are meant to be relied on.
 */
export interface RouteEstimate {
  /** Which route. */
  readonly route: GramRoute;
  /** Floating-point operations, preparation and pairs together. */
  readonly flops: number;
  /** Bytes moved between main memory and the processor, and the cost of new memory in such bytes. */
  readonly bytes: number;
  /** Expected time, preparation and pairs together. */
  readonly seconds: number;
  /** Bytes of all prepared models together. */
  readonly memory: number;
}
