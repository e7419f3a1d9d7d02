import { Pacer } from '../cooperate.js';
import { TensimError } from '../errors.js';
import { crossOf, squareOf } from '../similarity/assembled.js';
import { Cells } from '../similarity/gram/cells.js';
import { slicesIn } from '../similarity/gram/degrees.js';
import { type Ranked, sameLabels } from '../similarity/gram/distinct.js';
import { crossOrder, squareOrder } from '../similarity/gram/numbering.js';
import { type PairSet, pairCount } from '../similarity/gram/pairs.js';
import { resultOf } from '../similarity/matrix_result.js';
import { BOUND_CELL, checkRoom } from '../similarity/members/room.js';
import { StateFile } from '../similarity/state/ledger.js';
import type { CrossSimilarity, ResultInfo, SimilarityMatrix, Work } from '../similarity/terms/types.js';
import { count as countText, plural } from '../words/counts.js';
import { givenOf, rankedOf } from './given.js';
import { shardOf } from './grid.js';
import type { ShardedMatrix } from './header.js';
import { namedShards } from './missing.js';
import { type Part, type Parts, readParts } from './parts.js';
import { mergeSampled } from './samples/merge.js';
import { areSampled } from './samples/parts.js';
import type { Merged, MergeOptions } from './terms.js';

/**
 * Puts the parts of a matrix together, which `matrixShard` has computed: the result is that of one run, to the bit. The
 * models themselves are not read. Parts may still grow: what they have by now is taken, up to the last whole record. Those
 * of a sampled matrix hold groups of samples.
 *
 *     const { result } = await mergeShards(['part-1.state', 'part-2.state']);
 *
 * @param paths of the state files, in any order; several may be of one shard
 * @throws TensimError (rejects) `FILE_NOT_FOUND`, `INVALID_FILE` for what is no part; `INVALID_ARGUMENT` for parts that do
 * not belong together, or where some are missing and `allowMissing` does not say that they may; `FILE_CHANGED` where
 * two parts have found different models in one file; `MEMORY_LIMIT` where the result does not fit; the signal's reason.
 */
export async function mergeShards(
  paths: readonly string[],
  { allowMissing = false, mixed = false, signal }: MergeOptions = {},
): Promise<Merged<SimilarityMatrix | CrossSimilarity>> {
  if (await areSampled(paths)) return mergeSampled(paths, { allowMissing, mixed, signal });
  const found = await readParts(paths, mixed);
  const { matrix, count, info, names, perOutput, degrees } = found.common;
  const { rows, columns, window } = matrix;
  const slices = slicesIn(names, perOutput, degrees);
  checkRoom(rows, columns === 0 ? rows : columns, slices, undefined, BOUND_CELL);
  const given = givenOf(matrix.labels, found.models);
  const known = rankedOf(given);
  const { models, pairs } = columns === 0 ? squareOrder(known, window) : crossOrder(known, rows);
  const { numbers } = models;
  const places = columns === 0 ? { rows: numbers } : { rows: numbers.slice(0, rows), columns: numbers.slice(rows) };
  const cells = new Cells({ columns: numbers, ...places, count: models.members.length, slices, window });
  const total = pairCount(pairs);
  cells.expect(total, total);
  for (const part of found.parts) await fill(cells, part, models, signal);
  const missing = await missingIn(cells, pairs, models, matrix, count, signal);
  if (missing.size > 0 && !allowMissing) throw incomplete(missing, found);
  if (missing.size > 0) await leaveOpen(cells, pairs, slices, signal);
  const own: ResultInfo = { ...info };
  const settings = { signal, perOutput, degrees };
  const work: Work = { pairs: total, reused: total, prepared: 0, same: sameLabels(models, given), discarded: 0 };
  const computed = { ...(await resultOf(cells, { settings, names, info: own })), work };
  return {
    result:
      columns === 0
        ? await squareOf(given, own, cells, { order: matrix.order, window, computed, signal })
        : crossOf(given.slice(0, rows), given.slice(rows), own, cells, computed),
    count,
    missing: [...missing].sort(([a], [b]) => a - b).map(([shard, pairs]) => ({ shard: shard + 1, pairs })),
    mixed: found.mixed,
  };
}

/** Puts what a part has into the cells; a product counts only if the right one of two models was the row. */
async function fill(cells: Cells, part: Part, { members, rank }: Ranked, signal: AbortSignal | undefined) {
  const pacer = new Pacer(signal);
  const numbers = new Map(members.map(({ known }, number) => [known!, number]));
  await StateFile.read(part.path, async (setting, job, tile, identities) => {
    if (setting !== part.setting) return;
    const [rows, columns] = [job.rows, job.columns].map((side) => side.map((model) => numbers.get(identities[model])));
    for (const [r, i] of rows.entries()) {
      for (let c = job.symmetric ? r : 0; c < columns.length; c++) {
        const j = columns[c];
        if (i === undefined || j === undefined || rank[i] > rank[j] || cells.knows(i, j)) continue;
        cells.set(i, j, tile, r * columns.length + c);
      }
      if (pacer.due(64 * columns.length)) await pacer.pause();
    }
  });
}

/** How many pairs every shard still owes, by its number from 0. */
async function missingIn(
  cells: Cells,
  pairs: PairSet,
  { members, numbers }: Ranked,
  matrix: ShardedMatrix,
  count: number,
  signal: AbortSignal | undefined,
): Promise<Map<number, number>> {
  const missing = new Map<number, number>();
  const pacer = new Pacer(signal);
  let owner: ((i: number, j: number) => number) | undefined;
  for (let i = 0; i < pairs.count; i++) {
    for (const [from, to] of pairs.spans(i)) {
      for (let j = from; j < to; j++) {
        if (cells.knows(i, j)) continue;
        owner ??= ownerOf(matrix, numbers, members.length, count);
        const shard = owner(i, j);
        missing.set(shard, (missing.get(shard) ?? 0) + 1);
      }
      if (pacer.due(to - from)) await pacer.pause();
    }
  }
  return missing;
}

/** Which shard computes the product of two models. */
function ownerOf(matrix: ShardedMatrix, numbers: Int32Array, models: number, count: number) {
  const { bounds, rowGroups, tiles, columns, window, rows } = matrix;
  const starts = Int32Array.from(matrix.starts);
  const tileAt = new Map<string, number>();
  for (let tile = 0; tile < tiles.length / 2; tile++) tileAt.set(`${tiles[2 * tile]} ${tiles[2 * tile + 1]}`, tile);
  const standing: number[][] = Array.from({ length: models }, () => []);
  for (const [place, number] of numbers.entries()) standing[number].push(place);
  const groups = new Int32Array(numbers.length);
  for (let group = 0; group < bounds.length - 1; group++) groups.fill(group, bounds[group], bounds[group + 1]);
  const shardFor = (row: number, column: number) => {
    const tile = tileAt.get(`${row} ${column}`);
    return tile === undefined ? undefined : Math.min(count - 1, shardOf(starts, tile));
  };
  return (i: number, j: number): number => {
    for (const a of standing[i]) {
      if (i === j && columns > 0)
        return shardFor(...((a < rows ? [groups[a], rowGroups] : [0, groups[a]]) as [number, number])) ?? 0;
      for (const b of standing[j]) {
        const [first, second] = a < b ? [a, b] : [b, a];
        if (window !== null && second - first > window) continue;
        const shard = shardFor(groups[first], groups[second]);
        if (shard !== undefined) return shard;
      }
    }
    return 0;
  };
}

/** What is not there is no number. */
async function leaveOpen(cells: Cells, pairs: PairSet, slices: number, signal: AbortSignal | undefined) {
  const pacer = new Pacer(signal);
  const total = Float64Array.of(Number.NaN);
  const open = { total, perOutput: new Float64Array(slices).fill(Number.NaN) };
  for (let i = 0; i < pairs.count; i++) {
    for (const [from, to] of pairs.spans(i)) {
      for (let j = from; j < to; j++) if (!cells.knows(i, j)) cells.set(i, j, open, 0);
      if (pacer.due(to - from)) await pacer.pause();
    }
  }
}

function incomplete(missing: ReadonlyMap<number, number>, { parts, common: { count, matrix } }: Parts): TensimError {
  const there = new Set(parts.map(({ header }) => header.index));
  const pairs = [...missing.values()].reduce((sum, owed) => sum + owed, 0);
  const { reason, example } = namedShards(
    [...missing.keys()].map((shard) => shard + 1),
    there,
    count,
  );
  return new TensimError(
    'INVALID_ARGUMENT',
    `${countText(pairs)} ${plural(pairs, 'pair')} of ${countText(matrix.labels.length)} models are missing`,
    { reason, hint: `Run what is missing (--shard ${example}/${count}), or leave it open with --allow-missing` },
  );
}
