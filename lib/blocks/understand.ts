import { dirname, join } from 'node:path';
import { TensimError } from '../errors.js';
import type { StampedCheckpoint } from '../formats/checkpoint.js';
import type { Companions } from '../formats/companions.js';
import type { Tensors } from '../model/blueprint.js';
import { blockSources } from '../model/reading/block_settings.js';
import { sorted, withoutIgnored } from '../model/reading/contents.js';
import { namings } from '../model/reading/naming.js';
import { type ModelSource, readOwnDescription } from '../model/reading/source.js';
import type { DescribedBlocks } from '../model/transformers/described.js';
import { describedNetwork } from '../model/transformers/described_network.js';
import { recogniseBlocks } from '../model/transformers/layouts/table.js';
import type { BlockNetwork } from '../model/transformers/network.js';
import { BlockSettings } from '../model/transformers/settings.js';

type Understood = ModelSource & { readonly companions: Companions };

/** A transformer as its blocks are found, and what was said of it. */
interface UnderstoodBlocks {
  readonly network: BlockNetwork;
  /** By their names in the network. */
  readonly tensors: Tensors;
  readonly settings: BlockSettings;
}

/**
 * What an open checkpoint has as blocks. In this order: the description that the caller gave; a known layout, by the
 * tensors' names as they are written, or without what wrapped the network; a model.json of ours beside the checkpoint.
 * @throws TensimError as `networkOf`; what is the matter with quantised weights that cannot be decoded;
 * `UNSUPPORTED_LAYER` for a network of which none of them knows the blocks
 */
export async function understandBlocks(
  checkpoint: StampedCheckpoint,
  source: Understood,
  signal: AbortSignal | undefined,
): Promise<UnderstoodBlocks> {
  const { description, companions, ignore = [] } = source;
  if (checkpoint.spoilt !== undefined) throw checkpoint.spoilt;
  const { given, found } = await blockSources(checkpoint, source);
  const contents = async (more: readonly string[] = []) =>
    (await sorted(withoutIgnored(checkpoint, [...ignore, ...more]), checkpoint, signal)).tensors;
  const described = async (blocks: DescribedBlocks, ignored: readonly string[]): Promise<UnderstoodBlocks> => {
    const settings = new BlockSettings(checkpoint.path, [...given, blocks.settings, ...found]);
    const tensors = await contents(ignored);
    return { network: describedNetwork(blocks, tensors, settings), tensors, settings };
  };
  if (description?.blocks !== undefined) return described(description.blocks, description.ignore);
  const settings = new BlockSettings(checkpoint.path, [...given, ...found]);
  for (const { tensors } of namings(await contents())) {
    const network = recogniseBlocks(tensors, settings);
    if (network !== undefined) return { network, tensors, settings };
  }
  const beside = await readOwnDescription(join(dirname(checkpoint.path), 'model.json'), companions);
  if (beside?.blocks !== undefined) return described(beside.blocks, beside.ignore);
  throw new TensimError('UNSUPPORTED_LAYER', 'is no transformer of a known layout', {
    file: settings.file,
    hint: 'Say where its blocks are in a model.json ("blocks", docs/guide/blocks.md); whole networks are compared by "tensim compare"',
  });
}
