import type { Costs, Cut, Extent, Grid } from './grid.js';
import { evenly, readingOf, sum, workOf } from './groups.js';

/** Tiles per shard, about: so many that none is much of a shard, few enough to be walked through at once. */
const TILES = 64;
/** Groups on a side at most. */
const MOST_GROUPS = 4096;
/** Halvings by which the least that the largest shard must take is found. */
const STEPS = 24;

/**
 * Cuts along a path through all tiles that are wanted.
 *
 *     ┌────┬────┬─────────┐     Tiles are handed out half by half: first those of the first half of the models with
 *     │ 1  │ 2  │    4    │     each other, then those of the first with the second half, then those of the second.
 *     └────┼────┤         │     So what is handed out one after the other lies together: a shard reads up to 1.7 times
 *          │ 3  │         │     the 2N/√2c models of a square.
 *          └────┼────┬────┤
 *               │ 5  │ 6  │
 *               └────┼────┤
 */
export function cutAlongPath(extent: Extent, costs: Costs, count: number): Cut {
  const grid = gridOf(extent, costs, count);
  const { tiles, bounds } = grid;
  const work = new Float64Array(tiles.length / 2);
  for (const tile of work.keys()) work[tile] = workOf(grid, tile, costs);
  const reading = readingOf(bounds, costs);
  let [least, most] = [0, sum(work, 0, work.length) + tiles.reduce((all, group) => all + reading[group], 0)];
  for (let step = 0; step < STEPS; step++) {
    const middle = (least + most) / 2;
    if (dealt(tiles, work, reading, middle, count) === null) least = middle;
    else most = middle;
  }
  const { starts, loads } = dealt(tiles, work, reading, most, count)!;
  return { grid, starts, loads: loads.map((load) => load + costs.each) };
}

/** Tiles to shards of at most so much, but for single ones; null where that takes more shards. */
function dealt(tiles: Int32Array, work: Float64Array, reading: Float64Array, most: number, count: number) {
  const starts = new Int32Array(count + 1).fill(work.length);
  const loads = new Float64Array(count);
  const holds = new Int32Array(reading.length).fill(-1);
  let shard = -1;
  for (let tile = 0; tile < work.length; tile++) {
    let added = costOf(tile);
    if (shard < 0 || loads[shard] + added > most) {
      if (++shard === count) return null;
      starts[shard] = tile;
      added = costOf(tile);
    }
    loads[shard] += added;
    holds[tiles[2 * tile]] = shard;
    holds[tiles[2 * tile + 1]] = shard;
  }
  return { starts, loads };

  function costOf(tile: number): number {
    const [row, column] = [tiles[2 * tile], tiles[2 * tile + 1]];
    const ofRow = holds[row] === shard ? 0 : reading[row];
    const ofColumn = row === column || holds[column] === shard ? 0 : reading[column];
    return work[tile] + ofRow + ofColumn;
  }
}

function gridOf(extent: Extent, { pair }: Costs, count: number): Grid {
  const { rows, columns, window } = extent;
  if (columns > 0) {
    const wanted = TILES * count;
    const rowGroups = clamp(Math.ceil(Math.sqrt((wanted * rows) / columns)), rows);
    const byRow = evenly(pair, 0, rows, rowGroups);
    const byColumn = evenly(pair, rows, rows + columns, clamp(Math.ceil(wanted / rowGroups), columns));
    const bounds = Int32Array.from([...byRow, ...byColumn.subarray(1)]);
    const ofRows = byRow.length - 1;
    const tiles = [...rectangle([0, ofRows], [ofRows, bounds.length - 1])];
    return { extent, bounds, rowGroups: ofRows, tiles: Int32Array.from(tiles.flat()) };
  }
  const near = window === null ? rows : Math.min(rows, window + 1);
  const part = (near * (2 * rows - near + 1)) / (rows * (rows + 1));
  const bounds = evenly(pair, 0, rows, clamp(Math.ceil(Math.sqrt((2 * TILES * count) / part)), rows));
  const groups = bounds.length - 1;
  const inReach = ([row, column]: Tile) => bounds[column] - bounds[row + 1] + 1 < near;
  const tiles = [...triangle(0, groups, inReach)];
  return { extent, bounds, rowGroups: groups, tiles: Int32Array.from(tiles.flat()) };
}

const clamp = (groups: number, places: number): number => Math.max(1, Math.min(groups, places, MOST_GROUPS));

type Tile = readonly [row: number, column: number];

/** The tiles of groups with each other; those that are not wanted are passed over, whole halves at a time. */
function* triangle(from: number, to: number, wanted: (tile: Tile) => boolean): Generator<Tile> {
  if (to - from === 1) {
    yield [from, from];
    return;
  }
  const middle = (from + to) >> 1;
  yield* triangle(from, middle, wanted);
  yield* rectangle([from, middle], [middle, to], wanted);
  yield* triangle(middle, to, wanted);
}

/** @param wanted if no tile at the corner nearest to the diagonal is, none is. */
function* rectangle(rows: Tile, columns: Tile, wanted: (tile: Tile) => boolean = () => true): Generator<Tile> {
  if (!wanted([rows[1] - 1, columns[0]])) return;
  const [height, width] = [rows[1] - rows[0], columns[1] - columns[0]];
  if (height === 1 && width === 1) yield [rows[0], columns[0]];
  else if (height >= width) {
    const middle = (rows[0] + rows[1]) >> 1;
    yield* rectangle([rows[0], middle], columns, wanted);
    yield* rectangle([middle, rows[1]], columns, wanted);
  } else {
    const middle = (columns[0] + columns[1]) >> 1;
    yield* rectangle(rows, [columns[0], middle], wanted);
    yield* rectangle(rows, [middle, columns[1]], wanted);
  }
}
