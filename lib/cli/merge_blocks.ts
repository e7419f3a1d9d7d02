import { mergeBlocksShards } from '../blocks/shards/merge.js';
import { notThere } from '../blocks/shards/missing.js';
import { TensimError } from '../errors.js';
import { plural } from '../words/counts.js';
import { listed } from '../words/names.js';
import { oneLine } from '../words/quoting.js';
import { blocksOutput, checkBlocksFiles, writeBlocksFiles } from './blocks_output.js';
import { type Io, print, say } from './io.js';
import type { MergeFlags } from './merge.js';

/** `tensim merge PARTS…` of blocks. */
export async function mergeBlocks(files: readonly string[], flags: MergeFlags, io: Io): Promise<void> {
  const { allowMissing, mixed, out, json, serve, open } = flags;
  if (serve || open)
    throw new TensimError('INVALID_ARGUMENT', 'parts of blocks are not served on a page while they grow', {
      hint: 'Put together what there is with --allow-missing --out strip.html',
    });
  const merged = await mergeBlocksShards(files, { allowMissing, mixed, signal: io.signal });
  await checkBlocksFiles(out, merged.result.kind === 'blocks-matrix');
  for (const line of notesOn(merged)) say(io, `note: ${oneLine(line)}\n`);
  await writeBlocksFiles(merged.result, out, io);
  await print(io, [blocksOutput(merged.result, json === true, io)]);
}

function* notesOn({ missing, mixed, count }: Awaited<ReturnType<typeof mergeBlocksShards>>) {
  if (missing.length > 0) {
    const shards = missing.map(({ shard }) => String(shard));
    const of = `${plural(shards.length, 'shard')} ${listed(shards, 'and')} of ${count}`;
    yield `${notThere(missing)}, of ${of}, are not there, and left out`;
  }
  if (mixed.length > 0) yield `parts are from ${listed(mixed, 'and')}: the last digits of a layer depend on its part`;
}
