import { type Command, InvalidArgumentError } from 'commander';
import { TensimError } from '../errors.js';
import { verifyReport } from '../report/verify/report.js';
import type { Asked, Verification } from '../report/verify/sheet.js';
import { verifyMerge } from '../verify/merge.js';
import type { VerifyOptions } from '../verify/options.js';
import { verify } from '../verify/verify.js';
import { parseDecimal } from '../words/names.js';
import { ABOUT } from './about.js';
import { EXIT } from './exit.js';
import type { Io } from './io.js';
import { addJudgementOptions, codeOf, type JudgementFlags, outletsOf, tellVerdict } from './judgement.js';
import {
  activationOption,
  backendOption,
  configOf,
  configOption,
  ignoreOption,
  keyOption,
  modelOption,
  threadsOption,
} from './options.js';
import { createProgress, type ProgressLine } from './progress.js';

const NETWORK =
  'a checkpoint with its config.json beside it, quantised or not, a GGUF file, a folder with one, or its hf:// address';

const EXAMPLES = `
A transformer is the same in any layout, with its heads, units or residual stream in any basis that does not change what it computes;
the report names what was changed so. Quantised weights are held against the best that their format could do. Other networks are
compared tensor by tensor, by their names.

Nothing that could not be compared passes. Exit codes: 0 pass, 1 fail, 2 bad usage or input, 3 unsupported model, 4 undecided (some
of it could not be compared).

Examples:
  $ tensim verify base/ converted.gguf
  $ tensim verify base/ base-gptq/ --tolerance 2
  $ tensim verify released/ candidate/ --format junit > verify.xml
  $ tensim verify --base base/ --adapter lora/ --merged merged/`;

interface VerifyFlags extends Required<Pick<VerifyOptions, 'backend' | 'ignore'>>, JudgementFlags {
  readonly base?: string;
  readonly adapter?: readonly string[];
  readonly merged?: string;
  readonly tolerance?: number;
  readonly threads?: number;
  readonly model?: string;
  readonly config?: string;
  readonly activation?: string;
  readonly key?: string;
}

/** `tensim verify REFERENCE CANDIDATE`, `tensim verify --base B --adapter DIR --merged M` */
export function addVerify(program: Command, io: Io, exit: { code: number }): void {
  const command = program
    .command('verify')
    .description(ABOUT.verify.does)
    .argument('[reference]', `the network as it was: ${NETWORK}`)
    .argument('[candidate]', 'the network that is to be the same')
    .option('--base <network>', 'the network that adapters were merged into')
    .option('--adapter <folder...>', 'an adapter that was merged: its folder or file (several, or repeated)')
    .option('--merged <network>', 'what came out of the merge')
    .option(
      '--tolerance <factor>',
      'how many times the best error of its format a quantised tensor may have (default: 3)',
      parseFactor,
    )
    .addOption(backendOption())
    .addOption(threadsOption())
    .addOption(modelOption())
    .addOption(configOption())
    .addOption(activationOption())
    .addOption(keyOption())
    .addOption(ignoreOption())
    .addHelpText('after', EXAMPLES);
  addJudgementOptions(command).action(
    (reference: string | undefined, candidate: string | undefined, flags: VerifyFlags) =>
      run(reference, candidate, flags, io, exit),
  );
}

async function run(
  reference: string | undefined,
  candidate: string | undefined,
  flags: VerifyFlags,
  io: Io,
  exit: { code: number },
): Promise<void> {
  // Until there is a verdict there is no pass, whatever ends this.
  exit.code = EXIT.badInput;
  const asked = askedOf(reference, candidate, flags);
  const outlets = await outletsOf(flags);
  const show = (told: Verification) =>
    tellVerdict(outlets, (format, options) => verifyReport(format, told, options), io);
  try {
    const told = await judged(asked, flags, io);
    exit.code = codeOf(told.end.result.outcome, outlets, io);
    await show(told);
  } catch (error) {
    // Those who read a report find the error in it too; it says on stderr what it is in any case.
    if (error instanceof TensimError) await show({ ...asked, end: { error } });
    throw error;
  }
}

async function judged(asked: Asked, flags: VerifyFlags, io: Io) {
  const progress = await createProgress(io);
  try {
    const options = optionsOf(flags, io, progress);
    if (asked.kind === 'pair')
      return { ...asked, end: { result: await verify(asked.reference, asked.candidate, options) } };
    return { ...asked, end: { result: await verifyMerge(asked.base, asked.adapters, asked.merged, options) } };
  } finally {
    progress.stop();
  }
}

function optionsOf(flags: VerifyFlags, io: Io, progress: ProgressLine): VerifyOptions {
  const { tolerance, backend, threads, model, key, ignore } = flags;
  return {
    ...{ tolerance, backend, threads, model, key, ignore },
    ...{ config: configOf(flags), signal: io.signal },
    onProgress: ({ done, total }) => progress.update('verifying', done, total),
  };
}

/** A pair or a merge; what is neither, or half of one, is refused. */
function askedOf(reference: string | undefined, candidate: string | undefined, flags: VerifyFlags): Asked {
  const { base, adapter: adapters, merged } = flags;
  const isMerge = base !== undefined || adapters !== undefined || merged !== undefined;
  if (!isMerge) {
    if (reference !== undefined && candidate !== undefined) return { kind: 'pair', reference, candidate };
    throw new TensimError('INVALID_ARGUMENT', `${reference === undefined ? 'no network is' : 'one network is'} given`, {
      hint: 'Give two, the reference and the candidate, or a merge: --base, --adapter and --merged',
    });
  }
  if (reference !== undefined)
    throw new TensimError('INVALID_ARGUMENT', 'a pair is given, and a merge', {
      hint: 'Give the networks of a merge by --base, --adapter and --merged alone',
    });
  if (base !== undefined && adapters !== undefined && merged !== undefined)
    return { kind: 'merge', base, adapters, merged };
  const missing = Object.entries({ base, adapter: adapters, merged }).flatMap(([name, given]) =>
    given === undefined ? [`--${name}`] : [],
  );
  throw new TensimError('INVALID_ARGUMENT', `a merge is given without ${missing.join(' and ')}`, {
    hint: 'It takes --base, --adapter and --merged',
  });
}

function parseFactor(text: string): number {
  const factor = parseDecimal(text);
  if (factor !== undefined && factor >= 1) return factor;
  throw new InvalidArgumentError('It must be a number from 1.');
}
