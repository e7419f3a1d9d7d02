import type { Command } from 'commander';
import { labelsOf } from '../model/labels.js';
import { loadModel } from '../model/load.js';
import { compareJson } from '../report/json.js';
import { compareText } from '../report/text.js';
import { similarity } from '../similarity/similarity.js';
import { type Io, print } from './io.js';
import {
  addComparisonOptions,
  type ComparisonFlags,
  checkOutputs,
  explainRoute,
  measureOption,
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
    .argument('<a>', 'a .safetensors file, the index of a sharded one, or a model.json with "weights"')
    .argument('<b>', 'the other')
    .addHelpText('after', EXAMPLES);
  addComparisonOptions(command, measureOption()).action((a: string, b: string, flags: ComparisonFlags) =>
    compare(a, b, flags, io),
  );
}

async function compare(a: string, b: string, flags: ComparisonFlags, io: Io): Promise<void> {
  await checkOutputs(flags.out);
  const progress = createProgress(io);
  try {
    const options = { ...(await similarityOptions(flags, io, progress)), measure: flags.measure };
    const [labelA, labelB] = labelsOf([a, b]);
    const { signal } = io;
    const { model, config } = flags;
    progress.update('reading', 0, 2);
    const first = await loadModel(a, { model, config, label: labelA, signal });
    progress.update('reading', 1, 2);
    const second = await loadModel(b, { model, config, label: labelB, signal });
    const result = await similarity(first, second, options);
    progress.stop();
    explainRoute(result, flags, io);
    await writeOutputs(result, flags.out, io);
    await print(io, [flags.json ? `${JSON.stringify(compareJson(result))}\n` : compareText(result, textOptions(io))]);
  } finally {
    progress.stop();
  }
}
