import type { Command } from 'commander';
import { mergeShards } from '../shards/merge.js';
import type { CrossSimilarity, SimilarityMatrix } from '../similarity/terms/types.js';
import { count, plural } from '../words/counts.js';
import { listed } from '../words/names.js';
import { oneLine } from '../words/quoting.js';
import { type Io, print, say } from './io.js';
import { matrixOutput, warnOfOrder } from './matrix.js';
import { checkOutputs, collect, writeOutputs } from './options.js';

const EXAMPLES = `
The result is that of one run, to the last digit; the models are not read. Parts may still be running.

Examples:
  $ tensim merge part-*.state --out report.html
  $ tensim merge part-*.state --allow-missing --json > so_far.json`;

interface MergeFlags {
  readonly allowMissing?: boolean;
  readonly mixed?: boolean;
  readonly json?: boolean;
  readonly out: readonly string[];
}

/** `tensim merge PARTS…` */
export function addMerge(program: Command, io: Io): void {
  program
    .command('merge')
    .description('puts together the parts of a matrix that was computed in shards')
    .argument('<files...>', 'state files that matrix --shard has written')
    .option('--allow-missing', 'leave pairs open that are not there yet')
    .option('--mixed', 'take parts of different backends or instructions, whose last digits differ')
    .option('--json', 'print JSON')
    .option(
      '--out <file>',
      'also write a report; its ending says which: .json .csv .npy .svg .html (repeatable)',
      collect,
      [],
    )
    .addHelpText('after', EXAMPLES)
    .action((files: string[], flags: MergeFlags) => merge(files, flags, io));
}

async function merge(files: readonly string[], flags: MergeFlags, io: Io): Promise<void> {
  await checkOutputs(flags.out);
  const { allowMissing, mixed } = flags;
  const merged = await mergeShards(files, { allowMissing, mixed, signal: io.signal });
  const { result } = merged;
  for (const line of notesOn(merged)) say(io, `note: ${oneLine(line)}\n`);
  if (result.kind === 'matrix') warnOfOrder(result, io);
  await writeOutputs(result, flags.out, io);
  await print(io, await matrixOutput(result, flags.json === true, io));
}

function* notesOn({
  missing,
  mixed,
  count: shards,
}: Awaited<ReturnType<typeof mergeShards>> & { readonly result: SimilarityMatrix | CrossSimilarity }) {
  if (missing.length > 0) {
    const pairs = missing.reduce((sum, { pairs }) => sum + pairs, 0);
    const of = missing.length === 1 ? `shard ${missing[0].shard}` : `${missing.length} shards`;
    yield `${count(pairs)} ${plural(pairs, 'pair')} of ${of} of ${shards} are not there, and left open`;
  }
  if (mixed.length > 0)
    yield `parts are from ${listed(mixed, 'and')}: the last digits of an inner product depend on its part`;
}
