import type { Command } from 'commander';
import { Option } from 'commander';
import { TensimError } from '../errors.js';
import type { EvaluateOptions } from '../evaluation/evaluate.js';
import { blockMoments } from '../evaluation/moments/block_moments.js';
import { loadSequences } from '../evaluation/moments/sequences.js';
import { writeSafetensors } from '../formats/safetensors/write.js';
import { loadModel } from '../model/reading/load.js';
import { passedOverText } from '../report/text.js';
import { checkPlace } from '../report/write.js';
import { count, plural } from '../words/counts.js';
import { oneLine } from '../words/quoting.js';
import { ABOUT } from './about.js';
import { type Io, say } from './io.js';
import {
  activationOption,
  configOf,
  configOption,
  ignoreOption,
  keyOption,
  MODEL_ARGUMENT,
  modelOption,
} from './model_options.js';
import { backendOption, tf32Option, threadsOption } from './options.js';
import { createProgress } from './progress.js';

const NOTES = `
The model runs on the sequences, and mean and covariance are taken of what the norm before each block gives, before its gain: attn.N.mean,
attn.N.cov, mlp.N.mean, mlp.N.cov. FILE holds token ids: whole numbers (n, positions) in .npy, .npz, .pt or .safetensors, a .json list of lists,
or text with the ids of a sequence on each line.

Examples:
  $ tensim moments llama/ --tokens tokens.npy --out moments.safetensors
  $ tensim blocks llama/ tuned/ --input moments.safetensors`;

interface MomentsFlags extends Pick<EvaluateOptions, 'dtype' | 'tf32' | 'threads'> {
  readonly tokens: string;
  readonly out: string;
  readonly backend: NonNullable<EvaluateOptions['backend']>;
  readonly model?: string;
  readonly config?: string;
  readonly activation?: string;
  readonly key?: string;
  readonly ignore: readonly string[];
  readonly verbose?: boolean;
}

/** `tensim moments MODEL --tokens FILE --out FILE` */
export function addMoments(program: Command, io: Io): void {
  program
    .command('moments')
    .description(ABOUT.moments.does)
    .argument('<model>', MODEL_ARGUMENT)
    .requiredOption('--tokens <file>', 'sequences of token ids')
    .requiredOption('--out <file>', 'the .safetensors file that is written')
    .addOption(new Option('--dtype <type>', 'compute type').choices(['float64', 'float32']).default('float64'))
    .addOption(tf32Option())
    .addOption(backendOption())
    .addOption(threadsOption())
    .addOption(modelOption())
    .addOption(configOption())
    .addOption(activationOption())
    .addOption(keyOption())
    .addOption(ignoreOption())
    .option('--verbose', 'say on stderr which backend was chosen, and why')
    .addHelpText('after', NOTES)
    .action((model: string, flags: MomentsFlags) => moments(model, flags, io));
}

async function moments(path: string, flags: MomentsFlags, io: Io): Promise<void> {
  const { tokens, out, dtype, tf32, backend, threads, model: description, key, ignore } = flags;
  const { signal } = io;
  if (!/\.safetensors$/i.test(out))
    throw new TensimError('INVALID_ARGUMENT', `moments are written as .safetensors, and not as "${oneLine(out)}"`);
  await checkPlace(out);
  const progress = await createProgress(io);
  try {
    const sequences = await loadSequences(tokens, signal);
    const model = await loadModel(path, { model: description, config: configOf(flags), key, ignore, signal });
    let ofProducts: Record<string, string> = {};
    const found = await blockMoments(model, sequences, {
      ...{ dtype, tf32, backend, threads, signal },
      onProgress: (done, total) => progress.update('running', done, total, 'tokens'),
      onBackend: (name, passedOver, inTf32) => {
        ofProducts = inTf32 ? { tf32: 'true' } : {};
        if (flags.verbose) say(io, passedOverText({ backend: name, passedOver }));
      },
    });
    progress.stop();
    const { provenance, family } = model;
    const about = { family, sha256: provenance.sha256 ?? '', tokens: String(found.tokens), ...ofProducts };
    await writeSafetensors(out, found.tensors, about);
    const inTf32 = 'tf32' in ofProducts ? ', products in TF32' : '';
    const size = `${count(found.tokens)} tokens in ${count(found.sequences)} ${plural(found.sequences, 'sequence')}`;
    say(io, `wrote ${oneLine(out)}: moments of ${count(found.tensors.size / 2)} blocks on ${size}${inTf32}\n`);
  } finally {
    progress.stop();
  }
}
