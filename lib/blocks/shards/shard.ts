import { checkShard, requireState } from '../../shards/choice.js';
import type { ShardChoice } from '../../shards/terms.js';
import { plainly } from '../../similarity/terms/plain.js';
import type { BlockComparison, End } from '../comparison.js';
import { LayerLog } from '../layer_log.js';
import { withNetworks } from '../matrix.js';
import { withPair } from '../pair.js';
import { unweighedMlps } from '../settings.js';
import type { WeightComparison } from '../terms.js';
import { contentsOf, walkLayers } from '../walk.js';
import { partOf } from './costs.js';
import { cutBlocks } from './cut.js';
import { networkDigest } from './digest.js';
import { digestOfCommon, headerKey, headerOf, unitKey } from './header.js';
import { requireNetworks } from './networks.js';
import type { BlocksShardOptions, BlocksShardResult, OtherPart } from './terms.js';
import { isStep, shareOf } from './units.js';

/** What a shard says of a unit that it has finished. */
export interface FinishedUnit {
  /** What it was found under. */
  readonly key: string;
  /** What it was made of in every network. */
  readonly contents: readonly string[];
  /** Of a layer, what its laws are made of, where that is in files. */
  readonly law?: string;
}

/**
 * Computes some layers of a comparison of blocks into a state file of their own, on any machine: `mergeBlocksShards` puts
 * the parts together, to the bits of one run of `similarityOfBlocks` or, with `matrix`, of `blockMatrix`. Layers are dealt
 * by what they are expected to cost, from the headers of all files; a shard reads the tensors of its layers, and one of
 * them all of a network, for the digest of its files. Run again, it goes on from its state file.
 *
 *     await blocksShard(['base/', 'tuned/'], { shard: { index: 3, count: 8 }, state: 'part-3.state' });
 *
 * @param paths of two networks, or with `matrix` of any number; the same for every shard
 * @throws TensimError (rejects) as `similarityOfBlocks`; `INVALID_ARGUMENT` for a shard that is none, or without a state
 * file
 */
export async function blocksShard(
  paths: readonly string[],
  { shard, matrix = false, ...options }: BlocksShardOptions & { readonly shard: ShardChoice; readonly state: string },
): Promise<BlocksShardResult> {
  const { index, count } = checkShard(shard);
  const state = requireState(options.state);
  const networks = requireNetworks(paths, matrix);
  const use = (comparison: BlockComparison) => compute(comparison, { index, count }, { ...options, state });
  return matrix
    ? withNetworks(networks, options, use, unweighedMlps)
    : withPair(networks[0], networks[1], options, use, unweighedMlps);
}

async function compute(
  comparison: BlockComparison,
  shard: ShardChoice,
  { state, signal, onProgress }: BlocksShardOptions & { readonly state: string },
): Promise<BlocksShardResult> {
  const { what, files, laws, ends, rotation, backend } = comparison;
  const cut = cutBlocks(comparison, shard.count);
  const units = cut.map((one) => [one.unit, one.shard] as const);
  const header = await headerOf(comparison, units, shard);
  const own = units.flatMap(([unit, owner]) => (owner === shard.index ? [unit] : []));
  const common = digestOfCommon(header);
  const log = await LayerLog.open(state);
  try {
    await log.note(headerKey(shard.index, shard.count), header);
    const finish = (unit: (typeof own)[number], finished: FinishedUnit) => log.note(unitKey(common, unit), finished);
    const others = async (part: OtherPart, find: () => Promise<object>) => {
      const contents = await contentsOf(
        files,
        files.map((file) => partOf(file, part)),
      );
      const key = JSON.stringify([header.common.setting, part, rotation?.digest, contents]);
      await log.layer(key, find);
      await finish(part, { key, contents });
    };
    const endOf = (end: End) => others(end, async () => foundAt(await ends!.of(end)));
    const { layers } = files[0].network;
    const onKept = async (place: number, key: string, contents: readonly string[]) => {
      const law = await laws.contentOf?.(layers[place].number);
      await finish(place, { key, contents, ...(law !== undefined && { law }) });
    };
    await walkLayers(comparison, { steps: own.filter(isStep), endOf, log, onKept, onProgress, signal });
    if (own.includes('norms')) await others('norms', async () => ({ norms: await ends!.norms() }));
    for (const unit of own)
      if (typeof unit === 'object')
        await log.note(unitKey(common, unit), await networkDigest(comparison, unit.digest, signal));
    return plainly<BlocksShardResult>({
      kind: 'blocks-shard',
      ...{ shard, state, what, networks: files.length, total: layers.length },
      ...shareOf(own, header.common.numbers),
      ...{ reused: log.reused, discarded: log.discarded, backend },
    });
  } finally {
    await log.close();
  }
}

/** What is kept of an end, that of which one network has none too. */
const foundAt = (compared: WeightComparison | undefined): object => (compared === undefined ? {} : { compared });
