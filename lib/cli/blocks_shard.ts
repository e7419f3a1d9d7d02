import { blocksShardPlan } from '../blocks/shards/plan.js';
import { blocksShard } from '../blocks/shards/shard.js';
import type { BlockOptions } from '../blocks/terms.js';
import { TensimError } from '../errors.js';
import {
  blocksShardJson,
  blocksShardPlanJson,
  blocksShardPlanText,
  blocksShardText as textOf,
} from '../report/blocks/shards.js';
import { jsonText } from '../words/quoting.js';
import type { BlockFlags } from './block_options.js';
import { fitted, type Io, say } from './io.js';
import { sweptRidges } from './law_options.js';
import { chosen, countOf, wordsOf } from './shard.js';

/** `tensim blocks … --shard 3/8 --state part-3.state`, or its plan: what is to be printed. */
export async function blocksShardOutput(
  paths: readonly string[],
  options: BlockOptions,
  flags: BlockFlags,
  { io, ended }: { readonly io: Io; readonly ended: () => void },
): Promise<string[]> {
  checkAlone(flags);
  const { matrix, json, plan } = flags;
  if (plan) {
    const found = await blocksShardPlan(paths, { ...options, matrix, count: countOf(flags) });
    ended();
    return [json ? `${jsonText(blocksShardPlanJson(found))}\n` : blocksShardPlanText(found, wordsOf(io))];
  }
  const shard = chosen(flags, io);
  const result = await blocksShard(paths, { ...options, matrix, shard, state: flags.state as string });
  ended();
  if (json) return [`${jsonText(blocksShardJson(result))}\n`];
  say(io, fitted(io, textOf(result)));
  return [];
}

function checkAlone(flags: BlockFlags): void {
  if (sweptRidges(flags) !== undefined)
    throw new TensimError('INVALID_ARGUMENT', 'shards are of one comparison, and a sweep over ridges is of several', {
      hint: 'Give one ridge, and every ridge state files of its own',
    });
  if (flags.out.length > 0)
    throw new TensimError('INVALID_ARGUMENT', 'a shard has no report: it is a part of a comparison', {
      hint: 'Write reports where the parts are put together: tensim merge part-*.state --out strip.html',
    });
}
