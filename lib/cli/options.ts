import { basename } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { loadInputs } from '../evaluation/inputs_file.js';
import { labelsOf } from '../model/labels.js';
import type { Model } from '../model/model.js';
import { loadModel } from '../model/reading/load.js';
import { phaseWords } from '../report/phases.js';
import { routeText, type TextOptions } from '../report/text.js';
import type { Report } from '../report/write.js';
import type { Measure, Progress, ResultInfo, SimilarityOptions } from '../similarity/terms/types.js';
import { parseBytes } from '../words/bytes.js';
import { parseDecimal } from '../words/names.js';
import { oneLine } from '../words/quoting.js';
import { type Io, say } from './io.js';
import { addLawOptions, type LawFlags, lawOf } from './law_options.js';
import {
  activationOption,
  collect,
  configOf,
  configOption,
  ignoreOption,
  keyOption,
  modelOption,
  positionsOption,
} from './model_options.js';
import type { ProgressLine } from './progress.js';

export {
  activationOption,
  collect,
  configOf,
  configOption,
  ignoreOption,
  keyOption,
  MODEL_ARGUMENT,
  modelOption,
} from './model_options.js';

/** The options that say what is compared and how, as commander parses them. */
export interface MethodFlags extends LawFlags {
  readonly measure: Measure;
  readonly method: NonNullable<SimilarityOptions['method']>;
  readonly route: NonNullable<SimilarityOptions['route']>;
  readonly inputs?: string;
  readonly dtype: NonNullable<SimilarityOptions['dtype']>;
  readonly tf32?: true;
  readonly backend: NonNullable<SimilarityOptions['backend']>;
  readonly threads?: number;
  readonly seed?: number;
  readonly tolerance?: number;
  readonly maxSamples?: number;
  readonly model?: string;
  readonly config?: string;
  readonly activation?: string;
  readonly positions?: number;
  readonly key?: string;
  readonly ignore: readonly string[];
}

/** The options of `compare` and `matrix`. */
export interface ComparisonFlags extends MethodFlags {
  readonly perOutput?: boolean;
  readonly degrees?: boolean;
  readonly verbose?: boolean;
  readonly json?: boolean;
  readonly out: readonly string[];
}

const MEASURES: readonly Measure[] = ['gaussian', 'tensor', 'weights', 'behavioural'];

/** The measure of a comparison. */
export function measureOption(): Option {
  return new Option(
    '--measure <measure>',
    'what is compared: the functions under a Gaussian input, their tensors, the bare weights, or what they do on given inputs',
  )
    .choices(MEASURES)
    .default('gaussian');
}

/** Several measures of one run, a list with commas. */
export function measuresOption(): Option {
  return new Option(
    '--measure <measures>',
    `what is compared, one or more of ${MEASURES.join(', ')} with commas between: the functions under a Gaussian input, their tensors, the bare weights, or what they do on given inputs`,
  )
    .argParser(parseMeasures)
    .default(['gaussian'], 'gaussian');
}

function parseMeasures(text: string): Measure[] {
  const names = text.split(',');
  const measures = MEASURES.filter((measure) => names.includes(measure));
  const known = names.every((name) => measures.includes(name as Measure));
  if (known && measures.length === names.length) return names as Measure[];
  throw new InvalidArgumentError(`Allowed choices are ${MEASURES.join(', ')}, each once.`);
}

export function addComparisonOptions(command: Command, measure = measureOption()): Command {
  return addMethodOptions(command, measure)
    .option('--per-output', 'also compare every output by itself')
    .option('--degrees', 'also compare by degree: the mean, the linear and the quadratic part, the rest (exact only)')
    .option('--verbose', 'say on stderr what each route was expected to cost')
    .option('--json', 'print JSON')
    .option(
      '--out <file>',
      'also write a report; its ending says which: .json .csv .npy .svg .html (repeatable)',
      collect,
      [],
    );
}

export function addMethodOptions(command: Command, measure = measureOption()): Command {
  return addLawOptions(command)
    .addOption(measure)
    .addOption(
      new Option(
        '--method <method>',
        'how: exact; sampled (auto: where exact does not apply); or closure, an approximation of unknown error for any depth',
      )
        .choices(['auto', 'exact', 'closure', 'sampled'])
        .default('auto'),
    )
    .addOption(
      new Option(
        '--route <route>',
        'how models of one block are multiplied (auto: the route expected to be the quickest)',
      )
        .choices(['auto', 'factor', 'unfolded', 'dense'])
        .default('auto'),
    )
    .option(
      '--inputs <file>',
      'for the measure behavioural: an .npy, .npz, .pt or .safetensors file of vectors (floats) or token ids (integers)',
    )
    .addOption(new Option('--dtype <type>', 'compute type').choices(['float64', 'float32']).default('float64'))
    .addOption(tf32Option())
    .addOption(backendOption())
    .addOption(threadsOption())
    .option('--seed <number>', 'sampled: which random inputs (default: 0)', parseWhole)
    .option('--tolerance <width>', 'sampled: half the width of the 95 % intervals (default: 0.005)', parseTolerance)
    .option('--max-samples <count>', 'sampled: inputs to evaluate at most (default: 262144)', parseWhole)
    .addOption(modelOption())
    .addOption(configOption())
    .addOption(activationOption())
    .addOption(positionsOption())
    .addOption(keyOption())
    .addOption(ignoreOption());
}

export function tf32Option(): Option {
  return new Option('--tf32', 'let products of float32 on the backend cuda be one pass of TF32: quicker, to 3 digits');
}

export function backendOption(): Option {
  return new Option('--backend <name>', 'who computes').choices(['auto', 'native', 'cuda', 'fallback']).default('auto');
}

export function threadsOption(): Option {
  const description = 'worker threads (default: all the process may use; the result does not depend on it)';
  return new Option('--threads <count>', description).argParser(parseThreads);
}

/** The options of the computation, with the input law read; without the measure where there are several. */
export async function similarityOptions(
  flags: Omit<MethodFlags, 'measure'> &
    Pick<ComparisonFlags, 'perOutput' | 'degrees'> & { readonly measure: Measure | readonly Measure[] },
  io: Io,
  progress: ProgressLine,
): Promise<SimilarityOptions> {
  const { measure, method, route, inputs, dtype, tf32, backend, threads, perOutput, degrees } = flags;
  const { seed, tolerance, maxSamples } = flags;
  return {
    ...(typeof measure === 'string' && { measure }),
    method,
    route,
    input: await lawOf(flags, io),
    ...(inputs !== undefined && { inputs: { values: await loadInputs(inputs, io.signal), name: basename(inputs) } }),
    dtype,
    tf32,
    backend,
    threads,
    perOutput,
    degrees,
    seed,
    tolerance,
    maxSamples,
    signal: io.signal,
    onProgress: ({ phase, done, total }: Progress) => {
      progress.update(phaseWords(phase), done, total, phase === 'compare' ? 'pairs' : undefined);
    },
  };
}

/** Loads two models, labelled so that they can be told apart. */
export async function loadPair(
  paths: readonly [string, string],
  flags: MethodFlags,
  { signal }: Io,
  progress: ProgressLine,
): Promise<[Model, Model]> {
  const { model, key, ignore, measure } = flags;
  const config = configOf(flags);
  const labels = labelsOf(paths);
  const models: Model[] = [];
  const unknown = measure === 'weights' ? 'parameters' : 'refuse';
  for (const [index, path] of paths.entries()) {
    progress.update('reading', index, paths.length);
    models.push(await loadModel(path, { model, config, key, ignore, unknown, label: labels[index], signal }));
  }
  return models as [Model, Model];
}

/**
 * Makes sure before the work that its results can be written.
 * @throws TensimError as `checkReportFile`.
 */
export async function checkOutputs(files: readonly string[]): Promise<void> {
  if (files.length === 0) return;
  const { checkReportFile } = await import('../report/write.js');
  for (const file of files) await checkReportFile(file);
}

/** How results are printed: in colour on a terminal, unless NO_COLOR is set. */
export function textOptions({ stdout, env }: Io): TextOptions {
  return { colour: stdout.isTTY === true && !env.NO_COLOR };
}

/** What `--verbose` says about the choice of the route. */
export function explainRoute(result: ResultInfo, { verbose = false }: Pick<ComparisonFlags, 'verbose'>, io: Io): void {
  if (verbose) say(io, routeText(result));
}

/** Writes the reports, one after the other, and says so on stderr. */
export async function writeOutputs(result: Report, files: readonly string[], io: Io): Promise<void> {
  for (const file of files) {
    io.signal.throwIfAborted();
    const { writeReport } = await import('../report/write.js');
    await writeReport(result, file, { command: io.command });
    say(io, `wrote ${oneLine(file)}\n`);
  }
}

/** A size in bytes as an option takes it. */
export function parseSize(text: string): number {
  const bytes = parseBytes(text);
  if (bytes !== undefined) return bytes;
  throw new InvalidArgumentError('It must be a size such as 256MiB, 1.5GB or a number of bytes.');
}

function parseThreads(text: string): number {
  const threads = /^\d+$/.test(text) ? Number(text) : 0;
  if (threads >= 1 && threads <= 4096) return threads;
  throw new InvalidArgumentError('It must be an integer between 1 and 4096.');
}

export function parseWhole(text: string): number {
  if (/^\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  throw new InvalidArgumentError('It must be a whole number.');
}

export function parseTolerance(text: string): number {
  const width = parseDecimal(text);
  if (width !== undefined && width > 0 && width <= 1) return width;
  throw new InvalidArgumentError('It must be a number between 0 and 1.');
}
