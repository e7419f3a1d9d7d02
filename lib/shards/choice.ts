import { TensimError } from '../errors.js';
import type { ShardChoice } from './terms.js';

/** The most shards that anything is cut into. */
const MOST_SHARDS = 1 << 16;

/** @throws TensimError `INVALID_ARGUMENT` for a shard that is none. */
export function checkShard(shard: ShardChoice | undefined): ShardChoice {
  const { index, count } = shard ?? {};
  if (Number.isSafeInteger(index) && Number.isSafeInteger(count) && index! >= 1 && index! <= count!) return shard!;
  throw new TensimError('INVALID_ARGUMENT', `there is no shard ${index} of ${count}`, {
    hint: 'Shards are counted from 1 to their number',
  });
}

/**
 * @param what is cut
 * @throws TensimError `INVALID_ARGUMENT`
 */
export function checkCount(count: number, what: string): void {
  if (Number.isSafeInteger(count) && count >= 1 && count <= MOST_SHARDS) return;
  throw new TensimError('INVALID_ARGUMENT', `${what} is cut into 1 to ${MOST_SHARDS} shards`);
}

/** @throws TensimError `INVALID_ARGUMENT` for a shard that is kept nowhere. */
export function requireState(state: string | undefined): string {
  if (state !== undefined) return state;
  throw new TensimError('INVALID_ARGUMENT', 'a shard needs a state file to be kept in', {
    hint: 'Give every shard one of its own, such as part-3.state',
  });
}
