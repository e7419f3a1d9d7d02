import { describe, expect, it } from 'vitest';
import { availableBackends, fullBackend } from '../support/backends.js';
import { eigenvalues } from '../support/eigenvalues.js';
import { random } from '../support/random.js';

type Rows = number[][];

const symmetric = (size: number, entry: (i: number, j: number) => number): Rows => {
  const rows = Array.from({ length: size }, () => new Array<number>(size).fill(0));
  for (let i = 0; i < size; i++) for (let j = 0; j <= i; j++) rows[i][j] = rows[j][i] = entry(i, j);
  return rows;
};

const draw = random(3);
const gaussian = symmetric(40, () => draw.normal());
const factors = Array.from({ length: 30 }, () => Array.from({ length: 4 }, () => draw.normal()));
const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, value, k) => sum + value * b[k], 0);

const MATRICES: Readonly<Record<string, Rows>> = {
  'of one entry': [[-3]],
  'of two rows': [
    [1, 2],
    [2, 1],
  ],
  zero: symmetric(6, () => 0),
  diagonal: symmetric(7, (i, j) => (i === j ? 3 - i : 0)),
  'the identity': symmetric(9, (i, j) => (i === j ? 1 : 0)),
  'of random entries': gaussian,
  'of low rank': symmetric(30, (i, j) => dot(factors[i], factors[j])),
  'with equal rows': symmetric(25, () => 1),
  'tridiagonal already': symmetric(20, (i, j) => (i === j ? 2 : i - j === 1 ? -1 : 0)),
  'with eigenvalues of all sizes': symmetric(24, (i, j) => 1 / (i + j + 1)),
  'of huge entries': gaussian.map((row) => row.map((value) => value * 1e300)),
  'of tiny entries': gaussian.map((row) => row.map((value) => value * 1e-300)),
};

describe.each(availableBackends)('eigenpairs on %s', (name) => {
  const backend = fullBackend(name);

  it.each(Object.entries(MATRICES))('of a matrix %s', async (_, rows) => {
    const size = rows.length;
    const { values, vectors } = await backend.eigen.symmetricEigen(
      { data: Float64Array.from(rows.flat()), count: 1, size },
      size,
    );
    // The oracle squares entries: scale them into its range.
    const largest = Math.max(...rows.flat().map(Math.abs)) || 1;
    const wanted = eigenvalues(rows.map((row) => row.map((value) => value / largest)));
    const norm = Math.max(...wanted.map(Math.abs));
    const scaled = Array.from(values, (value) => value / largest);
    const ascending = (list: readonly number[]) => [...list].sort((a, b) => a - b);
    for (const [i, value] of ascending(scaled).entries())
      expect(Math.abs(value - ascending(wanted)[i])).toBeLessThanOrEqual(1e-13 * norm);
    for (let i = 1; i < size; i++) expect(Math.abs(values[i])).toBeLessThanOrEqual(Math.abs(values[i - 1]));

    const vector = (k: number) => Array.from(vectors.subarray(k * size, (k + 1) * size));
    for (let k = 0; k < size; k++) {
      for (let l = 0; l <= k; l++) expect(Math.abs(dot(vector(k), vector(l)) - (k === l ? 1 : 0))).toBeLessThan(1e-13);
      const image = rows.map((row) =>
        dot(
          row.map((value) => value / largest),
          vector(k),
        ),
      );
      for (let i = 0; i < size; i++)
        expect(Math.abs(image[i] - scaled[k] * vector(k)[i])).toBeLessThanOrEqual(1e-13 * norm);
    }
  });

  it('of several matrices at once, the largest first and no more vectors than wanted', async () => {
    const data = Float64Array.of(1, 0, 0, -5, /**/ 0, 2, 2, 0, /**/ 4, 0, 0, 4);
    const { values, vectors } = await backend.eigen.symmetricEigen({ data, count: 3, size: 2 }, 1);
    expect([...values.slice(0, 2)]).toEqual([-5, 1]);
    expect([...values.slice(2, 4)].map(Math.abs)).toEqual([expect.closeTo(2, 14), expect.closeTo(2, 14)]);
    expect(vectors).toHaveLength(3 * 2);
    expect([...vectors.slice(0, 2)].map(Math.abs)).toEqual([0, 1]);
  });

  it('reads lower triangles only', async () => {
    const data = Float64Array.of(1, 77, 3, 1);
    const { values } = await backend.eigen.symmetricEigen({ data, count: 1, size: 2 }, 0);
    expect([...values]).toEqual([expect.closeTo(4, 14), expect.closeTo(-2, 14)]);
  });

  it('of nothing', async () => {
    for (const [count, size] of [
      [0, 3],
      [2, 0],
    ]) {
      const { values, vectors } = await backend.eigen.symmetricEigen({ data: new Float64Array(0), count, size }, 2);
      expect([values.length, vectors.length]).toEqual([0, 0]);
    }
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])('refuses %s', async (bad) => {
    const matrices = { data: Float64Array.of(1, 0, bad, 1), count: 1, size: 2 };
    await expect(backend.eigen.symmetricEigen(matrices, 1)).rejects.toMatchObject({ code: 'NOT_FINITE' });
  });

  it('does not depend on the threads, and stops when aborted', async () => {
    const size = 60;
    const data = Float64Array.from({ length: 5 * size * size }, () => draw.normal());
    const [one, three] = await Promise.all(
      [1, 3].map((threads) => backend.eigen.symmetricEigen({ data, count: 5, size }, 4, { threads })),
    );
    expect(three).toEqual(one);
    const aborter = new AbortController();
    const running = backend.eigen.symmetricEigen(
      { data: new Float64Array(800 * 800).fill(1).map(() => draw.normal()), count: 1, size: 800 },
      1,
      { signal: aborter.signal },
    );
    setTimeout(() => aborter.abort(new Error('enough')), 1);
    await expect(running).rejects.toThrow('enough');
  });
});
