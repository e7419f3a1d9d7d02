import { type Command, InvalidArgumentError, Option } from 'commander';
import { TensimError } from '../errors.js';
import { labelOf } from '../model/labels.js';
import { type GateEnd, type GateSubjects, gateReport } from '../report/gate.js';
import { gate, settleLimits } from '../similarity/gate/gate.js';
import { ABOUT } from './about.js';
import { checkReference, readBaseline } from './baseline.js';
import { EXIT } from './exit.js';
import type { Io } from './io.js';
import { addJudgementOptions, codeOf, type JudgementFlags, type Outlets, outletsOf, tellVerdict } from './judgement.js';
import { addMethodOptions, loadPair, type MethodFlags, MODEL_ARGUMENT, similarityOptions } from './options.js';
import { createProgress } from './progress.js';

const EXAMPLES = `
Nothing that is undefined, missing or not supported passes. Exit codes: 0 pass, 1 fail, 2 bad usage or input, 3 unsupported model,
4 undecided (the 95 % interval of a sampled similarity has the limit in it).

Examples:
  $ tensim gate candidate.safetensors --against released.safetensors
  $ tensim gate candidate.safetensors --against released.safetensors --min 0.99 --format github --format junit=gate.xml
  $ tensim gate candidate.safetensors --against released.safetensors --baseline last.json --max-drop 0.005`;

interface GateFlags extends MethodFlags, JudgementFlags {
  readonly against: string;
  readonly min?: number;
  readonly minOutput?: number;
  readonly baseline?: string;
  readonly maxDrop?: number;
}

/** `tensim gate CANDIDATE --against REFERENCE` */
export function addGate(program: Command, io: Io, exit: { code: number }): void {
  const limit = (flags: string, description: string) => new Option(flags, description).argParser(parseNumber);
  const command = program
    .command('gate')
    .description(ABOUT.gate.does)
    .argument('<candidate>', MODEL_ARGUMENT)
    .requiredOption('--against <reference>', 'the network it must be similar to')
    .addOption(limit('--min <similarity>', 'least similarity in all (default: 0.98)'))
    .addOption(limit('--min-output <similarity>', 'least similarity of every single output (default: 0.9)'))
    .option('--baseline <file>', 'an earlier result (--format json) that nothing may drop from')
    .addOption(
      limit('--max-drop <difference>', 'how far a similarity may lie below that of the baseline (default: 0.01)'),
    )
    .addHelpText('after', EXAMPLES);
  addMethodOptions(addJudgementOptions(command)).action((candidate: string, flags: GateFlags) =>
    run(candidate, flags, io, exit),
  );
}

async function run(path: string, flags: GateFlags, io: Io, exit: { code: number }): Promise<void> {
  // Until there is a verdict there is no pass, whatever ends this.
  exit.code = EXIT.badInput;
  const outlets = await outletsOf(flags);
  const subjects = { candidate: { label: labelOf(path) }, reference: { label: labelOf(flags.against) } };
  try {
    await judgeFiles(path, flags, outlets, io, exit);
  } catch (error) {
    // Those who read a report find the error in it too; it says on stderr what it is in any case.
    if (error instanceof TensimError) await show(outlets, subjects, { error }, io);
    throw error;
  }
}

async function judgeFiles(
  path: string,
  flags: GateFlags,
  outlets: Outlets,
  io: Io,
  exit: { code: number },
): Promise<void> {
  const progress = await createProgress(io);
  try {
    const { min, minOutput, maxDrop, baseline: file } = flags;
    const baseline = file === undefined ? undefined : await readBaseline(file);
    settleLimits({ min, minOutput, maxDrop, baseline });
    const options = await similarityOptions(flags, io, progress);
    const [candidate, reference] = await loadPair([path, flags.against], flags, io, progress);
    if (baseline !== undefined) checkReference(baseline, reference.provenance, file!);
    const result = await gate(candidate, reference, { ...options, min, minOutput, maxDrop, baseline });
    progress.stop();
    exit.code = codeOf(result.outcome, outlets, io);
    await show(outlets, result, { result }, io);
  } finally {
    progress.stop();
  }
}

const show = (outlets: Outlets, subjects: GateSubjects, end: GateEnd, io: Io): Promise<void> =>
  tellVerdict(outlets, (format, options) => gateReport(format, subjects, end, options), io);

function parseNumber(text: string): number {
  if (/^[-+]?(\d+\.?\d*|\.\d+)$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a number.');
}
