import { TensimError } from '../errors.js';
import { shardJson, shardPlanJson, shardPlanText, shardText } from '../report/shards.js';
import { shardFromEnvironment } from '../shards/environment.js';
import { shardPlan } from '../shards/plan.js';
import { matrixShard } from '../shards/shard.js';
import type { ShardChoice, ShardOptions } from '../shards/terms.js';
import { jsonText } from '../words/quoting.js';
import { fitted, type Io, print, say } from './io.js';
import { sweptRidges } from './law_options.js';
import { choiceOf, explainWork, type MatrixFlags, optionsFor, orderedPaths } from './matrix_options.js';
import { similarityOptions } from './options.js';
import type { Way } from './stopped.js';

/** `tensim matrix … --shard 3/8 --state part-3.state`, or its plan. */
export async function shard(
  patterns: readonly string[],
  flags: MatrixFlags,
  { reached, progress }: Way,
  io: Io,
): Promise<void> {
  checkAlone(flags);
  const choice = flags.plan ? undefined : chosen(flags, io);
  const { onProgress, ...given } = await similarityOptions(flags, io, progress);
  const { paths, order } = await orderedPaths(patterns, flags, io);
  const options: ShardOptions = {
    ...(await choiceOf(flags, paths, io)),
    ...optionsFor(flags.measure[0], flags, given),
    ...{ order, alike: flags.alike },
    onProgress: (at) => {
      if (at.phase === 'compare') Object.assign(reached, at);
      onProgress?.(at);
    },
  };
  if (choice === undefined) {
    const plan = await shardPlan(paths, { ...options, count: countOf(flags) });
    progress.stop();
    const text = flags.json ? `${jsonText(shardPlanJson(plan))}\n` : shardPlanText(plan, wordsOf(io));
    return print(io, [text]);
  }
  const result = await matrixShard(paths, { ...options, shard: choice, state: flags.state as string });
  progress.stop();
  explainWork({ ...result, same: [] }, flags, io);
  if (flags.json) await print(io, [`${jsonText(shardJson(result))}\n`]);
  else say(io, fitted(io, shardText(result)));
}

function checkAlone(flags: MatrixFlags): void {
  if (flags.measure.length > 1 || flags.blockAt !== undefined || sweptRidges(flags) !== undefined) {
    throw new TensimError('INVALID_ARGUMENT', 'shards are of one matrix', {
      reason: 'several measures, several ridges and --block-at put several together',
      hint: 'Give one measure and one ridge, in state files of its own',
    });
  }
  if (flags.out.length > 0) {
    throw new TensimError('INVALID_ARGUMENT', 'a shard has no report: it is a part of a matrix', {
      hint: 'Write reports where the parts are put together: tensim merge part-*.state --out report.html',
    });
  }
}

/** What any shard is asked for by. */
type ShardFlags = Pick<MatrixFlags, 'shard' | 'state'>;

/** Which shard is to be computed, into a file that is given. */
export function chosen({ shard: flag, state }: ShardFlags, io: Io): ShardChoice {
  const choice = flag === 'auto' ? shardFromEnvironment(io.env) : flag;
  if (choice !== undefined && isChoice(choice)) {
    if (state !== undefined) return choice;
    throw new TensimError('INVALID_ARGUMENT', 'a shard needs a state file to be kept in', {
      hint: `Give every shard one of its own: --state part-${choice.index}.state`,
    });
  }
  throw new TensimError('INVALID_ARGUMENT', 'it is not said which shard is to be computed', {
    reason: '--shard says only how many there are',
    hint: 'Say which: --shard 3/8; or --plan to see how they are cut',
  });
}

const isChoice = (flag: { readonly count: number }): flag is ShardChoice => 'index' in flag;

/** How many shards are planned. */
export function countOf({ shard: flag }: ShardFlags): number {
  if (flag !== undefined && flag !== 'auto') return flag.count;
  throw new TensimError('INVALID_ARGUMENT', 'a plan needs the number of shards', { hint: 'Give it: --shard 8 --plan' });
}

/** Options that every shard has its own of. */
const OWN = new Set(['--shard', '--state']);

/** The words of the command that all shards have in common. */
export function wordsOf({ words = [] }: Io): string[] {
  const kept: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at];
    if (OWN.has(word)) at++;
    else if (word !== '--plan' && word !== '--json' && !/^--(?:shard|state)=/.test(word)) kept.push(word);
  }
  return kept;
}
