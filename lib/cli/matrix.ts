import type { Command } from 'commander';
import { TensimError } from '../errors.js';
import type { LiveFeed } from '../live/feed.js';
import { crossJsonText, matrixJsonText, measuresJsonText } from '../report/json.js';
import { shortenLabels } from '../report/labels.js';
import { crossText, matrixText, measuresText } from '../report/matrix_text.js';
import { hasOrder, orderSentence } from '../report/order.js';
import { phaseWords } from '../report/phases.js';
import { ridgeJsonText } from '../report/ridge/json.js';
import { ridgeText } from '../report/ridge/text.js';
import { clusteredSet, setOf } from '../report/set.js';
import type { Report } from '../report/write.js';
import type { Begun, Watched } from '../similarity/circumstances.js';
import { matrixUnder } from '../similarity/matrix.js';
import { compareMeasures } from '../similarity/series/measure_comparison.js';
import { onset } from '../similarity/series/onset.js';
import { type RidgeSweep, ridgeSweep } from '../similarity/series/ridge_sweep.js';
import type { CrossSimilarity, InputLaw, MatrixOptions, SimilarityMatrix } from '../similarity/terms/types.js';
import { listed } from '../words/names.js';
import { ABOUT } from './about.js';
import { fitted, type Io, print, say } from './io.js';
import { lawOf, momentsIn, sweptRidges, withoutSweep } from './law_options.js';
import {
  addMatrixOptions,
  checkSteps,
  choiceOf,
  explainWork,
  type MatrixFlags,
  optionsFor,
  orderedPaths,
} from './matrix_options.js';
import {
  addComparisonOptions,
  checkOutputs,
  explainRoute,
  measuresOption,
  similarityOptions,
  textOptions,
  writeOutputs,
} from './options.js';
import { addServingOptions, type ServingFlags, whileServed } from './serving.js';
import { stoppable, type Way } from './stopped.js';
import { checkNoWorkers, matrixWithQueue } from './workers.js';

const EXAMPLES = `
Files are put in order by how far their training was, where all of them say it under one name (the metadata or a number named step,
global_step, iteration, epoch …), or else by the numbers in their names.

Examples:
  $ tensim matrix checkpoints/ --per-output --out report.html
  $ tensim matrix "runs/*/final.safetensors" --measure tensor
  $ tensim matrix checkpoints/ --measure gaussian,weights --block-at 6200 --out report.html
  $ tensim matrix run/ --state run.state --memory-limit 2GB
  $ tensim matrix run/ --shard 8 --plan
  $ tensim matrix run/ --shard 3/8 --state part-3.state
  $ tensim matrix run/ --queue redis://10.0.0.5:6379/0 --state run.state
  $ tensim matrix run_a/ --against run_b/ --out gram.npy
  $ tensim matrix step_*.safetensors --json > matrix.json`;

/** `tensim matrix FILES…` */
export function addMatrix(program: Command, io: Io): void {
  const command = program
    .command('matrix')
    .description(ABOUT.matrix.does)
    .argument('<files...>', 'files, folders and quoted patterns')
    .addHelpText('after', EXAMPLES);
  addServingOptions(
    addMatrixOptions(addComparisonOptions(command, measuresOption())).option(
      '--serve',
      'follow it on a live page on this machine, which stays until Ctrl-C',
    ),
  ).action((files: string[], flags: ServedFlags) => matrix(files, flags, io));
}

interface ServedFlags extends MatrixFlags, ServingFlags {}

/** A computation under way: how far it is, and who is told. */
interface UnderWay extends Way {
  readonly feed: LiveFeed | undefined;
  readonly io: Io;
}

async function matrix(patterns: string[], flags: ServedFlags, io: Io): Promise<void> {
  await checkOutputs(flags.out);
  if (flags.shard !== undefined || flags.plan) return matrixShardOf(patterns, flags, io);
  await whileServed(listed(patterns, 'and'), flags, io, (feed) =>
    stoppable('pairs', flags.state, io, async (way) => {
      const report = await computed(patterns, flags, { ...way, feed, io });
      way.progress.stop();
      feed?.report(report);
      await writeOutputs(report, flags.out, io);
      await print(io, await matrixOutput(report, flags.json === true, io));
    }),
  );
}

async function matrixShardOf(patterns: readonly string[], flags: ServedFlags, io: Io): Promise<void> {
  if (flags.serve || flags.open || flags.queue !== undefined) {
    throw new TensimError('INVALID_ARGUMENT', 'a shard has no page and no queue: it is a part of a matrix', {
      hint: 'Leave --serve, --open and --queue away',
    });
  }
  const { shard } = await import('./shard.js');
  await stoppable('pairs', flags.state, io, (way) => shard(patterns, flags, way, io));
}

/** The result of all measures, or of all ridges. */
async function computed(patterns: readonly string[], flags: ServedFlags, way: UnderWay): Promise<MatrixReport> {
  const ridges = sweptRidges(flags);
  if (ridges !== undefined) return sweepOf(ridges, patterns, flags, way);
  const { progress, io } = way;
  const results = await compute(patterns, flags, way);
  progress.stop();
  for (const result of results) explainRoute(result, flags, io);
  for (const { work } of results) explainWork(work, flags, io);
  for (const result of results.slice(0, 1)) if (result.kind === 'matrix') warnOfOrder(result, io);
  return together(results, flags);
}

/** One measure under every ridge. */
async function sweepOf(
  ridges: readonly number[],
  patterns: readonly string[],
  flags: MatrixFlags,
  way: UnderWay,
): Promise<RidgeSweep<SimilarityMatrix | CrossSimilarity>> {
  if (flags.measure.length > 1 || flags.blockAt !== undefined)
    throw new TensimError('INVALID_ARGUMENT', 'several ridges are for one measure', {
      hint: 'Give one measure, and no --block-at',
    });
  const moments = momentsIn(await lawOf(withoutSweep(flags), way.io));
  const { input, inputData, ridge: _, ...plain } = flags;
  const under = async (ridge: number) => {
    const [result] = await compute(patterns, plain, way, { ...moments, ridge });
    return result;
  };
  return ridgeSweep(ridges, under, moments);
}

/** Says on stderr that no change from one model to the next is told, and why. */
export function warnOfOrder(matrix: SimilarityMatrix, io: Io): void {
  if (!hasOrder(matrix)) say(io, `note: ${orderSentence(matrix).join(' ')}\n`);
}

/**
 * One result per measure.
 * @param input the law, where it is not that of the flags
 */
async function compute(
  patterns: readonly string[],
  flags: MatrixFlags,
  way: UnderWay,
  input?: InputLaw,
): Promise<(SimilarityMatrix | CrossSimilarity)[]> {
  const { reached, progress, feed, io } = way;
  const { onProgress, ...options } = await similarityOptions(flags, io, progress);
  const given = input === undefined ? options : { ...options, input };
  const { paths, order } = await orderedPaths(patterns, flags, io);
  await checkSteps(flags, paths, io);
  const choice = await choiceOf(flags, paths, io);
  const results: (SimilarityMatrix | CrossSimilarity)[] = [];
  for (const measure of flags.measure) {
    const options: MatrixOptions = {
      ...choice,
      ...optionsFor(measure, flags, given),
      onProgress: (at) => {
        if (at.phase === 'compare') Object.assign(reached, at);
        onProgress?.(at);
        feed?.progress(phaseWords(at.phase), at.done, at.total);
      },
      ...(feed && { onTile: () => feed.cells() }),
    };
    const onBegin = feed && ((begun: Begun) => feed.begin(begun));
    results.push(await matrixOf(paths, options, flags, { order, onBegin }, way));
  }
  return results;
}

/** Computed here, or by workers where they are asked for. */
async function matrixOf(
  paths: readonly string[],
  options: MatrixOptions,
  flags: MatrixFlags,
  circumstances: Watched,
  { progress, feed, io }: UnderWay,
): Promise<SimilarityMatrix | CrossSimilarity> {
  if (flags.queue === undefined) {
    checkNoWorkers(flags);
    return matrixUnder(circumstances, paths, options);
  }
  const said = (text: string) => {
    progress.note(text);
    feed?.notes(text === '' ? [] : [{ tone: 'plain', text }]);
  };
  return matrixWithQueue(paths, options, { ...flags, queue: flags.queue }, circumstances, said, progress, io);
}

/** Several measures become one report. */
function together(results: readonly (SimilarityMatrix | CrossSimilarity)[], { blockAt }: MatrixFlags): MatrixReport {
  const [first, ...others] = results;
  const matrices = results.filter((result) => result.kind === 'matrix');
  if (others.length === 0 && blockAt === undefined) return first;
  if (matrices.length < results.length) {
    throw new TensimError('INVALID_ARGUMENT', 'several measures are compared on the pairs of one list', {
      hint: 'Leave out --rows, --against and --reference, or give one measure',
    });
  }
  return compareMeasures(matrices, blockAt === undefined ? onsetOf(matrices[0]) : blockStart(matrices[0], blockAt));
}

const onsetOf = (matrix: SimilarityMatrix): number | null => (hasOrder(matrix) ? (onset(matrix)?.to ?? null) : null);

type MatrixReport =
  | Exclude<Report, { readonly kind: 'pair' | 'ridge' }>
  | RidgeSweep<SimilarityMatrix | CrossSimilarity>;

/** The model whose label, or number in it, the later block starts with. */
function blockStart({ labels }: SimilarityMatrix, wanted: string): number {
  const { short } = shortenLabels(labels);
  const place = labels.findIndex((label, i) => label === wanted || short[i] === wanted);
  if (place >= 0) return place;
  throw new TensimError('INVALID_ARGUMENT', `no model is called "${wanted}" or is of that step`, {
    hint: `There are ${labels[0]} to ${labels.at(-1)}`,
  });
}

/** A result as it is printed. */
export const matrixOutput = async (report: MatrixReport, asJson: boolean, io: Io): Promise<Iterable<string>> =>
  asJson ? jsonText(report) : [fitted(io, await text(report, io))];

function jsonText(report: MatrixReport): Iterable<string> {
  switch (report.kind) {
    case 'ridge':
      return ridgeJsonText(report);
    case 'measures':
      return measuresJsonText(report);
    case 'matrix':
      return matrixJsonText(report);
    case 'cross':
      return crossJsonText(report);
  }
}

async function text(report: MatrixReport, io: Io): Promise<string> {
  const options = textOptions(io);
  switch (report.kind) {
    case 'ridge':
      return ridgeText(report);
    case 'measures':
      return measuresText(report, { ...options, set: await setOf(report) });
    case 'matrix':
      return matrixText(report, { ...options, set: await clusteredSet(report) });
    case 'cross':
      return crossText(report, options);
  }
}
