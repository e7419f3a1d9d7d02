import { type Command, InvalidArgumentError, Option } from 'commander';
import type { BlockInput } from '../blocks/law/input.js';
import { ALIGNMENTS } from '../blocks/settings.js';
import { similarityOfBlocks } from '../blocks/similarity_of_blocks.js';
import type { BlockOptions } from '../blocks/terms.js';
import { TensimError } from '../errors.js';
import { blocksJson } from '../report/blocks/json.js';
import { blocksText } from '../report/blocks/text.js';
import { ridgeJsonText } from '../report/ridge/json.js';
import { ridgeText } from '../report/ridge/text.js';
import { ridgeSweep } from '../similarity/series/ridge_sweep.js';
import { jsonText } from '../words/quoting.js';
import { type Io, print } from './io.js';
import { addRidgeOptions, checkFlags, sweptRidges } from './law_options.js';
import {
  activationOption,
  backendOption,
  configOf,
  configOption,
  ignoreOption,
  keyOption,
  modelOption,
  textOptions,
  threadsOption,
} from './options.js';
import { createProgress } from './progress.js';

const ARGUMENT =
  'a transformer: a checkpoint with its config.json beside it, a GGUF file, a folder with one, or its hf:// address';

const EXAMPLES = `
MLPs are compared as functions of a normalised input; attention by its circuits, softmax left out.

Examples:
  $ tensim blocks base/ tuned/
  $ tensim blocks stories260K.bin stories260K.gguf --json
  $ tensim blocks base/ tuned/ --input moments.safetensors
  $ tensim blocks base/ tuned/ --input moments.safetensors --ridge 0,0.1,1
  $ tensim blocks a.pt b.pt --config '{"n_head": 4, "activation_function": "gelu_new"}'`;

const SAMPLES = 'a file or folder of samples, mlp.N and attn.N (n, d), whose moments are the law of blocks';

interface BlockFlags extends Required<Pick<BlockOptions, 'align' | 'backend' | 'ignore'>> {
  readonly window?: number;
  readonly input?: string;
  readonly inputData?: string;
  readonly ridge?: readonly number[];
  readonly threads?: number;
  readonly model?: string;
  readonly config?: string;
  readonly activation?: string;
  readonly key?: string;
  readonly json?: boolean;
}

/** `tensim blocks A B` */
export function addBlocks(program: Command, io: Io): void {
  const command = program
    .command('blocks')
    .description('where two transformers differ, block by block')
    .argument('<a>', ARGUMENT)
    .argument('<b>', 'the other')
    .addOption(
      new Option(
        '--align <what>',
        'what is taken out first: nothing; the order of the heads; also that of hidden units; also a rotation of the residual stream',
      )
        .choices(ALIGNMENTS)
        .default('heads'),
    )
    .option(
      '--window <count>',
      'offsets between queries and keys over which scores are compared (default: 64)',
      parseWindow,
    )
    .option(
      '--input <law>',
      'law of what the norm before a block gives: "standard", "sphere", or a file or folder with mlp.N.mean, mlp.N.cov, attn.N.mean, attn.N.cov (default: "standard")',
    )
    .addHelpText('after', EXAMPLES);
  addRidgeOptions(command, SAMPLES)
    .addOption(backendOption())
    .addOption(threadsOption())
    .addOption(modelOption())
    .addOption(configOption())
    .addOption(activationOption())
    .addOption(keyOption())
    .addOption(ignoreOption())
    .option('--json', 'print JSON')
    .action((a: string, b: string, flags: BlockFlags) => blocks(a, b, flags, io));
}

async function blocks(a: string, b: string, flags: BlockFlags, io: Io): Promise<void> {
  const progress = createProgress(io);
  try {
    const { align, window, backend, threads, model, key, ignore, json } = flags;
    const under = (ridge?: number) =>
      similarityOfBlocks(a, b, {
        ...{ align, window, backend, threads, model, key, ignore, config: configOf(flags), signal: io.signal },
        input: inputOf(flags, ridge),
        onProgress: ({ done, total }) => progress.update('comparing', done, total, 'layers'),
      });
    const ridges = sweptRidges(flags);
    if (ridges !== undefined) {
      const sweep = await ridgeSweep(ridges, under);
      progress.stop();
      await print(io, json ? ridgeJsonText(sweep) : [ridgeText(sweep)]);
      return;
    }
    const result = await under(flags.ridge?.[0]);
    progress.stop();
    await print(io, [json ? `${jsonText(blocksJson(result))}\n` : blocksText(result, textOptions(io))]);
  } finally {
    progress.stop();
  }
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

function parseWindow(text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number from 1.');
}
