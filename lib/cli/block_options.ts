import { type Command, InvalidArgumentError, Option } from 'commander';
import { ALIGNMENTS } from '../blocks/settings.js';
import type { BlockOptions } from '../blocks/terms.js';
import { addRidgeOptions } from './law_options.js';
import {
  activationOption,
  backendOption,
  collect,
  configOption,
  ignoreOption,
  keyOption,
  modelOption,
  parseTolerance,
  parseWhole,
  threadsOption,
} from './options.js';
import { parseShardFlag, type ShardFlag } from './shard_flag.js';

const SAMPLES = 'a file or folder of samples, mlp.N and attn.N (n, d), whose moments are the law of blocks';

/** The options of `tensim blocks`, as commander parses them. */
export interface BlockFlags extends Required<Pick<BlockOptions, 'align' | 'backend' | 'ignore' | 'method'>> {
  readonly window?: number;
  readonly input?: string;
  readonly inputData?: string;
  readonly ridge?: readonly number[];
  readonly tolerance?: number;
  readonly maxSamples?: number;
  readonly seed?: number;
  readonly state?: string;
  readonly matrix?: boolean;
  readonly plan?: boolean;
  readonly shard?: ShardFlag;
  readonly out: readonly string[];
  readonly threads?: number;
  readonly model?: string;
  readonly config?: string;
  readonly activation?: string;
  readonly key?: string;
  readonly verbose?: boolean;
  readonly json?: boolean;
}

export function addBlockOptions(command: Command): Command {
  command
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
    );
  return addRidgeOptions(command, SAMPLES)
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
    .option(
      '--plan',
      'say what it would take, and how long, from the headers of the files alone; with --shard n how it is cut',
    )
    .option(
      '--shard <i/n>',
      'compute only the layers of shard i of n, into --state; auto: as Slurm or Kubernetes say; "tensim merge" puts them together',
      parseShardFlag,
    )
    .option(
      '--out <file>',
      'also write all of it; its ending says how: .json .svg .html, with --matrix .json .csv (repeatable)',
      collect,
      [],
    )
    .addOption(backendOption())
    .addOption(threadsOption())
    .addOption(modelOption())
    .addOption(configOption())
    .addOption(activationOption())
    .addOption(keyOption())
    .addOption(ignoreOption())
    .option('--verbose', 'say on stderr who compares MLPs, and why')
    .option('--json', 'print JSON');
}

function parseWindow(text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number from 1.');
}
