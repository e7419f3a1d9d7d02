import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Strategy } from '../contraction/cost.js';
import type { Optimize } from '../contraction/path/find.js';
import { compileWeighed } from '../contraction/running/choose.js';
import { type Compiled, runnable } from '../contraction/running/compile.js';
import type { PlanOptions } from '../contraction/running/options.js';
import { TensimError } from '../errors.js';
import { checkWritable, writeTensors } from '../formats/convert.js';
import { fromMemory } from '../formats/outgoing.js';
import { SCHEMAS } from '../report/schemas.js';
import { passedOverText } from '../report/text.js';
import { checkPlace } from '../report/write.js';
import type { ScaledTensor, Tensor } from '../tensor/tensor.js';
import { bytesText } from '../words/bytes.js';
import { jsonText, oneLine } from '../words/quoting.js';
import { timeText } from '../words/times.js';
import { ABOUT } from './about.js';
import { type ResultSummary, resultRows, summarizeResult } from './contract_result.js';
import { type Io, print, say, table } from './io.js';
import { type Operands, openOperands } from './operands.js';
import { backendOption, keyOption, parseSize, tf32Option, threadsOption } from './options.js';
import { createProgress, type ProgressLine } from './progress.js';
import { type Candidate, type Timing, timeStrategies } from './timing.js';

const NOTES = `
An operand is a shape (512x256, 5, scalar), filled with seeded random numbers, or a tensor of a checkpoint (FILE:NAME).
Without --explain and --time the contraction is done, and what came out is summarised. With --time every strategy is
measured in turns; one that takes much longer than the default is given up.

Examples:
  $ tensim contract "hi,ki,hj,kj->hk" 512x256 512x256 512x256 512x256 --explain --time
  $ tensim contract "hi,ki,hj,kj->" 112000x8 112000x8 112000x4 112000x4 --optimize "[[0,1],[0,1],[0,1]]" --memory-limit 256MiB --explain
  $ tensim contract "oh,hi->oi" net.safetensors:projection.weight 64x32 --out product.safetensors`;

const STRATEGIES: readonly Strategy[] = ['blocked', 'ttgt', 'loops'];
/** The name of the tensor in the file of --out. */
const RESULT = 'result';

interface ContractFlags {
  readonly explain?: boolean;
  readonly time?: boolean;
  readonly out?: string;
  readonly optimize: Optimize;
  readonly cost: NonNullable<PlanOptions['cost']>;
  readonly memoryLimit?: number;
  readonly strategy?: Strategy;
  readonly stripExponent?: boolean;
  readonly dtype?: NonNullable<PlanOptions['dtype']>;
  readonly tf32?: true;
  readonly backend: NonNullable<PlanOptions['backend']>;
  readonly threads?: number;
  readonly seed: number;
  readonly key?: string;
  readonly verbose?: boolean;
  readonly json?: boolean;
}

/** `tensim contract EQUATION OPERANDS…` */
export function addContract(program: Command, io: Io): void {
  program
    .command('contract')
    .description(ABOUT.contract.does)
    .argument('<equation>', 'in the notation of einsum: "ij,jk->ik"')
    .argument('<operands...>', 'one per term: a shape such as 512x256, or FILE:TENSOR')
    .option('--explain', 'print the path: order of the products, flops, bytes, memory')
    .option('--time', 'measure every strategy, or the one given')
    .option(
      '--out <file>',
      `write the result as the tensor "${RESULT}" of a .safetensors or .npz file, or as an .npy file`,
    )
    .option(
      '--optimize <search>',
      'auto, optimal, greedy, random-greedy, or a path such as [[0,1],[0,1]]',
      parseOptimize,
      'auto',
    )
    .addOption(new Option('--cost <what>', 'what the path minimises').choices(['time', 'flops']).default('time'))
    .option('--memory-limit <size>', 'for intermediates, result and workspace: 256MiB, 1.5GB', parseSize)
    .addOption(new Option('--strategy <name>', 'how products are executed (default: blocked)').choices(STRATEGIES))
    .option('--strip-exponent', 'keep everything in range by powers of two')
    .addOption(
      new Option('--dtype <type>', 'compute type (default: float64, or float32 if no operand has more)').choices([
        'float64',
        'float32',
      ]),
    )
    .addOption(tf32Option())
    .addOption(backendOption())
    .addOption(threadsOption())
    .addOption(keyOption())
    .option('--seed <number>', 'of the random operands and of the random search', parseSeed, 0)
    .option('--verbose', 'say on stderr which backend was chosen, and why')
    .option('--json', 'print JSON')
    .addHelpText('after', NOTES)
    .action((equation: string, operands: string[], flags: ContractFlags) => contract(equation, operands, flags, io));
}

async function contract(equation: string, texts: string[], flags: ContractFlags, io: Io): Promise<void> {
  const { explain = false, time = false, out, seed } = flags;
  if (out !== undefined) await checkOut(out, flags.stripExponent === true);
  const progress = await createProgress(io);
  const operands = await openOperands(texts, io.signal, flags.key);
  try {
    const options: PlanOptions = { ...flags, dtype: flags.dtype ?? operands.dtype };
    const compile = (strategy: Strategy | undefined) =>
      compileWeighed(equation, operands.shapes, { ...options, strategy, signal: io.signal });
    const compiled = await compile(flags.strategy);
    if (flags.verbose) say(io, passedOverText(compiled.path));
    const wanted = out !== undefined || !(explain || time);
    const data = wanted || time ? await operands.load(compiled.dtype, seed, io.signal) : [];
    const result = wanted ? await run(compiled, data, flags, io, progress) : undefined;
    const summary = result && (await summarizeResult(result, io.signal));
    const timings = time ? await measure(compiled, compile, data, flags, io, progress) : undefined;
    progress.stop();
    if (out !== undefined) await write(result!, out, io);
    const report = { compiled, operands, texts, timings, summary };
    await print(io, [flags.json ? `${jsonText(contractJson(report, flags))}\n` : contractText(report, flags)]);
  } finally {
    progress.stop();
    await operands.close();
  }
}

function run(
  compiled: Compiled,
  data: readonly Tensor[],
  { threads }: ContractFlags,
  { signal }: Io,
  progress: ProgressLine,
): Promise<Tensor | ScaledTensor> {
  const onProgress = (done: number, total: number) => {
    progress.update('contracting', Math.floor((100 * done) / total), 100);
  };
  return runnable(compiled, {}).run(data, { signal, threads, onProgress });
}

/** Timings of the strategy asked for, or of all. */
async function measure(
  first: Compiled,
  compile: (strategy: Strategy) => Promise<Compiled>,
  data: readonly Tensor[],
  { strategy, threads }: ContractFlags,
  io: Io,
  progress: ProgressLine,
): Promise<Timing[]> {
  const candidates = [candidate(first, strategy ?? 'blocked', data, threads)];
  for (const other of strategy === undefined ? STRATEGIES.slice(1) : []) {
    candidates.push(candidate(await compile(other), other, data, threads));
  }
  return await timeStrategies(candidates, io.signal, (name) => progress.update(`timing ${name}`, 0, 1));
}

function candidate(
  compiled: Compiled,
  strategy: Strategy,
  data: readonly Tensor[],
  threads: number | undefined,
): Candidate {
  const { flops, bytes } = compiled.path;
  const compiledContraction = runnable(compiled, {});
  return { strategy, flops, bytes, run: (signal) => compiledContraction.run(data, { signal, threads }) };
}

/** Refused before the work: what could not be written after it. */
async function checkOut(file: string, stripped: boolean): Promise<void> {
  if (checkWritable(file) !== 'safetensors' && stripped)
    throw new TensimError('INVALID_ARGUMENT', 'the exponent of a stripped result has no place in this format', {
      file,
      hint: 'Write it as .safetensors, whose metadata has the exponent',
    });
  await checkPlace(file);
}

async function write(result: Tensor | ScaledTensor, file: string, io: Io): Promise<void> {
  io.signal.throwIfAborted();
  const metadata: Record<string, string> = 'exponent' in result ? { exponent: `${result.exponent}` } : {};
  await writeTensors(file, fromMemory({ [RESULT]: result }), metadata);
  say(io, `wrote ${oneLine(file)}\n`);
}

interface Report {
  readonly compiled: Compiled;
  readonly operands: Operands;
  readonly texts: readonly string[];
  readonly timings: readonly Timing[] | undefined;
  readonly summary: ResultSummary | undefined;
}

/** The contract `tensim.contract/1`. `timings` and `result` are there only if they were asked for. */
function contractJson({ compiled, texts, timings, summary }: Report, flags: ContractFlags): Record<string, unknown> {
  return {
    schema: SCHEMAS.contract,
    equation: compiled.path.equation,
    operands: texts,
    dtype: compiled.dtype,
    ...(compiled.backend.tf32 && { tf32: true }),
    backend: compiled.backend.name,
    strategy: flags.strategy ?? 'blocked',
    seed: flags.seed,
    path: compiled.path,
    ...(timings && { timings }),
    ...(summary && { result: summary }),
  };
}

function contractText({ compiled, operands, timings, summary }: Report, flags: ContractFlags): string {
  const sections: string[] = [];
  if (flags.explain) sections.push(`${compiled.path}\n`);
  if (summary !== undefined) sections.push(table(resultRows(summary, compiled.dtype)));
  if (timings !== undefined) sections.push(table([TIMING_HEAD, ...timings.map(timingRow)]));
  if (timings !== undefined || summary !== undefined) {
    const filled = operands.random ? `, random operands of seed ${flags.seed}` : '';
    const { name, tf32 } = compiled.backend;
    sections.push(`  backend ${name}${tf32 ? ', products in TF32' : ''}${filled}\n`);
  }
  return sections.join('\n');
}

const TIMING_HEAD = ['strategy', 'median', 'runs', 'GFLOP/s', 'bytes/s'];

function timingRow({ strategy, seconds, runs, flopsPerSecond, bytesPerSecond, reason }: Timing): string[] {
  if (seconds === null) return [strategy, reason ?? ''];
  const rates = [((flopsPerSecond ?? 0) / 1e9).toPrecision(3), bytesText(bytesPerSecond ?? 0)];
  return [strategy, timeText(seconds), `${runs}`, ...rates];
}

function parseSeed(text: string): number {
  const seed = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(seed)) return seed;
  throw new InvalidArgumentError('It must be a non-negative integer.');
}

const SEARCHES = ['auto', 'optimal', 'greedy', 'random-greedy'] as const;

function parseOptimize(text: string): Optimize {
  const search = SEARCHES.find((name) => name === text);
  if (search !== undefined) return search;
  try {
    const path: unknown = JSON.parse(text);
    if (Array.isArray(path)) return path;
  } catch {}
  throw new InvalidArgumentError(`It must be ${SEARCHES.join(', ')}, or a path such as [[0,1],[0,1]].`);
}
