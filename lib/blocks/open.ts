import { Pacer } from '../cooperate.js';
import type { StampedCheckpoint } from '../formats/checkpoint.js';
import { Companions } from '../formats/companions.js';
import { withCheckpoint } from '../model/reading/model_file.js';
import type { ReadingOptions } from '../model/reading/source.js';
import type { BlockNetwork } from '../model/transformers/network.js';
import { readPiece } from '../model/transformers/pieces.js';
import type { BlockSettings } from '../model/transformers/settings.js';
import type { Tensor } from '../tensor/tensor.js';
import type { PieceReader } from './parts/reader.js';
import { understandBlocks } from './understand.js';

/** A transformer's file, open and understood; no weight of it is read yet. */
export interface BlockFile {
  /** As the caller gave it. */
  readonly path: string;
  readonly checkpoint: StampedCheckpoint;
  readonly network: BlockNetwork;
  readonly settings: BlockSettings;
  /** Tensors that were read are kept, as several pieces may be of one, until they are let go. */
  readonly read: PieceReader;
  readonly letGo: () => void;
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
    const pacer = new Pacer(signal);
    const kept = new Map<string, Tensor>();
    const read: PieceReader = async (piece) => {
      const { name } = tensors.get(piece.tensor)!;
      const tensor = kept.get(name) ?? (await checkpoint.read(name, signal));
      kept.set(name, tensor);
      return readPiece(piece, tensor, pacer);
    };
    return use({ path, checkpoint, network, settings, read, letGo: () => kept.clear() });
  });
}
