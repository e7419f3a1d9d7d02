import type { StampedCheckpoint, TensorEntry } from '../formats/checkpoint.js';
import { Companions } from '../formats/companions.js';
import { withCheckpoint } from '../model/reading/model_file.js';
import type { ReadingOptions } from '../model/reading/source.js';
import { allPieces, type BlockNetwork, type Piece } from '../model/transformers/network.js';
import type { BlockSettings } from '../model/transformers/settings.js';
import { KeptWeights } from './kept_weights.js';
import type { PieceReader } from './parts/reader.js';
import { understandBlocks } from './understand.js';

/** A transformer's file, open and understood; no weight of it is read yet. */
export interface BlockFile {
  /** As the caller gave it. */
  readonly path: string;
  readonly checkpoint: StampedCheckpoint;
  readonly network: BlockNetwork;
  readonly settings: BlockSettings;
  /** Of a tensor that is not kept all is read, and kept, or rows of it by themselves where they lie together. */
  readonly read: PieceReader;
  /** Takes back arrays that `read` has given and nobody reads any more: they are given again. */
  readonly done: (arrays: Iterable<Float64Array>) => void;
  /** Reads what these pieces are in, in the order of the files, and keeps it as it is stored until it is let go. */
  readonly keep: (pieces: Iterable<Piece>) => Promise<void>;
  readonly letGo: () => void;
  /** The bytes of the tensor that a piece is in, some at a time where it is not kept. */
  readonly stored: (piece: Piece) => AsyncIterable<Uint8Array>;
  /** Outputs and inputs of a piece, and what one of its elements takes in the file. */
  readonly extent: (piece: Piece) => readonly [outputs: number, inputs: number, bytes: number];
  /** What the checkpoint lists of the tensor that a piece is in. */
  readonly entryOf: (piece: Piece) => TensorEntry;
  /** The place of a piece in the files, to be put in order by. */
  readonly placeOf: (piece: Piece) => number;
}

/**
 * Opens a transformer's file for `use`, and closes it when that is done.
 * @throws TensimError as `withCheckpoint` and `networkOf`; `UNSUPPORTED_LAYER` for a network of no known layout
 */
export function withBlocks<Result>(
  path: string,
  options: ReadingOptions,
  use: (file: BlockFile) => Promise<Result>,
): Promise<Result> {
  return withCheckpoint(path, options, async (checkpoint, source) => {
    const { signal } = options;
    const companions = source.companions ?? new Companions();
    const { network, tensors, settings } = await understandBlocks(checkpoint, { ...source, companions }, signal);
    const weights = new KeptWeights(checkpoint, tensors, allPieces(network), signal);
    return use({
      ...{ path, checkpoint, network, settings },
      read: (piece, cut) => weights.read(piece, cut),
      done: (arrays) => weights.done(arrays),
      keep: (pieces) => weights.keep(pieces),
      letGo: () => weights.letGo(),
      stored: (piece) => weights.stored(piece),
      extent: (piece) => weights.extent(piece),
      entryOf: (piece) => weights.entryOf(piece),
      placeOf: (piece) => weights.placeOf(piece),
    });
  });
}
