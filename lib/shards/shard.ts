import { slicesIn } from '../similarity/gram/degrees.js';
import { ranked } from '../similarity/gram/numbering.js';
import { gramMatrix } from '../similarity/gram/run.js';
import { tileSize } from '../similarity/gram/tile_size.js';
import type { ModelList } from '../similarity/matrix.js';
import { KeptModels, roomToKeep } from '../similarity/members/kept.js';
import { sourceOf } from '../similarity/members/source.js';
import { openLedger, StateFile } from '../similarity/state/ledger.js';
import { plainly } from '../similarity/terms/plain.js';
import { checkShard, requireState } from './choice.js';
import { type CutMatrix, cutMatrix } from './cut_matrix.js';
import { decodeHeader, encodeHeader, headerOf, isSameHeader, type ReadModel, type ShardHeader } from './header.js';
import { regionJobs } from './regions.js';
import { sampledShard } from './samples/shard.js';
import { placesIn, sidesOf, wantedBy } from './share.js';
import { openPlaces } from './subject.js';
import { Tally } from './tally.js';
import type { ShardChoice, ShardOptions, ShardResult } from './terms.js';

/** The part of what is free that prepared models may take, where nothing else was said. */
const FREE_PART = 1 / 2;

/**
 * Computes one part of a similarity matrix into a state file of its own, on any machine: `mergeShards` puts the parts
 * together, to the bits of one run. Pairs are dealt out by what they are expected to cost, from the headers of all files;
 * only the files that the shard compares are read. Run again, it goes on from its state file. Of a sampled matrix every
 * shard evaluates all models on samples of its own; where others follow from the sums of all shards, it finds these in
 * the state files beside its own, whose names differ in numbers alone.
 *
 *     await matrixShard('checkpoints/', { shard: { index: 3, count: 8 }, state: 'part-3.state' });
 *
 * @param models paths, folders and patterns, the same for every shard
 * @throws TensimError (rejects) as `similarityMatrix`; `INVALID_ARGUMENT` for a shard that is none, without a state
 * file, for models in memory, for the measure `behavioural`, which is not computed in shards, and for more shards of a
 * sampled matrix than it has groups of samples, 32.
 */
export async function matrixShard(
  models: ModelList,
  { shard, ...options }: ShardOptions & { readonly shard: ShardChoice; readonly state: string },
): Promise<ShardResult> {
  const { index, count } = checkShard(shard);
  const matrix = await cutMatrix(models, count, options);
  const state = requireState(matrix.settings.state);
  if (matrix.cut === null) return sampledShard(matrix, { index, count }, state);
  const { settings, subject, comparison, cut } = matrix;
  const places = placesIn(cut, index - 1);
  const members = await openPlaces(subject, places, new KeptModels(roomToKeep(settings)), settings);
  const found = await ranked(members);
  const identities: string[] = [];
  for (const member of found.members) identities.push(await member.identity());
  const read = places.map(
    (place, at): ReadModel => [place, identities[found.numbers[at]], sourceOf(members[at].outline)],
  );
  const before = await keepHeader(state, headerOf(matrix, index, read));
  const regions = sidesOf(cut, index - 1, places, found);
  const tally = new Tally(found.members.length, regions, wantedBy(cut, places, found));
  const setting = { common: comparison.setting, route: comparison.info.route };
  const known = { identities, rank: found.rank };
  const ledger = await openLedger(state, setting, known, tally, settings.signal);
  try {
    const run = {
      ...{ members: found.members, rank: found.rank, sources: comparison.sources, pairs: tally.pairs },
      ...{ cells: tally, tile: await tileOf(matrix), memoryLimit: memoryFor(matrix, found.members.length), ledger },
      jobsIn: (extents: Parameters<typeof regionJobs>[1]) =>
        regionJobs(regions, extents, found.rank, (i, j) => tally.lacks(i, j)),
    };
    const work = await gramMatrix(run, comparison.settings);
    const { measure, method, route, dtype, tf32, backend } = comparison.info;
    return plainly({
      kind: 'shard' as const,
      shard: { index, count },
      state,
      ...{ measure, method, route, dtype, ...(tf32 && { tf32 }), backend },
      models: subject.paths.length,
      files: new Set(places.map((place) => subject.paths[place])).size,
      pairs: tally.pairCount,
      ...work,
      discarded: before + ledger.discarded,
    });
  } finally {
    await ledger.close();
  }
}

/**
 * Says in the file which part of which matrix it is, where it does not say so already.
 * @returns bytes that were cut off.
 */
async function keepHeader(state: string, header: ShardHeader): Promise<number> {
  let last: ShardHeader | undefined;
  const file = await StateFile.open(
    state,
    () => {},
    (text) => {
      last = decodeHeader(text);
    },
  );
  try {
    if (last === undefined || !isSameHeader(header, last)) await file.keepShard(encodeHeader(header));
    return file.discarded;
  } finally {
    await file.close();
  }
}

async function tileOf({ comparison, pairs }: CutMatrix): Promise<number> {
  const { info, settings, names } = comparison;
  const { backend, dtype, threads } = settings;
  const flops = info.estimates.find(({ route }) => route === info.route)?.flops;
  const machine = flops === undefined ? undefined : await backend.grams.machine(dtype, threads);
  const rate = machine && machine.flopsPerSecond * machine.pace;
  const slices = slicesIn(names, settings.perOutput, settings.degrees);
  return tileSize(flops === undefined ? null : flops / pairs, slices, rate);
}

/** Where the route was chosen without a look at the memory, models that would not fit are prepared in turns. */
function memoryFor({ settings, comparison: { info }, subject }: CutMatrix, models: number): number {
  const all = info.estimates.find(({ route }) => route === info.route)?.memory ?? 0;
  const free = FREE_PART * settings.freeMemory;
  const needed = (all / subject.paths.length) * models;
  return Math.min(settings.memoryLimit, needed > free ? free : Number.POSITIVE_INFINITY);
}
