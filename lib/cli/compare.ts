import type { Command } from 'commander';
import { compareJsonText } from '../report/json.js';
import { compareText } from '../report/text.js';
import { similarity } from '../similarity/similarity.js';
import { compareFeatures } from './features.js';
import { type Io, print } from './io.js';
import {
  addComparisonOptions,
  type ComparisonFlags,
  checkOutputs,
  explainRoute,
  loadPair,
  MODEL_ARGUMENT,
  similarityOptions,
  textOptions,
  writeOutputs,
} from './options.js';
import { createProgress } from './progress.js';

const EXAMPLES = `
Examples:
  $ tensim compare step_6000.safetensors step_6200.safetensors
  $ tensim compare a.safetensors b.safetensors --per-output --out report.html
  $ tensim compare a.safetensors b.safetensors --input data-moments.json --json`;

/** `tensim compare A B` */
export function addCompare(program: Command, io: Io): void {
  const command = program
    .command('compare')
    .description('how similar two networks are across all inputs')
    .argument('<a>', MODEL_ARGUMENT)
    .argument('<b>', 'the other')
    .addHelpText('after', EXAMPLES);
  addComparisonOptions(command)
    .option('--features', 'of bilinear autoencoders: compare all features of one with all of the other, in no order')
    .action((a: string, b: string, { features, ...flags }: ComparisonFlags & { readonly features?: boolean }) =>
      features ? compareFeatures(a, b, flags, io) : compare(a, b, flags, io),
    );
}

async function compare(a: string, b: string, flags: ComparisonFlags, io: Io): Promise<void> {
  await checkOutputs(flags.out);
  const progress = createProgress(io);
  try {
    const options = await similarityOptions(flags, io, progress);
    const [first, second] = await loadPair([a, b], flags, io, progress);
    const result = await similarity(first, second, options);
    progress.stop();
    explainRoute(result, flags, io);
    await writeOutputs(result, flags.out, io);
    await print(
      io,
      flags.json ? compareJsonText(result) : [compareText(result, { ...textOptions(io), degrees: flags.degrees })],
    );
  } finally {
    progress.stop();
  }
}
