import { join } from 'node:path';
import type { Command } from 'commander';
import type { BlockInput } from '../blocks/law/input.js';
import { blockMatrix } from '../blocks/matrix.js';
import { planBlocks } from '../blocks/plan.js';
import { similarityOfBlocks } from '../blocks/similarity_of_blocks.js';
import type { BlockOptions, BlocksResult } from '../blocks/terms.js';
import { TensimError } from '../errors.js';
import { isFolder } from '../model/reading/source.js';
import { blocksPlanJson, blocksPlanText } from '../report/blocks/plan.js';
import { ridgeJsonText } from '../report/ridge/json.js';
import { ridgeText } from '../report/ridge/text.js';
import { passedOverText } from '../report/text.js';
import { ridgeSweep } from '../similarity/series/ridge_sweep.js';
import { jsonText } from '../words/quoting.js';
import { ABOUT } from './about.js';
import { addBlockOptions, type BlockFlags } from './block_options.js';
import { blocksOutput, checkBlocksFiles, writeBlocksFiles } from './blocks_output.js';
import { blocksShardOutput } from './blocks_shard.js';
import { fitted, type Io, print, say } from './io.js';
import { checkFlags, sweptRidges } from './law_options.js';
import { modelPaths } from './matrix_options.js';
import { configOf, textOptions } from './options.js';
import { stoppable } from './stopped.js';

const ARGUMENT =
  'two transformers: each a checkpoint with its config.json beside it, a GGUF file, a folder with one, or its hf:// address; with --matrix any number';

const EXAMPLES = `
MLPs are compared as functions of a normalised input; attention by its circuits, softmax left out.

Examples:
  $ tensim blocks base/ tuned/ --out strip.html
  $ tensim blocks base/ rotated/ --align rotation
  $ tensim blocks stories260K.bin stories260K.gguf --json
  $ tensim blocks base/ tuned/ --input moments.safetensors --ridge 0,0.1,1
  $ tensim blocks a.pt b.pt --config '{"n_head": 4, "activation_function": "gelu_new"}'
  $ tensim blocks base/ tuned/ --plan
  $ tensim blocks run/ --matrix --state run.layers --out blocks.csv
  $ tensim blocks base/ tuned/ --shard 3/8 --state part-3.state`;

/** `tensim blocks A B` */
export function addBlocks(program: Command, io: Io): void {
  const command = program.command('blocks').description(ABOUT.blocks.does).argument('<networks...>', ARGUMENT);
  addBlockOptions(command)
    .addHelpText('after', EXAMPLES)
    .action((networks: string[], flags: BlockFlags) => blocks(networks, flags, io));
}

/** Who follows a computation. */
interface Following {
  /** Told how many layers are done. */
  readonly onLayer: (done: number, total: number) => void;
  /** Called before anything is said of the result. */
  readonly ended: () => void;
}

async function blocks(networks: readonly string[], flags: BlockFlags, io: Io): Promise<void> {
  await stoppable('layers', flags.state, io, async ({ reached, progress }) => {
    await checkFiles(flags);
    const paths = await pathsOf(networks, flags, io);
    const onLayer = (done: number, total: number) => {
      Object.assign(reached, { done, total });
      progress.update('comparing', done, total, 'layers');
    };
    await print(io, await compute(paths, flags, io, { onLayer, ended: () => progress.stop() }));
  });
}

/** Refuses what cannot be written, before anything is computed. */
async function checkFiles({ out, matrix, plan, shard, ...flags }: BlockFlags): Promise<void> {
  const isOther = plan === true || sweptRidges(flags) !== undefined;
  if (out.length > 0 && isOther && shard === undefined)
    throw new TensimError('INVALID_ARGUMENT', 'a plan and a sweep are printed, and not written by --out');
  if (matrix === true && flags.ridge !== undefined && flags.ridge.length > 1)
    throw new TensimError('INVALID_ARGUMENT', 'a sweep over ridges is of two networks, and --matrix of more', {
      hint: 'Give one value: --ridge 0.1',
    });
  if (shard === undefined) await checkBlocksFiles(out, matrix === true);
}

/** What is to be printed. */
async function compute(
  paths: readonly string[],
  flags: BlockFlags,
  io: Io,
  { onLayer, ended }: Following,
): Promise<string[]> {
  const { align, window, method, tolerance, maxSamples, seed, backend, threads, model, key, ignore, state } = flags;
  const under = (ridge: number | undefined): BlockOptions => ({
    ...{ align, window, method, tolerance, maxSamples, seed, backend, threads, model, key, ignore, state },
    ...{ config: configOf(flags), signal: io.signal, input: inputOf(flags, ridge) },
    onProgress: ({ done, total }) => onLayer(done, total),
  });
  if (flags.shard !== undefined) return blocksShardOutput(paths, under(flags.ridge?.[0]), flags, { io, ended });
  const [a, b] = paths;
  const ridges = sweptRidges(flags);
  if (ridges !== undefined) {
    const sweep = await ridgeSweep(ridges, (ridge) => similarityOfBlocks(a, b, under(ridge)));
    ended();
    return flags.json ? [...ridgeJsonText(sweep)] : [fitted(io, ridgeText(sweep))];
  }
  const options = under(flags.ridge?.[0]);
  if (flags.plan) {
    const plan = await planBlocks(paths, options);
    ended();
    return [flags.json ? `${jsonText(blocksPlanJson(plan))}\n` : fitted(io, blocksPlanText(plan, textOptions(io)))];
  }
  const result = flags.matrix ? await blockMatrix(paths, options) : await similarityOfBlocks(a, b, options);
  ended();
  tellBackends(result, flags, io);
  await writeBlocksFiles(result, flags.out, io);
  return [blocksOutput(result, flags.json === true, io)];
}

/** What `--verbose` says: who compared MLPs, and why. */
function tellBackends({ mlpBackends = [] }: Pick<BlocksResult, 'mlpBackends'>, { verbose }: BlockFlags, io: Io): void {
  if (!verbose) return;
  for (const { method, ...chosen } of mlpBackends)
    say(io, passedOverText(chosen).replaceAll(/^/gm, `MLPs ${method === 'exact' ? 'exactly' : 'sampled'}, `));
}

/** Two networks as they are given; of a matrix all that folders and patterns hold. */
async function pathsOf(given: readonly string[], flags: BlockFlags, io: Io): Promise<readonly string[]> {
  const { matrix, key, ignore } = flags;
  if (!matrix) {
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

function inputOf({ input, inputData }: BlockFlags, ridge: number | undefined): BlockInput {
  checkFlags({ input, inputData });
  const law = input ?? 'standard';
  const blended = ridge === undefined ? {} : { ridge };
  if (inputData !== undefined) return { samples: inputData, ...blended };
  if (law !== 'standard' && law !== 'sphere') return { file: law, ...blended };
  if (ridge === undefined) return law;
  throw new TensimError('INVALID_ARGUMENT', `a ridge needs moments, and the law "${law}" has none`, {
    hint: 'Give --input with a file of moments, or --input-data with samples',
  });
}
