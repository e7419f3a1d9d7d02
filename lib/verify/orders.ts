import type { Pacer } from '../cooperate.js';

/* In which order one tensor has the rows of another, and what made it so. */

/** Rows that are tried beside the nearest by their sketch: more are alike only where they are the same. */
const NEIGHBOURS = 8;
/** The same where rows have so large an error that their sketches do. */
const COARSE = { tolerance: 0.01, neighbours: 64 };
/** Columns after which rows that have nothing in common are told apart. */
const FIRST = 32;

/**
 * For every row of b the row of a that it is, each taken once; undefined where one is none of them.
 * @param tolerance of a row's error, relative to its norm
 */
export async function matchRows(
  a: Float64Array,
  b: Float64Array,
  columns: number,
  tolerance: number,
  pacer: Pacer,
): Promise<Int32Array | undefined> {
  const count = b.length / columns;
  const reach = tolerance > COARSE.tolerance ? COARSE.neighbours : NEIGHBOURS;
  const [one, two] = [await sketchesOf(a, columns, pacer), await sketchesOf(b, columns, pacer)];
  const sorted = Int32Array.from(one.keys()).sort((i, j) => one[i] - one[j]);
  const taken = new Uint8Array(one.length);
  const order = new Int32Array(count);
  for (let row = 0; row < count; row++) {
    if (pacer.due(4 * columns)) await pacer.pause();
    const isIt = (own: number) => taken[own] === 0 && isRow(a, own, b, row, columns, tolerance);
    const found = row < one.length && isIt(row) ? row : near(sorted, one, two[row], reach).find(isIt);
    if (found === undefined) return undefined;
    taken[found] = 1;
    order[row] = found;
  }
  return order;
}

async function sketchesOf(data: Float64Array, columns: number, pacer: Pacer): Promise<Float64Array> {
  const sketches = new Float64Array(data.length / columns);
  for (let row = 0; row < sketches.length; row++) {
    for (let j = 0; j < columns; j++) {
      const h = Math.imul(j ^ (j >>> 3), 0x9e3779b1);
      sketches[row] += h & 0x10000 ? data[row * columns + j] : -data[row * columns + j];
    }
    if (pacer.due(2 * columns)) await pacer.pause();
  }
  return sketches;
}

/** Rows whose sketches are the nearest to a value, the nearest first by place. */
function near(sorted: Int32Array, sketches: Float64Array, value: number, reach: number): number[] {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sketches[sorted[middle]] < value) low = middle + 1;
    else high = middle;
  }
  const found: number[] = [];
  for (let step = 0; step < reach; step++)
    for (const at of [low + step, low - 1 - step]) if (at >= 0 && at < sorted.length) found.push(sorted[at]);
  return found;
}

function isRow(a: Float64Array, i: number, b: Float64Array, j: number, columns: number, tolerance: number): boolean {
  let [norm, error] = [0, 0];
  for (let k = 0; k < columns; k++) {
    const [x, y] = [a[i * columns + k], b[j * columns + k]];
    norm += x * x;
    error += (x - y) ** 2;
    if (k === FIRST && error > norm) return false;
  }
  return error <= tolerance ** 2 * norm;
}

/** Row i of the result is row `order[i]` of what is put in order. */
type Order = Int32Array;

const identity = (rows: number): Order => Int32Array.from({ length: rows }, (_, i) => i);

/** Rows of so many heads from halves to neighbours: what a converter from rotate_half to pairs does. */
function toNeighbours(rows: number, heads: number, turned = rows / heads): Order {
  const width = rows / heads;
  return Int32Array.from({ length: rows }, (_, i) => {
    const [head, own] = [i - (i % width), i % width];
    return own >= turned ? i : head + (own % 2) * (turned / 2) + (own >> 1);
  });
}

function inverse(order: Order): Order {
  const result = new Int32Array(order.length);
  for (const [to, from] of order.entries()) result[from] = to;
  return result;
}

const isEqual = (a: Order, b: Order): boolean => a.every((value, i) => value === b[i]);

/** What made an order of rows of queries or keys. */
export interface PairsFault {
  /** Heads that the rows were put in order for; null where they were left as they are. */
  readonly heads: number | null;
}

/**
 * Whether rows of queries or keys are in the order of a converter that put pairs beside each other, or apart, once or
 * twice and perhaps for another number of heads; undefined where they are in another.
 * @param order of the rows as they are stored
 * @param heads that the rows are of
 * @param turned rows of a head that positions turn
 */
export function pairsFault(order: Order, heads: number, turned: number): PairsFault | undefined {
  const rows = order.length;
  if (isEqual(order, identity(rows))) return { heads: null };
  const counts = Array.from({ length: rows }, (_, i) => i + 1).filter((n) => rows % n === 0 && rows / n > 2);
  const known: { readonly heads: number; readonly order: Order }[] = [];
  for (const count of [heads, ...counts.filter((n) => n !== heads)]) {
    const width = rows / count;
    if (width % 2 !== 0) continue;
    const own = toNeighbours(rows, count, count === heads ? turned : width);
    known.push({ heads: count, order: own }, { heads: count, order: inverse(own) });
  }
  for (const one of known) if (isEqual(order, one.order)) return { heads: one.heads };
  for (const one of known)
    for (const other of known)
      if (order.every((value, i) => value === one.order[other.order[i]]))
        return { heads: one.heads === heads ? other.heads : one.heads };
  return undefined;
}

/** Whether runs of so many rows stay together. */
export function movesRuns(order: Order, run: number): boolean {
  if (run < 1 || order.length % run !== 0) return false;
  return order.every((value, i) => value % run === i % run && value - (i % run) === order[i - (i % run)]);
}
