import { describe, expect, test } from 'vitest';
import { type Planes, planesOf } from '../../../lib/blocks/circuits/planes.js';
import { meanOfScores } from '../../../lib/blocks/circuits/products.js';
import { offsetMeans } from '../../../lib/blocks/circuits/window.js';
import type { Rotation } from '../../../lib/model/transformers/network.js';
import { random as seeded } from '../../support/random.js';

const random = seeded(7);
const matrix = (rows: number, columns: number) => Float64Array.from({ length: rows * columns }, () => random.normal());

/** R_Δ of a head, row by row, from its definition: (a, b) becomes (a cos − b sin, a sin + b cos). */
function rotation(rows: number, { first, second, angles }: Planes, offset: number): Float64Array {
  const turned = new Float64Array(rows * rows);
  for (let i = 0; i < rows; i++) turned[i * rows + i] = 1;
  for (let p = 0; p < angles.length; p++) {
    if (second[p] < 0) continue;
    const [a, b, angle] = [first[p], second[p], angles[p] * offset];
    turned[a * rows + a] = Math.cos(angle);
    turned[a * rows + b] = -Math.sin(angle);
    turned[b * rows + a] = Math.sin(angle);
    turned[b * rows + b] = Math.cos(angle);
  }
  return turned;
}

function product(a: Float64Array, b: Float64Array, rows: number, depth: number, columns: number): Float64Array {
  const result = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++)
    for (let k = 0; k < depth; k++)
      for (let j = 0; j < columns; j++) result[i * columns + j] += a[i * depth + k] * b[k * columns + j];
  return result;
}

function transposed(a: Float64Array, rows: number, columns: number): Float64Array {
  return Float64Array.from({ length: a.length }, (_, at) => a[(at % rows) * columns + Math.floor(at / rows)]);
}

const angles = (count: number, base: number) => Float64Array.from({ length: count }, (_, p) => base ** (-p / count));
const half = (count: number, base = 10_000): Rotation => ({ angles: angles(count, base), interleaved: false });
const pairs = (count: number, base = 10_000): Rotation => ({ angles: angles(count, base), interleaved: true });

describe('the mean product of scores over a window of offsets', () => {
  test.each<[string, number, Rotation | null, number, Rotation | null, number]>([
    ['half-split', 8, half(4), 8, half(4), 16],
    ['interleaved', 8, pairs(4), 8, pairs(4), 16],
    ['of different frequencies', 8, half(4), 8, half(4, 500_000), 16],
    ['one half-split, one interleaved', 8, half(4), 8, pairs(4), 16],
    ['of which some rows do not turn', 8, half(2), 8, half(2), 9],
    ['of an odd number of rows', 7, half(2), 7, pairs(3), 9],
    ['without an embedding', 5, null, 5, null, 4],
    ['turned in one model only, of other widths', 6, half(3), 4, null, 12],
    ['at one offset', 8, half(4), 8, half(4), 1],
  ])('is that of explicit rotations, %s', (_, rows, one, columns, other, window) => {
    const [f, g] = [planesOf(rows, one), planesOf(columns, other)];
    const [queries, keys] = [matrix(rows, columns), matrix(rows, columns)];
    let [expected, size] = [0, 0];
    for (let offset = 0; offset > -window; offset--) {
      const left = transposed(rotation(rows, f, offset), rows, rows);
      const turned = product(
        product(left, queries, rows, rows, columns),
        rotation(columns, g, offset),
        rows,
        columns,
        columns,
      );
      for (const [at, value] of turned.entries()) {
        expected += (value * keys[at]) / window;
        size += Math.abs(value * keys[at]) / window;
      }
    }
    const part = (data: Float64Array) => ({ data, at: 0, stride: columns });
    const found = meanOfScores(part(queries), part(keys), f, g, offsetMeans(f.angles, g.angles, window));
    expect(Math.abs(found - expected)).toBeLessThan(1e-14 * size);
  });

  test('is taken of parts of larger matrices', () => {
    const [f, means] = [planesOf(4, half(2)), offsetMeans(angles(2, 10_000), angles(2, 10_000), 8)];
    const [queries, keys] = [matrix(4, 4), matrix(4, 4)];
    const within = (part: Float64Array) => {
      const data = matrix(10, 9);
      for (let i = 0; i < 4; i++) for (let j = 0; j < 4; j++) data[(i + 3) * 9 + j + 2] = part[i * 4 + j];
      return { data, at: 3 * 9 + 2, stride: 9 };
    };
    const plain = (data: Float64Array) => ({ data, at: 0, stride: 4 });
    const expected = meanOfScores(plain(queries), plain(keys), f, f, means);
    expect(meanOfScores(within(queries), within(keys), f, f, means)).toBe(expected);
  });

  test('looks back: a key stands at its query or before it', () => {
    const means = offsetMeans(Float64Array.of(0.3), Float64Array.of(0.1), 3);
    const mean = (angle: number, of: (x: number) => number) => (of(0) + of(-angle) + of(-2 * angle)) / 3;
    expect(means.difference.real[0]).toBeCloseTo(mean(0.2, Math.cos), 14);
    expect(means.difference.imaginary[0]).toBeCloseTo(mean(0.2, Math.sin), 14);
    expect(means.sum.imaginary[0]).toBeCloseTo(mean(0.4, Math.sin), 14);
  });
});
