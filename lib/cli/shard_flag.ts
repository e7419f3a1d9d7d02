import { InvalidArgumentError } from 'commander';
import type { ShardChoice } from '../shards/terms.js';

/** What `--shard` says: which of how many, only of how many for a plan, or that the environment knows. */
export type ShardFlag = ShardChoice | { readonly count: number } | 'auto';

export function parseShardFlag(text: string): ShardFlag {
  if (text === 'auto') return text;
  const [, index, count] = /^(?:(\d{1,6})\/)?(\d{1,6})$/.exec(text) ?? [];
  const shard = { ...(index !== undefined && { index: Number(index) }), count: Number(count) };
  const isSound = shard.count >= 1 && (shard.index === undefined || (shard.index >= 1 && shard.index <= shard.count));
  if (isSound) return shard;
  throw new InvalidArgumentError('It must be as 3/8 (the third of eight), auto, or with --plan 8.');
}
