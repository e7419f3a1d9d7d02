import { Pacer } from '../cooperate.js';
import { TensimError } from '../errors.js';
import type { StampedCheckpoint } from '../formats/checkpoint.js';
import type { Tensors } from '../model/blueprint.js';
import { blockSettings } from '../model/reading/block_settings.js';
import { sorted, withoutIgnored } from '../model/reading/contents.js';
import { withCheckpoint } from '../model/reading/model_file.js';
import { namings } from '../model/reading/naming.js';
import type { ReadingOptions } from '../model/reading/source.js';
import { recogniseBlocks } from '../model/transformers/layouts/table.js';
import type { BlockNetwork } from '../model/transformers/network.js';
import { readPiece } from '../model/transformers/pieces.js';
import type { BlockSettings } from '../model/transformers/settings.js';
import type { Tensor } from '../tensor/tensor.js';
import type { PieceReader } from './parts/reader.js';

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
    const settings = await blockSettings(checkpoint, source);
    const contents = await sorted(withoutIgnored(checkpoint, source.ignore), checkpoint, signal);
    const { network, tensors } = understood(contents.tensors, settings);
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

/** By the names as they are written, or without what wrapped the network. */
function understood(all: Tensors, settings: BlockSettings): { network: BlockNetwork; tensors: Tensors } {
  for (const { tensors } of namings(all)) {
    const network = recogniseBlocks(tensors, settings);
    if (network !== undefined) return { network, tensors };
  }
  throw new TensimError('UNSUPPORTED_LAYER', 'is no transformer of a known layout', {
    file: settings.file,
    hint: 'See what it is with "tensim inspect"; whole networks are compared by "tensim compare"',
  });
}
