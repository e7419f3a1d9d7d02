import type { Rows } from '../support/oracles.js';

/**
 * The sum over all ways to join rows into pairs, or leave them alone where there are loops, one by one: (n − 1)!! and
 * more of them.
 */
export function overMatchings(edges: Rows, loops: readonly number[] | null): number {
  const rest = (left: readonly number[]): number => {
    if (left.length === 0) return 1;
    const [first, ...others] = left;
    let sum = loops === null ? 0 : loops[first] * rest(others);
    for (const other of others) sum += edges[first][other] * rest(others.filter((row) => row !== other));
    return sum;
  };
  return rest(edges.map((_, i) => i));
}

/** The hafnian by recursion over the subsets of rows, 2^n of them: exact for small integers. */
export function overSubsets(edges: Rows): number {
  const size = edges.length;
  const values = new Float64Array(2 ** size);
  values[0] = 1;
  for (let subset = 1; subset < values.length; subset++) {
    const first = 31 - Math.clz32(subset);
    const others = subset ^ (1 << first);
    for (let j = 0; j < first; j++) {
      if ((others >> j) & 1) values[subset] += edges[first][j] * values[others ^ (1 << j)];
    }
  }
  return values[values.length - 1];
}

/** Rows and columns `list` of a matrix. */
export function selected(edges: Rows, list: readonly number[]): Rows {
  return list.map((i) => list.map((j) => edges[i][j]));
}

/** [0, 0, 2] for [2, 0, 1]. */
export function spelledOut(repeats: readonly number[]): number[] {
  return repeats.flatMap((count, row) => new Array<number>(count).fill(row));
}

/** Every sign made positive. */
export function magnitudes(edges: Rows): Rows {
  return edges.map((row) => row.map(Math.abs));
}

const ROOT = Math.sqrt(10);
const NODES = [-Math.sqrt(5 + ROOT), -Math.sqrt(5 - ROOT), 0, Math.sqrt(5 - ROOT), Math.sqrt(5 + ROOT)];
const WEIGHTS = [(7 - 2 * ROOT) / 60, (7 + 2 * ROOT) / 60, 8 / 15, (7 + 2 * ROOT) / 60, (7 - 2 * ROOT) / 60];

/**
 * E f(x) for x = mean + factor · z by a grid of five Gauss–Hermite points per coordinate of z: exact up to degree nine
 * in each coordinate. f may have several values.
 */
export function expectation(f: (x: number[]) => number[], mean: readonly number[], factor: Rows): number[] {
  const dimensions = factor[0].length;
  let sums: number[] = [];
  for (let point = 0; point < 5 ** dimensions; point++) {
    const digits = Array.from({ length: dimensions }, (_, i) => Math.floor(point / 5 ** i) % 5);
    const weight = digits.reduce((value, digit) => value * WEIGHTS[digit], 1);
    const x = mean.map((value, i) => digits.reduce((sum, digit, j) => sum + factor[i][j] * NODES[digit], value));
    const values = f(x);
    if (point === 0) sums = values.map(() => 0);
    for (const [i, value] of values.entries()) sums[i] += weight * value;
  }
  return sums;
}
