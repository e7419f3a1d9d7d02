import type { Costs, Cut, Grid } from './grid.js';
import { evenly, readingOf, sum, workOf } from './groups.js';
import { type Covering, coveringsOf } from './planes.js';

/** More shards would take too many tiles to be told in every part. */
const MOST_SHARDS = 1024;
/** Models of a point at least: with fewer, points would be of quite different sizes. */
const LEAST_MODELS = 3;
/** So many groups are halved, so that there is something to even shards out with; again where they are large. */
const FEW_GROUPS = 64;
const MANY_MODELS = 16;

/** A covering of some of the models: those that the one before has left the pairs of to it. */
interface Stage {
  readonly covering: Covering;
  /** The first of its shards. */
  readonly first: number;
  /** The point of every place; −1 for a place that is not its. */
  readonly pointOf: Int32Array;
}

/**
 * Cuts a square by coverings: models are the points, a few of them each, and a shard compares those of one set with each
 * other. So it reads N/√c of N models, and a little more, where the row and the column of a square are √2 times as many.
 *
 *     ┌───────┬───────┬───────┐     Three shards of three points: pairs of a and b are the first's, of b and c the
 *     │ a ╲ 1 │   1   │   3   │     second's, of c and a the third's; pairs within a point are a matter of two, and
 *     └───────┼───────┼───────┤     even them out. Of four shards three are such, and leave the pairs within half of
 *             │ b ╲ 2 │   2   │     every point, a fourth of all, to the fourth.
 *             └───────┼───────┤
 *                     │ c ╲ 3 │
 *                     └───────┘
 *
 * @returns undefined for too few models, or too many shards
 */
export function cutByCoverings(costs: Costs, count: number): Cut | undefined {
  const stages = count > MOST_SHARDS ? undefined : stagesOf(costs, count);
  if (stages === undefined) return undefined;
  const grid = gridOf(stages, costs);
  const { tiles, bounds } = grid;
  const reading = readingOf(bounds, costs);
  const choices = choicesOf(stages, grid);
  const loads = filesOf(stages, bounds, reading).map((files) => files + costs.each);
  const sums = Float64Array.from({ length: reading.length }, (_, group) =>
    sum(costs.pair, bounds[group], bounds[group + 1]),
  );
  const work = Float64Array.from({ length: tiles.length / 2 }, (_, tile) => {
    const [row, column] = [tiles[2 * tile], tiles[2 * tile + 1]];
    return row === column ? workOf(grid, tile, costs) : sums[row] * sums[column];
  });
  const owners = new Int32Array(work.length);
  const free: number[] = [];
  const give = (tile: number, shard: number) => {
    owners[tile] = shard;
    loads[shard] += work[tile];
  };
  for (const tile of owners.keys()) {
    const choice = choices(tile);
    if (choice.length > 1) free.push(tile);
    else give(tile, choice[0]);
  }
  free.sort((a, b) => work[b] - work[a] || a - b);
  for (const tile of free) {
    give(
      tile,
      choices(tile).reduce((least, shard) => (loads[shard] < loads[least] ? shard : least)),
    );
  }
  const dealt = inOrder(grid, owners, count);
  return dealt.starts.every((start, shard) => shard === 0 || start > dealt.starts[shard - 1])
    ? { ...dealt, loads }
    : undefined;
}

/** The coverings, of which every one but the last leaves a part of its points to the next. */
function stagesOf(costs: Costs, count: number): Stage[] | undefined {
  const { pair, file } = costs;
  const coverings = coveringsOf(count);
  const stages: Stage[] = [];
  let places = Int32Array.from(pair.keys());
  let first = 0;
  for (const [at, { covering }] of coverings.entries()) {
    const { points, sets } = covering;
    if (places.length < LEAST_MODELS * points) return undefined;
    const own = Float64Array.from(places, (place) => pair[place]);
    const bounds = evenly(own, 0, own.length, points);
    const pointOf = new Int32Array(pair.length).fill(-1);
    const left = count - first - sets.length;
    const files = Float64Array.from(places, (place) => file[place]);
    const part = left === 0 ? 0 : partLeft(covering, { own, files, left, times: coverings[at + 1].times });
    const inner: number[] = [];
    let wanted = 0;
    for (let point = 0; point < points; point++) {
      const [from, to] = [bounds[point], bounds[point + 1]];
      for (let i = from; i < to; i++) pointOf[places[i]] = point;
      // What one point leaves too much of, or too little, is made good by the next.
      wanted += part * sum(own, from, to);
      let start = to;
      while (start > from && wanted >= own[start - 1] / 2) wanted -= own[--start];
      for (let i = start; i < to; i++) inner.push(places[i]);
    }
    stages.push({ covering, first, pointOf });
    first += sets.length;
    places = Int32Array.from(inner);
  }
  return stages;
}

interface Left {
  /** What pairs and files of the models cost, by their places among these. */
  readonly own: Float64Array;
  readonly files: Float64Array;
  /** Shards that come behind those of the covering, and how many times they read all that is left to them. */
  readonly left: number;
  readonly times: number;
}

/** The part of every point that is left to the shards behind, so that these take as long as those of the covering. */
function partLeft({ points, sets }: Covering, { own, files, left, times }: Left): number {
  const [all, read] = [sum(own, 0, own.length), sum(files, 0, files.length)];
  const work = (all * all + own.reduce((sum, one) => sum + one * one, 0)) / 2;
  const ownTimes = sets.reduce((sum, set) => sum + set.length, 0) / points;
  // By pairs alone it would be √(left / all); where files take most of the time, pairs must be left all the same.
  let [least, most] = [0, (1 + Math.sqrt(left / (left + sets.length))) / 2];
  for (let step = 0; step < 32; step++) {
    const part = (least + most) / 2;
    const behind = (part * part * work + part * times * read) / left;
    if (behind < ((1 - part * part) * work + ownTimes * read) / sets.length) least = part;
    else most = part;
  }
  return most;
}

/** Groups are models that stand together and belong to the same points; tiles are all pairs of them. */
function gridOf(stages: readonly Stage[], { pair }: Costs): Grid {
  const rows = pair.length;
  const bounds = [0];
  for (let place = 1; place < rows; place++) {
    if (stages.some(({ pointOf }) => pointOf[place] !== pointOf[place - 1])) bounds.push(place);
  }
  bounds.push(rows);
  let found = bounds;
  for (let times = 0; times < 2; times++) {
    if (found.length > FEW_GROUPS || (times > 0 && rows < MANY_MODELS * found.length)) break;
    const halves = found.flatMap((bound, at) => (at === 0 ? [0] : [(found[at - 1] + bound) >> 1, bound]));
    found = halves.filter((bound, at) => at === 0 || bound > halves[at - 1]);
  }
  const groups = found.length - 1;
  const tiles = new Int32Array(groups * (groups + 1));
  for (let row = 0, at = 0; row < groups; row++) {
    for (let column = row; column < groups; column++) {
      tiles[at++] = row;
      tiles[at++] = column;
    }
  }
  return {
    extent: { rows, columns: 0, window: null },
    bounds: Int32Array.from(found),
    rowGroups: groups,
    tiles,
  };
}

/** The shards that may have a tile: those of the last covering in which both its groups are. */
function choicesOf(stages: readonly Stage[], { bounds, tiles }: Grid): (tile: number) => number[] {
  const setsAt = stages.map(({ covering: { points, sets } }) => {
    const found: number[][] = Array.from({ length: points }, () => []);
    for (const [at, set] of sets.entries()) for (const point of set) found[point].push(at);
    return found;
  });
  const pointsAt = stages.map(({ pointOf }) => Int32Array.from(bounds.subarray(0, -1), (place) => pointOf[place]));
  const depth = Int32Array.from(bounds.subarray(0, -1), (place) => {
    return stages.findLastIndex(({ pointOf }) => pointOf[place] >= 0);
  });
  return (tile) => {
    const [row, column] = [tiles[2 * tile], tiles[2 * tile + 1]];
    const stage = Math.min(depth[row], depth[column]);
    const [one, other] = [row, column].map((group) => setsAt[stage][pointsAt[stage][group]]);
    return one.filter((set) => one === other || other.includes(set)).map((set) => stages[stage].first + set);
  };
}

/** What the files of every shard cost. */
function filesOf(stages: readonly Stage[], bounds: Int32Array, reading: Float64Array): Float64Array {
  const files: number[] = [];
  for (const { covering, pointOf } of stages) {
    const ofPoint = new Float64Array(covering.points);
    for (const [group, cost] of reading.entries()) {
      const point = pointOf[bounds[group]];
      if (point >= 0) ofPoint[point] += cost;
    }
    for (const set of covering.sets) files.push(set.reduce((sum, point) => sum + ofPoint[point], 0));
  }
  return Float64Array.from(files);
}

/** A grid whose tiles stand by their owners, and where those of every owner begin. */
function inOrder(grid: Grid, owners: Int32Array, count: number): Pick<Cut, 'grid' | 'starts'> {
  const starts = new Int32Array(count + 1);
  for (const owner of owners) starts[owner + 1]++;
  for (let shard = 0; shard < count; shard++) starts[shard + 1] += starts[shard];
  const next = starts.slice(0, count);
  const tiles = new Int32Array(grid.tiles.length);
  for (const [tile, owner] of owners.entries()) {
    const place = 2 * next[owner]++;
    tiles[place] = grid.tiles[2 * tile];
    tiles[place + 1] = grid.tiles[2 * tile + 1];
  }
  return { grid: { ...grid, tiles }, starts };
}
