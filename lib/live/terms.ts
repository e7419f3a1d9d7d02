import type { TensimError } from '../errors.js';
import type { Onset } from '../similarity/series/onset.js';
import type { MatrixOptions, SimilarityMatrix } from '../similarity/terms/types.js';

/** How a folder is watched: the options of a matrix of all its models, and when it is enough. */
export interface WatchOptions
  extends Omit<MatrixOptions, 'rows' | 'columns' | 'reference' | 'every' | 'steps' | 'onTile'> {
  /** Seconds that a file must be as it is before it is taken for written; default 1. */
  readonly settle?: number | undefined;
  /** Seconds between two looks at the folder, at most: network file systems tell of no changes. Default 1. */
  readonly poll?: number | undefined;
  /** Ends when all that is there is compared, and nothing is being written. Default false. */
  readonly once?: boolean | undefined;
  /** Ends when so many models are compared. */
  readonly until?: number | undefined;
  /** Ends when nothing has changed for so many seconds. */
  readonly idle?: number | undefined;
}

/** What happens in a folder that is watched. */
export type WatchEvent = WatchedFile | WatchedMatrix | WatchedOnset | WatchedFailure;

/** A file that takes no part. It is tried again when it changes. */
export interface WatchedFile {
  /** Which event it is. */
  readonly kind: 'file';
  /** Path. */
  readonly file: string;
  /** Cut short or damaged for longer than writing takes; a file that holds no model; or one that cannot be compared. */
  readonly state: 'incomplete' | 'no model' | 'refused';
  /** In one clause. */
  readonly why: string;
}

/** All models that are whole have been compared. */
export interface WatchedMatrix {
  /** Which event it is. */
  readonly kind: 'matrix';
  /** Of all models that are there, in the order of the series: what `similarityMatrix` gives, to the bit. */
  readonly matrix: SimilarityMatrix;
  /** Places in the matrix of models that were not in the one before, or were others. */
  readonly added: readonly number[];
  /** Paths of those that are no longer there. */
  readonly removed: readonly string[];
  /** Whether these models were there, and long written, when the watch began. */
  readonly beforehand: boolean;
}

/** The change that stands out is another than before. Told once for the same two models, before the matrix that it is in. */
export interface WatchedOnset {
  /** Which event it is. */
  readonly kind: 'onset';
  /** Where in the matrix, and how far it stands out. */
  readonly onset: Onset;
  /** Label of the model before the change. */
  readonly from: string;
  /** Label of the model after it. */
  readonly to: string;
}

/** The models that are there cannot be compared; it is tried again when there are others. */
export interface WatchedFailure {
  /** Which event it is. */
  readonly kind: 'failed';
  /** Why. */
  readonly error: TensimError;
}
