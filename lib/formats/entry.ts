import { TensimError } from '../errors.js';
import { sizeOf } from '../tensor/tensor.js';
import { byteCount } from '../words/counts.js';
import type { Quantised } from './quantised/quantised.js';

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
  /**
   * Of a weight that is decoded where it is read: how it is stored. `file` and `offset` are then those of the stored
   * tensor with most of it, and all else is of what it is decoded to.
   */
  readonly quantised?: Quantised;
  /** All of it is read for any part of it: its rows do not lie together. */
  readonly whole?: true;
}

/** @throws TensimError `INVALID_ARGUMENT` if a checkpoint has no tensor of this name */
export function entryNamed(
  { path, tensors }: { readonly path: string; readonly tensors: ReadonlyMap<string, TensorEntry> },
  name: string,
): TensorEntry {
  const entry = tensors.get(name);
  if (entry !== undefined) return entry;
  throw new TensimError('INVALID_ARGUMENT', `there is no tensor "${name}"`, {
    file: path,
    hint: 'The tensors it has are listed by "tensim inspect"',
  });
}

/** Entries as they lie in files, which are read in this order. */
export function inFileOrder(entries: readonly TensorEntry[], files: readonly string[]): TensorEntry[] {
  const places = new Map(files.map((file, place) => [file, place]));
  return [...entries].sort((a, b) => places.get(a.file)! - places.get(b.file)! || a.offset - b.offset);
}

/** Whether elements lie in the file as they are counted, so that a part of them can be read by itself. */
export function isPlain(entry: TensorEntry): boolean {
  return liesAsCounted(entry) && entry.whole !== true && Number.isInteger(entry.bytes / sizeOf(entry.shape));
}

/** The same, but that elements may be smaller than a byte, or lie in blocks: then whole bytes can be read of them. */
export function liesAsCounted({ strides, encoded, deflated }: TensorEntry): boolean {
  return strides === undefined && encoded === undefined && deflated === undefined;
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
