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
