/** Tiles per shard, about: so many that none is much of a shard, few enough to be walked through at once. */
const TILES = 64;
/** Groups on a side at most. */
const MOST_GROUPS = 4096;

/** What models cost, in seconds of one thread of some machine: only ratios matter, and they are the same on every one. */
export interface Costs {
  /** By place. √ of what the product of a model with itself takes; that of two takes the product of theirs. */
  readonly pair: Float64Array;
  /** Of reading and preparing a model once. */
  readonly file: Float64Array;
}

/** Where models stand: rows are columns too where all are compared with each other. */
export interface Extent {
  /** Places of rows; of a square all. */
  readonly rows: number;
  /** Places of columns, behind those of the rows; 0 for a square. */
  readonly columns: number;
  /** How far from the diagonal of a square pairs are wanted; null: all. */
  readonly window: number | null;
}

/** A square, or rectangle, of models in groups, and its tiles in the order in which they are handed out. */
export interface Grid {
  readonly extent: Extent;
  /** Places at which groups begin, and the end of the last. The groups of columns come behind those of rows. */
  readonly bounds: Int32Array;
  /** Groups of rows; those after them are of columns. */
  readonly rowGroups: number;
  /** Row group and column group of every tile. */
  readonly tiles: Int32Array;
}

/** The part of a grid that is a shard's: its tiles from `starts[index]` to before `starts[index + 1]`. */
export interface Cut {
  readonly grid: Grid;
  readonly starts: Int32Array;
  /** What every shard is expected to take, in the unit of the costs. */
  readonly loads: Float64Array;
}

/**
 * Cuts all wanted pairs into shards of about equal cost. It follows from the costs alone, by operations that IEEE 754
 * rounds: the same on every machine.
 *
 *     ┌────┬────┬─────────┐     Tiles are handed out half by half: first those of the first half of the models with
 *     │ 1  │ 2  │    4    │     each other, then those of the first with the second half, then those of the second.
 *     └────┼────┤         │     So what is handed out one after the other lies together, and a shard reads little more
 *          │ 3  │         │     than the 2N/√2c models of a square.
 *          └────┼────┬────┤
 *               │ 5  │ 6  │
 *               └────┼────┤
 */
export function cutOf(extent: Extent, costs: Costs, count: number): Cut {
  const grid = gridOf(extent, costs, count);
  const { tiles, bounds } = grid;
  const work = new Float64Array(tiles.length / 2);
  for (const tile of work.keys()) work[tile] = workOf(grid, tile, costs);
  const reading = new Float64Array(bounds.length - 1);
  for (const group of reading.keys()) reading[group] = sum(costs.file, bounds[group], bounds[group + 1]);
  let [least, most] = [0, sum(work, 0, work.length) + tiles.reduce((all, group) => all + reading[group], 0)];
  for (let step = 0; step < 48; step++) {
    const middle = (least + most) / 2;
    if (dealt(tiles, work, reading, middle, count) === null) least = middle;
    else most = middle;
  }
  return { grid, ...dealt(tiles, work, reading, most, count)! };
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

/** Bounds of groups whose models' costs add up to about the same. */
function evenly(pair: Float64Array, from: number, to: number, groups: number): Int32Array {
  const all = sum(pair, from, to);
  const bounds = [from];
  let done = 0;
  for (let place = from; place < to; place++) {
    const [left, wanted] = [to - place, groups - bounds.length];
    // Every group gets a model, however much one of them weighs.
    const isFull = done * groups >= all * bounds.length || left <= wanted;
    if (isFull && bounds.length < groups && place > bounds.at(-1)!) bounds.push(place);
    done += pair[place];
  }
  return Int32Array.from([...bounds, to]);
}

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

function workOf({ bounds, tiles, extent }: Grid, tile: number, { pair }: Costs): number {
  const [row, column] = [tiles[2 * tile], tiles[2 * tile + 1]];
  const [first, end] = [bounds[column], bounds[column + 1]];
  if (extent.window === null && row !== column) return sum(pair, bounds[row], bounds[row + 1]) * sum(pair, first, end);
  let work = 0;
  for (let i = bounds[row]; i < bounds[row + 1]; i++) {
    const last = extent.window === null ? end : Math.min(end, i + extent.window + 1);
    work += pair[i] * sum(pair, Math.max(i, first), last);
  }
  return work;
}

/** Pairs of places in a tile, those of places with themselves among them. */
export function pairsOf(grid: Grid, tile: number): number {
  const ones = new Float64Array(grid.bounds.at(-1)!).fill(1);
  return workOf(grid, tile, { pair: ones, file: ones });
}

function sum(values: Float64Array, from: number, to: number): number {
  let all = 0;
  for (let i = from; i < to; i++) all += values[i];
  return all;
}

/** The shard that a tile belongs to. */
export function shardOf(starts: Int32Array, tile: number): number {
  let [least, most] = [0, starts.length - 1];
  while (most - least > 1) {
    const middle = (least + most) >> 1;
    if (starts[middle] <= tile) least = middle;
    else most = middle;
  }
  return least;
}
