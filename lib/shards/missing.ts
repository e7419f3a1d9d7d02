import { plural } from '../words/counts.js';
import { listedFew } from '../words/names.js';

/** Shards that an error names one by one. */
const MOST_NAMED = 12;

/**
 * Words for shards that are missing, and one of them.
 * @param missing numbers of shards, from 1.
 * @param there those of which there is a part.
 */
export function namedShards(missing: readonly number[], there: ReadonlySet<number>, count: number) {
  const inOrder = [...missing].sort((a, b) => a - b);
  const absent = inOrder.filter((shard) => !there.has(shard));
  const unfinished = inOrder.filter((shard) => there.has(shard));
  const said = (what: string, shards: readonly number[]) => {
    if (shards.length === 0) return [];
    return [`${plural(shards.length, 'shard')} ${listedFew(shards.map(String), MOST_NAMED)} of ${count} ${what}`];
  };
  const reason = [...said('not given', absent), ...said('not finished', unfinished)].join(', ');
  return { reason, example: [...absent, ...unfinished][0] };
}
