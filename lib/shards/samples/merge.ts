import { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { crossOf, squareOf } from '../../similarity/assembled.js';
import { Cells } from '../../similarity/gram/cells.js';
import { sameLabels } from '../../similarity/gram/distinct.js';
import { crossOrder, squareOrder } from '../../similarity/gram/numbering.js';
import { pairCount } from '../../similarity/gram/pairs.js';
import { resultOf } from '../../similarity/matrix_result.js';
import { checkRoom } from '../../similarity/members/room.js';
import { GROUPS } from '../../similarity/sampled/jackknife.js';
import type { CrossSimilarity, ResultInfo, SimilarityMatrix, Work } from '../../similarity/terms/types.js';
import { count as countText, plural } from '../../words/counts.js';
import { givenOf, rankedOf } from '../given.js';
import { namedShards } from '../missing.js';
import type { Merged, MergeOptions } from '../terms.js';
import { foundIn, stageAfter } from './found.js';
import { groupsOf } from './matrix.js';
import { FEWEST_GROUPS, readSampledParts, type SampledParts } from './parts.js';

/**
 * Puts the parts of a sampled matrix together: their groups of samples add up in the order of one run. Where some may be
 * missing, the result is the estimate of fewer samples, with the errors of these.
 * @throws TensimError as `mergeShards`; `INVALID_ARGUMENT` also where one run would go on with other samples, and `allowMissing` does not say that this may be left out.
 */
export async function mergeSampled(
  paths: readonly string[],
  { allowMissing = false, signal }: MergeOptions,
): Promise<Merged<SimilarityMatrix | CrossSimilarity>> {
  const read = await readSampledParts(paths);
  const [{ header, stage }] = read.parts;
  const { matrix, count, names, perOutput } = header;
  const { rows, columns, window, labels, order, evaluated } = matrix;
  const slices = perOutput ? names.length : 0;
  checkRoom(rows, columns === 0 ? rows : columns, slices);
  const given = givenOf(labels, read.models);
  const { models, pairs } = columns === 0 ? squareOrder(rankedOf(given), window) : crossOrder(rankedOf(given), rows);
  const { numbers, members } = models;
  const places = members.map((_, number) => evaluated[numbers.indexOf(number)]);
  const { estimate, missing } = await foundIn(read.parts, places, signal);
  const few = GROUPS - missing.length < FEWEST_GROUPS;
  if (missing.length > 0 && (few || !allowMissing)) throw incomplete(missing, read, allowMissing);
  estimate.leaveOut(missing);
  await estimate.finish();
  const next = missing.length > 0 ? null : await stageAfter(estimate, stage, header);
  if (next !== null && !allowMissing) throw unfinished(next.inputs, count);
  const sides = columns === 0 ? { rows: numbers } : { rows: numbers.slice(0, rows), columns: numbers.slice(rows) };
  const cells = new Cells({ columns: numbers, ...sides, count: members.length, slices, window });
  const total = pairCount(pairs);
  cells.expect(total, total);
  const all = [...members.keys()];
  const sampled = await estimate.gram();
  await cells.put({ rows: all, columns: all, symmetric: true }, sampled, new Pacer(signal));
  const info: ResultInfo = { ...header.info };
  const work: Work = { pairs: total, reused: total, prepared: 0, same: sameLabels(models, given), discarded: 0 };
  const computed = {
    ...(await resultOf(cells, { settings: { signal, perOutput }, names, info }, sampled)),
    work,
  };
  return {
    result:
      columns === 0
        ? await squareOf(given, info, cells, { order, window, computed, signal })
        : crossOf(given.slice(0, rows), given.slice(rows), info, cells, computed),
    count,
    missing: missingOf(next === null ? missing : ALL, count),
    mixed: [],
  };
}

const ALL = Array.from({ length: GROUPS }, (_, group) => group);

/** The shards that groups are missing of. */
function missingOf(groups: readonly number[], count: number): { shard: number; pairs: number; groups: number }[] {
  return Array.from({ length: count }, (_, shard) => {
    const own = groupsOf(shard, count).filter((group) => groups.includes(group)).length;
    return { shard: shard + 1, pairs: 0, groups: own };
  }).filter((shard) => shard.groups > 0);
}

function incomplete(missing: readonly number[], { parts, there }: SampledParts, allowed: boolean): TensimError {
  const { count } = parts[0].header;
  const shards = missingOf(missing, count).map(({ shard }) => shard);
  const { reason, example } = namedShards(shards, there, count);
  const instead = allowed
    ? `: of fewer than ${FEWEST_GROUPS} groups the errors are not known`
    : ', or estimate from what there is with --allow-missing';
  return new TensimError(
    'INVALID_ARGUMENT',
    `${missing.length} ${plural(missing.length, 'group')} of samples of ${GROUPS} are missing`,
    { reason, hint: `Run what is missing (--shard ${example}/${count})${instead}` },
  );
}

function unfinished(inputs: number, count: number): TensimError {
  return new TensimError('INVALID_ARGUMENT', 'the samples so far do not reach the tolerance', {
    reason: `one run would go on with ${countText(inputs)} others, of which all ${count} shards have their groups`,
    hint: 'Start every shard again, with the state files of all beside its own: each goes on with its groups',
  });
}
