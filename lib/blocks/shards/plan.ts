import { chooseBackend } from '../../machines/at_once.js';
import type { LayerBlocks } from '../../model/transformers/network.js';
import { plainly } from '../../similarity/terms/plain.js';
import { settleSeveral, withAll } from '../matrix.js';
import { methodsFor, settleBlocks } from '../settings.js';
import { checkShape } from '../walk.js';
import { cutBlocks } from './cut.js';
import { requireNetworks } from './networks.js';
import type { BlocksShardOptions, BlocksShardPlan } from './terms.js';
import { shareOf } from './units.js';

/**
 * How the layers of a comparison of blocks would be dealt to shards, from the headers of the files: nothing is computed.
 * Every machine deals the same files with the same options alike.
 *
 *     const { shards } = await blocksShardPlan(['base/', 'tuned/'], { count: 8 });
 *
 * @throws TensimError (rejects) as `blocksShard`
 */
export async function blocksShardPlan(
  paths: readonly string[],
  { count, matrix = false, ...options }: BlocksShardOptions & { readonly count: number },
): Promise<BlocksShardPlan> {
  const given = matrix ? settleSeveral(options) : settleBlocks(options);
  const networks = requireNetworks(paths, matrix);
  return withAll(networks, options, async (files) => {
    for (const file of files.slice(1)) checkShape(files[0], file);
    const methods = await methodsFor(files, given);
    const what = matrix ? 'matrix' : 'pair';
    const methodOf = ({ number }: LayerBlocks) => methods.get(number)!;
    const cut = cutBlocks({ what, files, methodOf }, count);
    const numbers = files[0].network.layers.map(({ number }) => number);
    const { name } = chooseBackend(given.backend, { contractions: { dtype: 'float64' } });
    return plainly<BlocksShardPlan>({
      kind: 'blocks-shards',
      ...{ what, networks, layers: numbers.length, backend: name },
      shards: Array.from({ length: count }, (_, at) => {
        const own = cut.filter(({ shard }) => shard === at + 1);
        const sum = (of: 'bytes' | 'seconds') => own.reduce((total, one) => total + one[of], 0);
        return {
          ...{ index: at + 1, count },
          ...shareOf(
            own.map(({ unit }) => unit),
            numbers,
          ),
          bytes: sum('bytes'),
          seconds: Number(sum('seconds').toPrecision(3)),
        };
      }),
    });
  });
}
