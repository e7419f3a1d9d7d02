import type { TensorEntry } from '../entry.js';
import type { Quantised } from './quantised.js';

/**
 * A weight that is stored quantised: what it is made of, and how its rows are made of that. All axes but the last count
 * as rows, so that matrices of experts lie one below the other.
 */
export interface QuantisedWeight {
  /** Of the decoded tensor. */
  readonly name: string;
  /** Of the decoded tensor: (out, in), or (experts, out, in). */
  readonly shape: readonly number[];
  readonly quantised: Omit<Quantised, 'stored'>;
  /** The stored tensors, the first the one with most of the weight: the weight has its place. */
  readonly parts: readonly StoredPart[];
  /**
   * What makes rows of the bytes of the parts, in their order: those of all of a part, or of the rows that are asked for.
   * It yields wherever it may pause.
   */
  decoder(parts: readonly StoredBytes[]): Generator<void, RowDecoder>;
}

/** A stored tensor, and what of it rows of the weight are made of. */
export interface StoredPart {
  readonly entry: TensorEntry;
  /** Where a few rows of the weight need a few elements; absent where all of it is read for any row. */
  readonly byRows?: {
    /** Elements of it that lie together, … */
    readonly width: number;
    /** … for so many rows of the weight. Default: 1. */
    readonly rows?: number;
  };
}

/** The elements of a part that were read: row-major and little-endian. */
export interface StoredBytes {
  readonly entry: TensorEntry;
  readonly bytes: Uint8Array;
  /** How many elements of the part stand before the first of them. */
  readonly skipped: number;
}

/** Decodes the rows `from` … `to` − 1 into `into[at …]`, row-major. */
export type RowDecoder = (from: number, to: number, into: Float32Array, at: number) => void;
