import { type Command, Option } from 'commander';
import { adaptersIn } from '../adapters/find.js';
import { adapterMatrix } from '../adapters/matrix.js';
import type { AdapterMatrixOptions } from '../adapters/terms.js';
import { adaptersJsonText } from '../report/adapters/json.js';
import { adaptersText } from '../report/adapters/text.js';
import { checkAdaptersFile, writeAdapters } from '../report/adapters/write.js';
import { oneLine } from '../words/quoting.js';
import { ABOUT } from './about.js';
import { fitted, type Io, print, say } from './io.js';
import { backendOption, collect, parseSize, textOptions, threadsOption } from './options.js';
import { createProgress } from './progress.js';

interface AdapterFlags extends Required<Pick<AdapterMatrixOptions, 'backend' | 'dtype'>> {
  readonly threads?: number;
  readonly memoryLimit?: number;
  readonly json?: boolean;
  readonly out: readonly string[];
}

const ARGUMENT =
  'adapters: folders that PEFT or MLX saved, their weights with adapter_config.json beside, or folders of such folders';

const EXAMPLES = `
Changes s · B A of all weights are compared as one vector, and never multiplied out.

Examples:
  $ tensim adapters run_1/ run_2/ run_3/
  $ tensim adapters checkpoints/ --out cosines.csv
  $ tensim adapters hub/ --dtype float32 --memory-limit 1GiB --json`;

/** `tensim adapters DIR…` */
export function addAdapters(program: Command, io: Io): void {
  program
    .command('adapters')
    .description(ABOUT.adapters.does)
    .argument('<adapters...>', ARGUMENT)
    .addOption(new Option('--dtype <type>', 'compute type').choices(['float64', 'float32']).default('float64'))
    .option('--memory-limit <size>', 'for factors: 512MiB, 2GB; others are read again (default: 1.25GiB)', parseSize)
    .option('--out <file>', 'also write the matrix; its ending says how: .json .csv .npy (repeatable)', collect, [])
    .addOption(backendOption())
    .addOption(threadsOption())
    .option('--json', 'print JSON')
    .addHelpText('after', EXAMPLES)
    .action((paths: string[], flags: AdapterFlags) => adapters(paths, flags, io));
}

async function adapters(given: readonly string[], flags: AdapterFlags, io: Io): Promise<void> {
  const { backend, threads, dtype, memoryLimit, out } = flags;
  const progress = await createProgress(io);
  try {
    for (const file of out) await checkAdaptersFile(file);
    const result = await adapterMatrix(await adaptersIn(given), {
      ...{ backend, threads, dtype, memoryLimit, signal: io.signal },
      onProgress: ({ done, total }) => progress.update('comparing', done, total, 'pairs of weights'),
    });
    progress.stop();
    for (const file of out) {
      await writeAdapters(result, file);
      say(io, `wrote ${oneLine(file)}\n`);
    }
    await print(io, flags.json ? adaptersJsonText(result) : [fitted(io, adaptersText(result, textOptions(io)))]);
  } finally {
    progress.stop();
  }
}
