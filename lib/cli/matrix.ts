import type { Command } from 'commander';
import { labelsOf } from '../model/labels.js';
import { loadModel } from '../model/load.js';
import type { Model } from '../model/model.js';
import { expandPaths } from '../model/paths.js';
import { matrixJsonText } from '../report/json.js';
import { matrixText } from '../report/text.js';
import { similarityMatrix } from '../similarity/matrix.js';
import { type Io, print } from './io.js';
import {
  addComparisonOptions,
  type ComparisonFlags,
  checkOutputs,
  explainRoute,
  similarityOptions,
  textOptions,
  writeOutputs,
} from './options.js';
import { createProgress } from './progress.js';

const EXAMPLES = `
Files are put in order by their metadata "step", or else by the numbers in their names.

Examples:
  $ tensim matrix checkpoints/ --per-output --out report.html
  $ tensim matrix "runs/*/final.safetensors" --measure tensor
  $ tensim matrix step_*.safetensors --json > matrix.json`;

/** `tensim matrix FILES…` */
export function addMatrix(program: Command, io: Io): void {
  const command = program
    .command('matrix')
    .description('the similarities of every pair of many networks')
    .argument('<files...>', 'files, folders and quoted patterns')
    .addHelpText('after', EXAMPLES);
  addComparisonOptions(command).action((files: string[], flags: ComparisonFlags) => matrix(files, flags, io));
}

async function matrix(patterns: string[], flags: ComparisonFlags, io: Io): Promise<void> {
  await checkOutputs(flags.out);
  const progress = createProgress(io);
  try {
    const options = await similarityOptions(flags, io, progress);
    const paths = await expandPaths(patterns, io.signal);
    const labels = labelsOf(paths);
    const models: Model[] = [];
    for (const [index, path] of paths.entries()) {
      progress.update('reading', index, paths.length);
      const { model, config } = flags;
      models.push(await loadModel(path, { model, config, label: labels[index], signal: io.signal }));
    }
    const result = await similarityMatrix(models, options);
    progress.stop();
    explainRoute(result, flags, io);
    await writeOutputs(result, flags.out, io);
    await print(io, flags.json ? matrixJsonText(result) : [matrixText(result, textOptions(io))]);
  } finally {
    progress.stop();
  }
}
