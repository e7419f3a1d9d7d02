import { expect, test } from 'vitest';
import { Pacer } from '../../lib/cooperate.js';
import { matchRows, movesRuns, pairsFault } from '../../lib/verify/orders.js';
import { random } from '../support/random.js';

const pacer = new Pacer();

function drawn(seed: number, size: number): Float64Array {
  const { normal } = random(seed);
  return Float64Array.from({ length: size }, normal);
}

/** Rows of so many columns in another order. */
const ordered = (data: Float64Array, columns: number, order: readonly number[]) =>
  Float64Array.from(order.flatMap((row) => [...data.subarray(row * columns, (row + 1) * columns)]));

/** What a converter from halves to neighbours does, written as reshape (heads, 2, half), swap, reshape. */
function permuted(rows: number, heads: number): number[] {
  const half = rows / heads / 2;
  const order: number[] = [];
  for (let head = 0; head < heads; head++)
    for (let j = 0; j < half; j++) for (let side = 0; side < 2; side++) order.push((head * 2 + side) * half + j);
  return order;
}

const backwards = (order: readonly number[]) => order.map((_, i) => order.indexOf(i));

test('rows are found again in another order, but for rounding', async () => {
  const data = drawn(1, 40 * 7);
  const order = [...Array(40).keys()].sort((i, j) => ((i * 17) % 40) - ((j * 17) % 40));
  const moved = ordered(data, 7, order).map((value) => value * (1 + 1e-8));
  expect(await matchRows(data, moved, 7, 1e-6, pacer)).toEqual(Int32Array.from(order));
  expect(await matchRows(data, moved, 7, 1e-9, pacer)).toBeUndefined();
});

test('rows that are the same are each taken once, and stay where they are if they can', async () => {
  const data = Float64Array.from([1, 2, 1, 2, 3, 4]);
  expect(await matchRows(data, data, 2, 1e-6, pacer)).toEqual(Int32Array.of(0, 1, 2));
  expect(await matchRows(data, Float64Array.from([1, 2, 1, 2, 1, 2]), 2, 1e-6, pacer)).toBeUndefined();
  expect(await matchRows(data, Float64Array.from([3, 4, 1, 2, 1, 2]), 2, 1e-6, pacer)).toHaveLength(3);
});

test.each([
  ['to neighbours', (rows: number, heads: number) => permuted(rows, heads)],
  ['to halves', (rows: number, heads: number) => backwards(permuted(rows, heads))],
  ['to neighbours twice', (rows: number, heads: number) => permuted(rows, heads).map((i) => permuted(rows, heads)[i])],
])('an order of pairs is known: %s', (_, orderOf) => {
  expect(pairsFault(Int32Array.from(orderOf(32, 4)), 4, 8)).toEqual({ heads: 4 });
  expect(pairsFault(Int32Array.from(orderOf(32, 2)), 4, 8)).toEqual({ heads: 2 });
});

test('an order for one number of heads behind one for another is told by the wrong number', () => {
  const [right, wrong] = [permuted(32, 4), backwards(permuted(32, 8))];
  expect(pairsFault(Int32Array.from(right.map((i) => wrong[i])), 4, 8)).toEqual({ heads: 8 });
});

test('rows that were left where they are and rows in any other order are told apart', () => {
  const rows = [...Array(32).keys()];
  expect(pairsFault(Int32Array.from(rows), 4, 8)).toEqual({ heads: null });
  expect(pairsFault(Int32Array.from(rows.reverse()), 4, 8)).toBeUndefined();
});

test('of a head of which a part turns, that part is in another order', () => {
  const own = [0, 2, 1, 3, 4, 5, 6, 7];
  expect(pairsFault(Int32Array.from([...own, ...own.map((i) => i + 8)]), 2, 4)).toEqual({ heads: 2 });
});

test('runs of rows that stay together are heads', () => {
  expect(movesRuns(Int32Array.of(2, 3, 0, 1), 2)).toBe(true);
  expect(movesRuns(Int32Array.of(3, 2, 0, 1), 2)).toBe(false);
  expect(movesRuns(Int32Array.of(2, 3, 0, 1), 3)).toBe(false);
});
