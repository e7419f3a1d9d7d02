import { type Command, InvalidArgumentError, Option } from 'commander';
import { explanationJson } from '../report/explain/json.js';
import { explanationText } from '../report/explain/text.js';
import { checkExplanationFile, imageOf, writeExplanation } from '../report/explain/write.js';
import { passedOverText } from '../report/text.js';
import { explain } from '../similarity/explain/explain.js';
import { jsonText, oneLine } from '../words/quoting.js';
import { ABOUT } from './about.js';
import { fitted, type Io, print, say } from './io.js';
import {
  addMethodOptions,
  collect,
  loadPair,
  type MethodFlags,
  MODEL_ARGUMENT,
  similarityOptions,
  textOptions,
} from './options.js';
import { createProgress } from './progress.js';

const EXAMPLES = `
With at most one block, bilinear, hidden or gated: the input directions along which the outputs differ; with activations also how much of
the difference they leave to higher degrees. With more blocks, with attention, or with --by layers: which layer changed, by exchanging
layers between the two.

Examples:
  $ tensim explain step_6000.safetensors step_8000.safetensors --image 8x8
  $ tensim explain a.safetensors b.safetensors --output 9 --top 8 --out report.html
  $ tensim explain a.safetensors b.safetensors --json > directions.json`;

interface ExplainFlags extends MethodFlags {
  readonly output?: readonly number[];
  readonly top?: number;
  readonly by?: 'directions' | 'layers';
  readonly image?: string;
  readonly verbose?: boolean;
  readonly json?: boolean;
  readonly out: readonly string[];
}

/** `tensim explain A B` */
export function addExplain(program: Command, io: Io): void {
  const command = program
    .command('explain')
    .description(ABOUT.explain.does)
    .argument('<a>', MODEL_ARGUMENT)
    .argument('<b>', 'the other; the difference is that of b from a')
    .addOption(
      new Option(
        '--output <numbers>',
        'outputs to show, such as 9 or 0,3,9 (default: the 16 that differ most)',
      ).argParser(parseOutputs),
    )
    .addOption(new Option('--top <count>', 'directions per output, at most (default: 4)').argParser(parseTop))
    .addOption(
      new Option(
        '--by <what>',
        'explain by directions of the input, or by layers exchanged (default: what there is)',
      ).choices(['directions', 'layers']),
    )
    .option('--image <shape>', 'show directions as pictures of this shape, such as 8x8 or 3x32x32')
    .addHelpText('after', EXAMPLES);
  addMethodOptions(command)
    .option('--verbose', 'say on stderr which backend was chosen, and why')
    .option('--json', 'print JSON')
    .option('--out <file>', 'also write a report; its ending says which: .json .svg .html (repeatable)', collect, [])
    .action((a: string, b: string, flags: ExplainFlags) => explainFiles(a, b, flags, io));
}

async function explainFiles(a: string, b: string, flags: ExplainFlags, io: Io): Promise<void> {
  for (const file of flags.out) await checkExplanationFile(file);
  const progress = await createProgress(io);
  try {
    const options = await similarityOptions(flags, io, progress);
    const [first, second] = await loadPair([a, b], flags, io, progress);
    const { output: outputs, top, by, image } = flags;
    const found = await explain(first, second, { ...options, outputs, top, by });
    progress.stop();
    if (flags.verbose) say(io, passedOverText(found));
    // Before anything is written: an image that does not fit is an error of usage.
    const shape = imageOf(found, image);
    for (const file of flags.out) {
      await writeExplanation(found, file, { image, command: io.command });
      say(io, `wrote ${oneLine(file)}\n`);
    }
    const text = flags.json
      ? `${jsonText(explanationJson(found))}\n`
      : fitted(io, explanationText(found, shape, textOptions(io)));
    await print(io, [text]);
  } finally {
    progress.stop();
  }
}

function parseOutputs(text: string): number[] {
  if (/^\d{1,9}(,\d{1,9})*$/.test(text)) return text.split(',').map(Number);
  throw new InvalidArgumentError('It must be numbers joined by commas.');
}

function parseTop(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number from 1.');
}
