/**
 * A number that may be out of the range of doubles: value · 2^exponent; the exponent is 0 wherever the value alone says
 * it.
 */
export interface ScaledNumber {
  /** The number, but for a power of two. */
  readonly value: number;
  /** That power. */
  readonly exponent: number;
}

/**
 * A matrix that is being computed, as far as it is known. Rows and columns are those of the result; what is asked of it
 * is answered as of now, and what is known does not change any more.
 *
 *     const onTile = ({ matrix, last }: FinishedTile) => draw(matrix.known / matrix.wanted, matrix.cosine(0, 1), last);
 *     await similarityMatrix(paths, { onTile });
 */
export interface LiveMatrix {
  /** Rows of the result. */
  readonly rows: number;
  /** Columns of the result. */
  readonly columns: number;
  /** Outputs (or tensors) that are compared beside the whole; 0 if that was not asked for. */
  readonly slices: number;
  /**
   * Inner products of different models, and of models with themselves, that are wanted, and how many of them are known.
   */
  readonly wanted: number;
  /** How many of them are known. */
  readonly known: number;
  /** Whether the inner product that stands in this cell is known; never for one outside of the window. */
  isKnown(row: number, column: number): boolean;
  /** The inner product of the whole, or of a slice from 0; undefined as long as it is not known. */
  product(row: number, column: number, slice?: number): ScaledNumber | undefined;
  /**
   * The similarity of the whole, or of a slice from 0, as the result will have it; undefined as long as it or one of
   * the norms is not known.
   */
  cosine(row: number, column: number, slice?: number): number | undefined;
}

/**
 * The rows and the columns of a result in which a model stands, several where it was given more than once; in a square
 * one both are the same.
 */
export interface ModelPlaces {
  /** Rows of the result, from 0. */
  readonly rows: readonly number[];
  /** Columns of the result, from 0. */
  readonly columns: readonly number[];
}
