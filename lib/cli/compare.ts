import type { Command } from 'commander';
import { compareJsonText } from '../report/json.js';
import { compareText } from '../report/text.js';
import { similarity } from '../similarity/similarity.js';
import { ABOUT } from './about.js';
import { fitted, type Io, print } from './io.js';
import { momentsIn, sweptRidges, withoutSweep } from './law_options.js';
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
  $ tensim compare a.safetensors b.safetensors --input data-moments.json --json
  $ tensim compare a.safetensors b.safetensors --input-data activations.npy --ridge 0,0.01,0.1,1`;

/** `tensim compare A B` */
export function addCompare(program: Command, io: Io): void {
  const command = program
    .command('compare')
    .description(ABOUT.compare.does)
    .argument('<a>', MODEL_ARGUMENT)
    .argument('<b>', 'the other')
    .addHelpText('after', EXAMPLES);
  addComparisonOptions(command)
    .option('--features', 'of bilinear autoencoders: compare all features of one with all of the other, in no order')
    .action(async (a: string, b: string, { features, ...flags }: ComparisonFlags & { readonly features?: boolean }) =>
      features ? (await import('./features.js')).compareFeatures(a, b, flags, io) : compare(a, b, flags, io),
    );
}

async function compare(a: string, b: string, flags: ComparisonFlags, io: Io): Promise<void> {
  await checkOutputs(flags.out);
  const progress = await createProgress(io);
  try {
    const ridges = sweptRidges(flags);
    const options = await similarityOptions(withoutSweep(flags), io, progress);
    const [first, second] = await loadPair([a, b], flags, io, progress);
    if (ridges !== undefined) {
      const { ridgeJsonText, ridgeSweep, ridgeText } = await import('./ridges.js');
      const moments = momentsIn(options.input);
      const under = (ridge: number) => similarity(first, second, { ...options, input: { ...moments, ridge } });
      const sweep = await ridgeSweep(ridges, under, moments);
      progress.stop();
      await writeOutputs(sweep, flags.out, io);
      await print(io, flags.json ? ridgeJsonText(sweep) : [fitted(io, ridgeText(sweep))]);
      return;
    }
    const result = await similarity(first, second, options);
    progress.stop();
    explainRoute(result, flags, io);
    await writeOutputs(result, flags.out, io);
    const text = () => fitted(io, compareText(result, { ...textOptions(io), degrees: flags.degrees }));
    await print(io, flags.json ? compareJsonText(result) : [text()]);
  } finally {
    progress.stop();
  }
}
