import { join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { blockMatrix } from '../blocks/matrix.js';
import { planBlocks } from '../blocks/plan.js';
import { similarityOfBlocks } from '../blocks/similarity_of_blocks.js';
import type { BlockOptions } from '../blocks/terms.js';
import { TensimError } from '../errors.js';
import { isFolder } from '../model/reading/source.js';
import { blocksJson } from '../report/blocks/json.js';
import { blocksMatrixCsv, blocksMatrixJson, blocksMatrixText } from '../report/blocks/matrix.js';
import { blocksPlanJson, blocksPlanText } from '../report/blocks/plan.js';
import { blocksText } from '../report/blocks/text.js';
import type { TextOptions } from '../report/text.js';
import { checkPlace, writeWhole } from '../report/write.js';
import { jsonText, oneLine } from '../words/quoting.js';
import { type Io, print, say } from './io.js';
import { modelPaths } from './matrix_options.js';
import {
  activationOption,
  backendOption,
  configOf,
  configOption,
  ignoreOption,
  keyOption,
  parseTolerance,
  parseWhole,
  textOptions,
  threadsOption,
} from './options.js';
import { createProgress } from './progress.js';

const ARGUMENT =
  'two transformers, or more with --matrix: checkpoints with their config.json beside them, GGUF files, folders with one, or hf:// addresses';

const EXAMPLES = `
MLPs are compared as functions of a normalised input; attention by its circuits, softmax left out.

Examples:
  $ tensim blocks base/ tuned/
  $ tensim blocks stories260K.bin stories260K.gguf --json
  $ tensim blocks a.pt b.pt --config '{"n_head": 4, "activation_function": "gelu_new"}'
  $ tensim blocks base/ tuned/ --plan
  $ tensim blocks run/ --matrix --state run.layers --out blocks.csv`;

interface BlockFlags extends Required<Pick<BlockOptions, 'align' | 'backend' | 'ignore' | 'method'>> {
  readonly window?: number;
  readonly tolerance?: number;
  readonly maxSamples?: number;
  readonly seed?: number;
  readonly state?: string;
  readonly matrix?: boolean;
  readonly plan?: boolean;
  readonly out?: string;
  readonly threads?: number;
  readonly config?: string;
  readonly activation?: string;
  readonly key?: string;
  readonly json?: boolean;
}

/** `tensim blocks A B` */
export function addBlocks(program: Command, io: Io): void {
  program
    .command('blocks')
    .description('where two transformers differ, block by block')
    .argument('<networks...>', ARGUMENT)
    .addOption(
      new Option('--align <what>', 'what is taken out first: nothing, or the order of the heads')
        .choices(['none', 'heads'])
        .default('heads'),
    )
    .option(
      '--window <count>',
      'offsets between queries and keys over which scores are compared (default: 64)',
      parseWindow,
    )
    .addOption(
      new Option('--method <method>', 'how MLPs are compared (auto: sampled where that is much quicker than exactly)')
        .choices(['auto', 'exact', 'sampled'])
        .default('auto'),
    )
    .option('--tolerance <width>', 'sampled: half the width of the 95 % intervals (default: 0.005)', parseTolerance)
    .option('--max-samples <count>', 'sampled: inputs to evaluate at most (default: 8192)', parseWhole)
    .option('--seed <number>', 'sampled: which random inputs (default: 0)', parseWhole)
    .option('--state <file>', 'keep finished layers in this file, and compute only those that are not in it')
    .option('--matrix', 'compare each of any number of networks with each')
    .option('--plan', 'say what it would take, and how long, from the headers of the files alone')
    .option('--out <file>', 'with --matrix: also write all of it; its ending says how: .json or .csv', parseOut)
    .addOption(backendOption())
    .addOption(threadsOption())
    .addOption(configOption())
    .addOption(activationOption())
    .addOption(keyOption())
    .addOption(ignoreOption())
    .option('--json', 'print JSON')
    .addHelpText('after', EXAMPLES)
    .action((networks: string[], flags: BlockFlags) => blocks(networks, flags, io));
}

async function blocks(networks: readonly string[], flags: BlockFlags, io: Io): Promise<void> {
  const progress = createProgress(io);
  const reached = { done: 0, total: 0 };
  try {
    if (flags.out !== undefined) await checkPlace(flags.out);
    const paths = await pathsOf(networks, flags, io);
    const text = await compute(paths, flags, io, (done, total) => {
      Object.assign(reached, { done, total });
      progress.update('comparing', done, total, 'layers');
    });
    progress.stop();
    await print(io, text);
  } catch (error) {
    progress.stop();
    if (io.signal.aborted && flags.state !== undefined && reached.total > 0) {
      const { done, total } = reached;
      const share = `${done} of ${total} layers are in ${oneLine(flags.state)}`;
      say(io, `stopped: ${share}; the same command goes on from there\n`);
    }
    throw error;
  } finally {
    progress.stop();
  }
}

/** What is to be printed. */
async function compute(
  paths: readonly string[],
  flags: BlockFlags,
  io: Io,
  onLayer: (done: number, total: number) => void,
): Promise<string[]> {
  const { align, window, method, tolerance, maxSamples, seed, backend, threads, key, ignore, state, json } = flags;
  const options: BlockOptions = {
    ...{ align, window, method, tolerance, maxSamples, seed, backend, threads, key, ignore, state },
    ...{ config: configOf(flags), signal: io.signal },
    onProgress: ({ done, total }) => onLayer(done, total),
  };
  const told = <Result>(
    result: Result,
    asJson: (one: Result) => object,
    asText: (one: Result, options: TextOptions) => string,
  ) => [json ? `${jsonText(asJson(result))}\n` : asText(result, textOptions(io))];
  if (flags.plan) return told(await planBlocks(paths, options), blocksPlanJson, blocksPlanText);
  if (!flags.matrix) return told(await similarityOfBlocks(paths[0], paths[1], options), blocksJson, blocksText);
  const result = await blockMatrix(paths, options);
  if (flags.out !== undefined) {
    const isCsv = /\.csv$/i.test(flags.out);
    await writeWhole(flags.out, isCsv ? blocksMatrixCsv(result) : [`${jsonText(blocksMatrixJson(result))}\n`]);
  }
  return told(result, blocksMatrixJson, blocksMatrixText);
}

/** Two networks as they are given; of a matrix all that folders and patterns hold. */
async function pathsOf(given: readonly string[], flags: BlockFlags, io: Io): Promise<readonly string[]> {
  const { matrix, out, key, ignore } = flags;
  if (!matrix) {
    if (out !== undefined) throw new TensimError('INVALID_ARGUMENT', '--out is for --matrix');
    if (given.length === 2 || (flags.plan && given.length > 1)) return given;
    throw new TensimError('INVALID_ARGUMENT', `${given.length} networks are given, not two`, {
      hint: 'Give two, or --matrix to compare each with each',
    });
  }
  const found: string[] = [];
  for (const path of given) {
    const reading = { config: configOf(flags), key, ignore };
    // A folder of folders, as training leaves them, with a config.json in each.
    const inside = async (error: unknown) => {
      if (!(error instanceof TensimError) || error.code !== 'FILE_NOT_FOUND' || !(await isFolder(path))) throw error;
      return modelPaths([join(path, '*')], reading, io);
    };
    const { paths } = await modelPaths([path], reading, io).catch(inside);
    for (const one of paths) found.push(one);
  }
  return found;
}

function parseOut(text: string): string {
  if (/\.(?:csv|json)$/i.test(text)) return text;
  throw new InvalidArgumentError('Its ending must be .csv or .json.');
}

function parseWindow(text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number from 1.');
}
