import { sizeOf } from '../tensor/tensor.js';
import { byteCount } from '../words/counts.js';

/** One tensor of a checkpoint: what it is and where its data lie. */
export interface TensorEntry {
  /** As it stands in the file. */
  readonly name: string;
  /** Element type under its safetensors name, whatever the format: `F32`, `BF16`, `I64`, … */
  readonly dtype: string;
  /** Extents of its axes. */
  readonly shape: readonly number[];
  /** Size of its elements. */
  readonly bytes: number;
  /** Path of the file that holds it. */
  readonly file: string;
  /** Where its first element lies in that file, in bytes. */
  readonly offset: number;
  /**
   * Elements from one to the next along every axis, none negative and no two places the same; absent where they are
   * row-major.
   */
  readonly strides?: readonly number[];
  /** Absent where elements are little-endian. */
  readonly bigEndian?: boolean;
  /**
   * How many bytes it takes in the file where every byte from 128 on is written as the two of its character in UTF-8,
   * as in arrays that old pickles hold; else absent.
   */
  readonly encoded?: number;
  /** Absent where elements lie in the file as they are; else `offset` is where the compressed data begin. */
  readonly deflated?: Deflated;
}

/** Whether elements lie in the file as they are counted, so that a part of them can be read by itself. */
export function isPlain({ strides, encoded, deflated, shape, bytes }: TensorEntry): boolean {
  const width = bytes / sizeOf(shape);
  return strides === undefined && encoded === undefined && deflated === undefined && Number.isInteger(width);
}

/** The elements `from` … `to` − 1 of a plain one as a tensor of their own. */
export function partOfEntry(entry: TensorEntry, { from, to }: { readonly from: number; readonly to: number }) {
  const width = entry.bytes / sizeOf(entry.shape);
  return { ...entry, offset: entry.offset + from * width, shape: [to - from], bytes: (to - from) * width };
}

/** Data that are compressed by the method of ZIP archives. */
export interface Deflated {
  /** Size of the data as they lie in the file. */
  readonly stored: number;
  /** Size of what they unfold to. */
  readonly unfolded: number;
  /** How much of that stands before the first element. */
  readonly skipped: number;
  /** CRC-32 of what they unfold to. */
  readonly crc: number;
}

/**
 * What is accepted of a listing of tensors, in any format. It is far above what models need that can be compared, and
 * keeps the memory that a hostile file can claim below its size plus 64 MiB.
 */
export const LISTING_LIMITS = {
  /** Tensors in one checkpoint. */
  tensors: 65_536,
  /** Axes of one tensor. */
  rank: 32,
  /** Axes of all tensors together. */
  axes: 262_144,
  /** UTF-8 bytes of a tensor's name. */
  nameBytes: 1024,
  /** Entries of the metadata. */
  metadataEntries: 65_536,
  /** Bytes of all names and all metadata together. */
  textBytes: 8 * 1024 * 1024,
} as const;

/**
 * Why a tensor cannot have this name, or undefined. Invisible characters are refused: names are printed in terminals.
 */
export function nameProblem(name: string): string | undefined {
  if (name === '__metadata__' || name === '__proto__') return 'is reserved';
  if (Buffer.byteLength(name) > LISTING_LIMITS.nameBytes)
    return `is longer than ${byteCount(LISTING_LIMITS.nameBytes)}`;
  if (/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u.test(name)) return 'contains control characters';
  if (/\p{Surrogate}/u.test(name)) return 'contains half a surrogate pair';
  return undefined;
}

/** A record that inherits nothing, so that a look-up finds only what the file said. */
export function emptyMetadata(): Record<string, string> {
  return Object.create(null);
}
