import { stat } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import type { Command } from 'commander';
import type { LiveFeed } from '../live/feed.js';
import { kindOfParts } from '../shards/kinds.js';
import { mergeShards } from '../shards/merge.js';
import { haveEnough } from '../shards/samples/parts.js';
import type { MergeOptions } from '../shards/terms.js';
import { GROUPS } from '../similarity/sampled/jackknife.js';
import type { CrossSimilarity, SimilarityMatrix } from '../similarity/terms/types.js';
import { count, plural } from '../words/counts.js';
import { listed } from '../words/names.js';
import { oneLine } from '../words/quoting.js';
import { ABOUT } from './about.js';
import { type Io, print, say } from './io.js';
import { matrixOutput, warnOfOrder } from './matrix.js';
import { mergeBlocks } from './merge_blocks.js';
import { checkOutputs, collect, writeOutputs } from './options.js';
import { addServingOptions, type ServingFlags, whileServed } from './serving.js';

const EXAMPLES = `
The result is that of one run, to the last digit; the models are not read. Parts may still be running.
Parts of "tensim blocks" are told from those of a matrix by themselves.

Examples:
  $ tensim merge part-*.state --out report.html
  $ tensim merge part-1.state part-2.state part-3.state --serve
  $ tensim merge part-*.state --allow-missing --json > so_far.json`;

/** Milliseconds between two looks at the parts that grow, at least, and how many times what putting them together took. */
const INTERVAL = 1000;
const SPARING = 10;

export interface MergeFlags extends ServingFlags {
  readonly allowMissing?: boolean;
  readonly mixed?: boolean;
  readonly json?: boolean;
  readonly out: readonly string[];
}

type MergedMatrix = Awaited<ReturnType<typeof mergeShards>>;

/** `tensim merge PARTS…` */
export function addMerge(program: Command, io: Io): void {
  const command = program
    .command('merge')
    .description(ABOUT.merge.does)
    .argument('<files...>', 'state files that matrix --shard, or blocks --shard, has written')
    .option('--allow-missing', 'leave pairs open, or layers out, that are not there yet')
    .option('--mixed', 'take parts of different backends or instructions, whose last digits differ')
    .option('--json', 'print JSON')
    .option(
      '--out <file>',
      'also write a report; its ending says which: .json .csv .npy .svg .html, of blocks .json .svg .html, of several networks .json .csv (repeatable)',
      collect,
      [],
    )
    .option('--serve', 'wait for what is missing, and show what is there on a page of this machine meanwhile');
  addServingOptions(command)
    .addHelpText('after', EXAMPLES)
    .action((files: string[], flags: MergeFlags) => merge(files, flags, io));
}

async function merge(files: readonly string[], flags: MergeFlags, io: Io): Promise<void> {
  if ((await kindOfParts(files)) === 'blocks') return mergeBlocks(files, flags, io);
  await checkOutputs(flags.out);
  const { allowMissing, mixed } = flags;
  const options = { allowMissing, mixed, signal: io.signal };
  await whileServed(listed(files, 'and'), flags, io, async (feed) => {
    const merged = await (feed === undefined ? mergeShards(files, options) : followed(files, options, feed));
    const { result } = merged;
    for (const line of notesOn(merged)) say(io, `note: ${oneLine(line)}\n`);
    if (result.kind === 'matrix') warnOfOrder(result, io);
    await writeOutputs(result, flags.out, io);
    await print(io, await matrixOutput(result, flags.json === true, io));
  });
}

/** Puts together what there is whenever a part has grown, until nothing is missing. */
async function followed(files: readonly string[], options: MergeOptions, feed: LiveFeed): Promise<MergedMatrix> {
  const { signal } = options;
  for (;;) {
    const before = await sizesOf(files);
    const there = files.filter((_, i) => before[i] > 0);
    const started = performance.now();
    if (there.length > 0 && (await haveEnough(there))) {
      const merged = await mergeShards(there, { ...options, allowMissing: true });
      feed.report(merged.result);
      feed.notes([...notesOn(merged)].map((text) => ({ tone: 'plain', text })));
      if (merged.missing.length === 0) return merged;
    }
    const pause = Math.max(INTERVAL, SPARING * (performance.now() - started));
    do await wait(pause, undefined, { ...(signal && { signal }) });
    while (`${await sizesOf(files)}` === `${before}`);
  }
}

/** Bytes of every part; 0 of one that has not been begun. */
const sizesOf = (files: readonly string[]): Promise<number[]> =>
  Promise.all(
    files.map((file) =>
      stat(file).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );

function* notesOn({
  result,
  missing,
  mixed,
  count: shards,
}: MergedMatrix & { readonly result: SimilarityMatrix | CrossSimilarity }) {
  const groups = missing.reduce((sum, { groups = 0 }) => sum + groups, 0);
  if (result.sampling !== null && groups > 0) {
    const { samples } = result.sampling;
    yield groups === GROUPS
      ? `these ${count(samples)} samples do not reach the tolerance, and one run would go on with others`
      : `${count(groups)} of ${GROUPS} groups of samples are not there: the estimate is of the ${count(samples)} samples that are`;
  } else if (missing.length > 0) {
    const pairs = missing.reduce((sum, { pairs }) => sum + pairs, 0);
    const of = missing.length === 1 ? `shard ${missing[0].shard}` : `${missing.length} shards`;
    yield `${count(pairs)} ${plural(pairs, 'pair')} of ${of} of ${shards} are not there, and left open`;
  }
  if (mixed.length > 0)
    yield `parts are from ${listed(mixed, 'and')}: the last digits of an inner product depend on its part`;
}
