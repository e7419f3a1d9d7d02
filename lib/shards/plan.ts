import type { ModelList } from '../similarity/matrix.js';
import { plainly } from '../similarity/terms/plain.js';
import { cutMatrix } from './cut_matrix.js';
import { pairsOf } from './grid.js';
import { sampledPlan } from './samples/plan.js';
import { placesIn } from './share.js';
import { isAlike } from './subject.js';
import type { PlannedShard, ShardOptions, ShardPlan } from './terms.js';

/**
 * How a similarity matrix would be cut into shards, from the headers of its files: nothing is computed. Every machine cuts
 * the same files with the same options alike.
 *
 *     const { shards } = await shardPlan('checkpoints/', { count: 8 });
 *
 * @throws TensimError (rejects) as `matrixShard`
 */
export async function shardPlan(
  models: ModelList,
  { count, ...options }: ShardOptions & { readonly count: number },
): Promise<ShardPlan> {
  const matrix = await cutMatrix(models, count, options);
  if (matrix.cut === null) return sampledPlan(matrix, count);
  const { subject, comparison, cut, pairs } = matrix;
  const { grid, starts, loads } = cut;
  const shards: PlannedShard[] = [];
  for (let shard = 0; shard < count; shard++) {
    const places = placesIn(cut, shard);
    let own = 0;
    for (let tile = starts[shard]; tile < starts[shard + 1]; tile++) own += pairsOf(grid, tile);
    shards.push({
      index: shard + 1,
      count,
      tiles: starts[shard + 1] - starts[shard],
      pairs: own,
      files: places.length,
      bytes: places.reduce((sum, place) => sum + subject.weights[place], 0),
      seconds: Number(loads[shard].toPrecision(3)),
    });
  }
  const { measure, route, backend } = comparison.info;
  return plainly({
    kind: 'shards' as const,
    ...{ models: subject.paths.length, pairs, measure, route, backend },
    ...{ alike: isAlike(subject.outlines), shards },
  });
}
