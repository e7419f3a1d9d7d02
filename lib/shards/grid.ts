import { cutByCoverings } from './coverings.js';
import { sum, workOf } from './groups.js';
import { cutAlongPath } from './path.js';

/** What models cost, in seconds of one thread of some machine: only ratios matter, and they are the same on every one. */
export interface Costs {
  /** By place. √ of what the product of a model with itself takes; that of two takes the product of theirs. */
  readonly pair: Float64Array;
  /** Of reading and preparing a model once. */
  readonly file: Float64Array;
  /** Of every shard, whatever it has: the start of its process, and the headers that it reads. */
  readonly each: number;
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

/** How much longer than the mean the largest shard may take where another cut could be more even. */
const SLACK = 1.05;

/**
 * Cuts all wanted pairs into shards of about equal cost, each of few files. It follows from the costs alone, by operations
 * that IEEE 754 rounds: the same on every machine.
 */
export function cutOf(extent: Extent, costs: Costs, count: number): Cut {
  const most = ({ loads }: Cut) => loads.reduce((largest, load) => Math.max(largest, load), 0);
  const isSquare = extent.columns === 0 && extent.window === null;
  const covering = isSquare ? cutByCoverings(costs, count) : undefined;
  if (covering !== undefined && most(covering) * count <= SLACK * sum(covering.loads, 0, count)) return covering;
  const along = cutAlongPath(extent, costs, count);
  return covering !== undefined && most(covering) <= most(along) ? covering : along;
}

/** Pairs of places in a tile, those of places with themselves among them. */
export function pairsOf(grid: Grid, tile: number): number {
  const ones = new Float64Array(grid.bounds.at(-1)!).fill(1);
  return workOf(grid, tile, { pair: ones, file: ones, each: 0 });
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
