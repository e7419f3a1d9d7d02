import { shareText } from '../../blocks/shards/missing.js';
import type { BlocksShardPlan, BlocksShardResult } from '../../blocks/shards/terms.js';
import { bytesText } from '../../words/bytes.js';
import { count, plural } from '../../words/counts.js';
import { SCHEMAS } from '../schemas.js';
import { hasOption, startLines } from '../shards.js';

/** The plan of shards of blocks as plain data, the contract `tensim.blocks-shards/1`. */
export function blocksShardPlanJson({ kind: _, ...plan }: BlocksShardPlan): Record<string, unknown> {
  return { schema: SCHEMAS.blocksShards, ...plan };
}

/** A finished shard of blocks as plain data, the contract `tensim.blocks-shard/1`. */
export function blocksShardJson({ kind: _, ...result }: BlocksShardResult): Record<string, unknown> {
  return { schema: SCHEMAS.blocksShard, ...result };
}

/** What there is to say of a finished shard, in a line. */
export function blocksShardText({ shard, total, state, reused, ...share }: BlocksShardResult): string {
  const kept = reused > 0 ? `, ${count(reused)} of them found there` : '';
  return `shard ${shard.index} of ${shard.count}: ${shareText(share)}, of ${count(total)} ${plural(total, 'layer')}, in ${state}${kept}\n`;
}

/** Shards that a table names one by one. */
const MOST_LINES = 40;

/**
 * How layers are dealt, and what starts the shards.
 * @param given the words of the command, without those that say which shard, and what is printed.
 */
export function blocksShardPlanText(plan: BlocksShardPlan, given: readonly string[]): string {
  const { what, shards, layers, networks, backend } = plan;
  const lines = [
    `${count(networks.length)} networks of ${count(layers)} ${plural(layers, 'layer')}, on the backend "${backend}"`,
    `${count(shards.length)} ${plural(shards.length, 'shard')}; seconds are of one thread, roughly`,
    '',
    '  shard       bytes     seconds  parts',
  ];
  for (const { index, bytes, seconds, ...share } of shards.slice(0, MOST_LINES)) {
    const cells = [String(index).padStart(7), bytesText(bytes).padStart(11), String(seconds).padStart(11)];
    lines.push(`${cells.join(' ')}  ${shareText(share)}`);
  }
  if (shards.length > MOST_LINES) lines.push(`  … and ${count(shards.length - MOST_LINES)} more`);
  const pinned = [...given, ...(hasOption(given, '--backend') ? [] : ['--backend', backend])];
  return `${lines.join('\n')}\n\n${startLines(shards.length, pinned, what === 'pair' ? 'strip.html' : 'blocks.csv')}`;
}
