import { type Command, InvalidArgumentError, Option } from 'commander';
import { TensimError } from '../errors.js';
import { largest, smallest } from '../extremes.js';
import { labelsOf } from '../model/labels.js';
import type { Order } from '../model/reading/order.js';
import { expandInOrder } from '../model/reading/paths.js';
import type { ReadingOptions } from '../model/reading/source.js';
import { sameSentences } from '../report/same.js';
import { stepsOf } from '../similarity/members/selection.js';
import type { MatrixOptions, Measure, SimilarityOptions, Work } from '../similarity/terms/types.js';
import { bytesText } from '../words/bytes.js';
import { count } from '../words/counts.js';
import { listed } from '../words/names.js';
import { oneLine } from '../words/quoting.js';
import { type Io, say } from './io.js';
import { type ComparisonFlags, configOf, parseSize } from './options.js';
import { parseShardFlag, type ShardFlag } from './shard_flag.js';
import { addWorkersOptions } from './workers.js';

/** Files that are passed over for one reason are named one by one up to so many. */
const MOST_NAMED = 4;

/** The options of `matrix` as commander parses them. */
export interface MatrixFlags extends Omit<ComparisonFlags, 'measure'> {
  readonly measure: readonly Measure[];
  readonly rows?: readonly string[];
  readonly against?: readonly string[];
  readonly reference?: string;
  readonly window?: number;
  readonly consecutive?: boolean;
  readonly every?: number;
  readonly steps?: NonNullable<MatrixOptions['steps']>;
  readonly memoryLimit?: number;
  readonly state?: string;
  readonly blockAt?: string;
  readonly queue?: string;
  readonly mixed?: boolean;
  readonly results?: string;
  readonly tileSeconds?: number;
  readonly series?: boolean;
  readonly set?: boolean;
  readonly shard?: ShardFlag;
  readonly plan?: boolean;
  readonly alike?: boolean;
}

export function addMatrixOptions(command: Command): Command {
  return addWorkersOptions(command)
    .option('--rows <models...>', 'compare only these with the others: labels or files')
    .option('--against <models...>', 'compare with these instead of with each other: labels, files, folders, patterns')
    .option('--reference <model>', 'compare with this one only: a label or a file')
    .option('--window <count>', 'compare each with so many before and after it only', parseCount)
    .option('--consecutive', 'compare each with the next only')
    .option('--every <count>', 'take every n-th file only', parseCount)
    .option('--steps <list>', 'take the files of these training steps only: 0,200,1000-4000', parseSteps)
    .addOption(
      new Option('--series', 'the models are a series: tell the changes from one to the next').conflicts('set'),
    )
    .option('--set', 'the models are a set, in no order: tell no changes from one to the next')
    .option('--memory-limit <size>', 'for prepared models: 512MiB, 2GB; others are read again', parseSize)
    .option('--state <file>', 'keep what is finished in this file, and compute only what is not in it')
    .option(
      '--shard <i/n>',
      'compute only the i-th of n parts into --state; auto: as the scheduler says',
      parseShardFlag,
    )
    .option('--plan', 'compute nothing: tell how --shard n cuts, and what starts the shards')
    .option('--alike', 'all models are of the sizes of the first: of others a shard opens only those it compares')
    .option('--block-at <step>', 'score how clearly each measure changes where this model begins: its label or step');
}

/** A whole number from 1. */
export function parseCount(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : 0;
  if (value >= 1 && Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError('It must be a whole number from 1.');
}

function parseSteps(text: string): NonNullable<MatrixOptions['steps']> {
  return text.split(',').map((part) => {
    const [, from, to] = /^(\d+)(?:-(\d+))?$/.exec(part.trim()) ?? [];
    if (from === undefined) throw new InvalidArgumentError('It must be numbers and ranges such as 0,200,1000-4000.');
    return to === undefined ? Number(from) : ([Number(from), Number(to)] as const);
  });
}

/** What is compared with what, of the files of the command. */
export async function choiceOf(flags: MatrixFlags, paths: readonly string[], io: Io): Promise<MatrixOptions> {
  const { rows, against, reference, window, consecutive, every, steps, memoryLimit, state, model, key, ignore } = flags;
  const load = { model, config: configOf(flags), key, ignore };
  const named = (models: readonly string[]) => modelsNamed(models, paths, load, io);
  return {
    ...(rows && { rows: await named(rows) }),
    ...(against && { columns: await named(against) }),
    ...(reference !== undefined && { columns: await named([reference]) }),
    window,
    consecutive,
    every,
    steps,
    memoryLimit,
    state,
    load,
  };
}

/**
 * Makes sure that every step, and every range of steps, that was asked for is one of some model.
 * @throws TensimError `INVALID_ARGUMENT` naming the steps that are nearest
 */
export async function checkSteps(
  { steps, key }: Pick<MatrixFlags, 'steps' | 'key'>,
  paths: readonly string[],
  { signal }: Io,
): Promise<void> {
  if (steps === undefined) return;
  const own = await stepsOf(paths, { signal, key });
  for (const wanted of steps) {
    const [from, to] = typeof wanted === 'number' ? [wanted, wanted] : wanted;
    if (own.some((step) => from <= step && step <= to)) continue;
    const what = from === to ? `no model is of step ${from}` : `no model is of a step from ${from} to ${to}`;
    const below = own.filter((step) => step < from);
    const above = own.filter((step) => step > to);
    const nearest = [...(below.length > 0 ? [largest(below)] : []), ...(above.length > 0 ? [smallest(above)] : [])];
    const hint = `${nearest.length > 1 ? 'The nearest are' : 'The nearest is'} ${listed(nearest.map(String), 'and')}`;
    throw new TensimError('INVALID_ARGUMENT', what, { hint });
  }
}

/**
 * The models of the command in their order; by hand they are a set, or a series: files that nothing puts in an order
 * then stand as they were given.
 */
export async function orderedPaths(
  patterns: readonly string[],
  flags: MatrixFlags,
  io: Io,
): Promise<{ readonly paths: readonly string[]; readonly order: Order }> {
  const unknown = flags.measure.every((measure) => measure === 'weights') ? 'parameters' : 'refuse';
  const { paths, order } = await modelPaths(patterns, { ...flags, config: configOf(flags), unknown }, io);
  if (flags.set) return { paths, order: { by: 'set', why: 'said' } };
  if (!flags.series || order.by === 'metadata' || order.by === 'names') return { paths, order };
  const areGiven = patterns.length === paths.length && patterns.every((pattern) => paths.includes(pattern));
  return { paths: areGiven ? patterns : paths, order: { by: 'said' } };
}

/** The models that paths, folders and patterns stand for; files there that are none are named on stderr. */
export async function modelPaths(
  patterns: readonly string[],
  { model, config, key, ignore, unknown }: ReadingOptions,
  io: Io,
): ReturnType<typeof expandInOrder> {
  const skipped = new Map<string, string[]>();
  const onSkipped = (path: string, why: string) => skipped.set(why, [...(skipped.get(why) ?? []), oneLine(path)]);
  const found = await expandInOrder(patterns, { model, config, key, ignore, unknown, onSkipped, signal: io.signal });
  for (const [why, paths] of skipped) {
    const lines =
      paths.length <= MOST_NAMED
        ? paths
        : [`${count(paths.length)} files: ${paths.slice(0, MOST_NAMED - 1).join(', ')} … ${paths.at(-1)}`];
    for (const line of lines) say(io, `passed over, no model: ${line} (${why})\n`);
  }
  return found;
}

/** Files of the command by their labels, and any others by their paths. */
async function modelsNamed(
  names: readonly string[],
  paths: readonly string[],
  reading: ReadingOptions,
  io: Io,
): Promise<string[]> {
  const byLabel = new Map(labelsOf(paths).map((label, i) => [label, paths[i]]));
  const found: string[] = [];
  for (const name of names) {
    const listed = byLabel.get(name);
    const paths = listed === undefined ? (await modelPaths([name], reading, io)).paths : [listed];
    for (const path of paths) found.push(path);
  }
  return found;
}

/**
 * The options that a measure has, of those given for several at once. A measure alone gets all of them, and says which
 * it has not.
 */
export function optionsFor(
  measure: Measure,
  { measure: measures }: MatrixFlags,
  options: SimilarityOptions,
): SimilarityOptions {
  if (measures.length === 1) return { ...options, measure };
  const { inputs, method, route, perOutput, degrees, ...common } = options;
  const hasInputs = measures.includes('behavioural') ? measure === 'behavioural' : true;
  return {
    ...common,
    measure,
    ...(hasInputs && inputs !== undefined && { inputs }),
    ...(measure === 'gaussian' && { method, degrees }),
    ...((measure === 'gaussian' || measure === 'tensor') && { route }),
    ...(measure !== 'behavioural' && { perOutput }),
  };
}

/** What is worth saying about the work that was done, on stderr. */
export function explainWork(work: Work, { state, verbose }: MatrixFlags, io: Io): void {
  const { pairs, reused, prepared, same, discarded } = work;
  for (const sentence of sameSentences(same)) say(io, `${sentence}\n`);
  if (discarded > 0) {
    say(
      io,
      `${oneLine(state ?? '')}: the last ${bytesText(discarded)} were damaged or incomplete, and what was in them was computed again\n`,
    );
  }
  if (!verbose) return;
  const kept = state === undefined ? '' : `, ${count(reused)} of them found in the state file`;
  say(io, `${count(pairs)} pairs${kept}; models prepared ${count(prepared)} times\n`);
}
