import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gaussian, tensor } from '../../lib/index.js';
import { availableBackends } from '../support/backends.js';
import { runs } from '../support/campaign.js';
import type { Rows } from '../support/oracles.js';
import { random } from '../support/random.js';
import { law, symmetric } from './draws.js';
import { expectation, magnitudes, overMatchings, selected, spelledOut } from './oracles.js';

const ones = (size: number) => symmetric(size, () => 1);
const oddProduct = (odd: number): number => (odd <= 1 ? 1 : odd * oddProduct(odd - 2));

/** Relative to the same sum with all signs positive: what rounding errors are measured by. */
function expectClose(found: number, wanted: number, edges: Rows, loops: readonly number[] | null, tolerance = 1e-13) {
  const size = overMatchings(magnitudes(edges), loops?.map(Math.abs) ?? null);
  expect(Math.abs(found - wanted)).toBeLessThanOrEqual(tolerance * size);
}

describe.each(availableBackends)('hafnians on %s', (backend) => {
  it.each([20, 30, 36])('of all ones, n = %i, are (n − 1)!! to 1e-13', async (size) => {
    const found = await gaussian.hafnian(ones(size), { backend });
    expect(Math.abs(found / oddProduct(size - 1) - 1)).toBeLessThanOrEqual(1e-13);
  });

  it('of two blocks joined by a matrix is its permanent', async () => {
    // The permanent of J + (k − 1) I, 10 × 10, counts permutations by k^fixed points: Σ_j C(10, j) (k − 1)^j (10 − j)!
    const size = 10;
    const joined = Array.from({ length: 2 * size }, (_, i) =>
      Array.from({ length: 2 * size }, (_, j) =>
        Math.floor(i / size) === Math.floor(j / size) ? 0 : i % size === j % size ? 3 : 1,
      ),
    );
    let wanted = 0;
    for (let j = 0, ways = 1, rest = 3_628_800; j <= size; j++) {
      wanted += ways * 2 ** j * rest;
      ways *= (size - j) / (j + 1);
      rest /= size - j || 1;
    }
    expect(await gaussian.hafnian(joined, { backend })).toBeCloseTo(wanted, 4);
  });

  it('with repeats are those of the rows spelled out', async () => {
    const lists = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(
        lists.filter((r) => spelledOut(r).length <= 9),
        fc.integer(),
        async (repeats, seed) => {
          const { normal } = random(seed);
          const edges = symmetric(repeats.length, normal);
          const loops = repeats.map(normal);
          const list = spelledOut(repeats);
          const all = selected(edges, list);
          const alone = list.map((i) => loops[i]);
          expectClose(await gaussian.hafnian(edges, { repeats, backend }), overMatchings(all, null), all, null);
          expectClose(
            await gaussian.loopHafnian(edges, { loops, repeats, backend }),
            overMatchings(all, alone),
            all,
            alone,
          );
          expectClose(
            await gaussian.loopHafnian(edges, { repeats, backend }),
            await gaussian.loopHafnian(all, { backend }),
            all,
            list.map((i) => edges[i][i]),
          );
        },
      ),
      { numRuns: runs(60) },
    );
  });

  it('of 21 and of 22 rows agree: a row more that is always left alone changes nothing', async () => {
    const { uniform } = random(8);
    const edges = symmetric(21, uniform);
    const more = [...edges.map((row) => [...row, 0]), [...new Array(21).fill(0), 1]];
    const odd = await gaussian.loopHafnian(edges, { backend });
    expect(Math.abs((await gaussian.loopHafnian(more, { backend })) / odd - 1)).toBeLessThanOrEqual(1e-13);
  });

  it('do not depend on the order of rows, and are linear in each', async () => {
    const { uniform } = random(9);
    const edges = symmetric(20, uniform);
    const order = edges.map((_, i) => (7 * i + 3) % 20);
    const value = await gaussian.hafnian(edges, { backend });
    expect(Math.abs((await gaussian.hafnian(selected(edges, order), { backend })) / value - 1)).toBeLessThanOrEqual(
      1e-13,
    );

    const withRow = (row: number[]) =>
      edges.map((old, i) => (i === 0 ? row : old.map((x, j) => (j === 0 ? row[i] : x))));
    const other = edges.map(uniform);
    const parts = await Promise.all(
      [other, edges[0].map((x, i) => x - other[i])].map((row) => gaussian.hafnian(withRow(row), { backend })),
    );
    expect(Math.abs(parts[0] + parts[1] - value)).toBeLessThanOrEqual(1e-12 * Math.max(value, Math.abs(parts[0])));
  });

  it('keep their precision when rows differ in size by a hundred orders of magnitude', async () => {
    const scales = Array.from({ length: 20 }, (_, i) => 10 ** (i % 2 === 0 ? 50 : -50));
    const edges = scales.map((a) => scales.map((b) => a * b));
    expect(Math.abs((await gaussian.hafnian(edges, { backend })) / oddProduct(19) - 1)).toBeLessThanOrEqual(1e-13);
  });

  it('of many copies are exact to rounding, up to the ends of the floating-point range', async () => {
    const tenth = await gaussian.hafnian([[0.1]], { repeats: [400], backend });
    const wanted = Array.from({ length: 200 }, (_, i) => (2 * i + 1) / 10).reduce((product, x) => product * x, 1);
    expect(Math.abs(tenth / wanted - 1)).toBeLessThanOrEqual(1e-12);
    // 50 copies of four equal rows: the sieve would lose every digit here.
    const found = await gaussian.hafnian(ones(4), { repeats: [50, 50, 50, 50], backend });
    expect(Math.abs(found / oddProduct(199) - 1)).toBeLessThanOrEqual(1e-12);
  });

  it('are moments of Gaussians', async () => {
    const { mean, factor, cov } = law(3, 3, random(10));
    const [wanted] = expectation(([x, y, z]) => [x * x * y * z * z * z], mean, factor);
    const found = await gaussian.moment([0, 2, 1, 2, 0, 2], mean, cov, { backend });
    expect(Math.abs(found / wanted - 1)).toBeLessThanOrEqual(1e-12);
    const repeated = await gaussian.loopHafnian(cov, { loops: mean, repeats: [2, 1, 3], backend });
    expect(repeated).toBe(found);
  });
});

describe('hafnians', () => {
  it('of no rows are 1, of an odd number of rows 0', async () => {
    expect(await gaussian.hafnian([])).toBe(1);
    expect(await gaussian.loopHafnian([])).toBe(1);
    expect(await gaussian.moment([], [], [])).toBe(1);
    expect(await gaussian.hafnian(ones(3))).toBe(0);
    expect(await gaussian.hafnian(ones(45))).toBe(0);
    expect(await gaussian.hafnian([[5]])).toBe(0);
    expect(await gaussian.loopHafnian([[5]])).toBe(5);
  });

  it('of rows without a partner are 0', async () => {
    const apart = ones(20).map((row, i) => row.map((x, j) => (i === 4 || j === 4 ? 0 : x)));
    expect(await gaussian.hafnian(apart)).toBe(0);
  });

  it('take tensors, of either type and any strides, and leave them as they were', async () => {
    const edges = [
      [1, 2, 3],
      [2, 4, 5],
      [3, 5, 6],
    ];
    const wanted = overMatchings(edges, [1, 4, 6]);
    const data = Float32Array.from([1, 2, 3, 2, 4, 5 + 1e-6, 3, 5, 6]);
    expect(await gaussian.loopHafnian(tensor(data, [3, 3]))).toBeCloseTo(wanted, 5);
    expect(data[5]).toBe(Math.fround(5 + 1e-6));
    expect(await gaussian.loopHafnian({ data: Float64Array.from(edges.flat()), shape: [3, 3], strides: [1, 3] })).toBe(
      wanted,
    );
  });
});

describe('what hafnians refuse', () => {
  const nan = [
    [1, Number.NaN],
    [Number.NaN, 1],
  ];
  it.each([
    ['rows of several lengths', () => gaussian.hafnian([[1, 2], [3]]), 'SHAPE_MISMATCH', /rows of 2 or 1 entries/],
    [
      'a tensor that is not square',
      () => gaussian.hafnian(tensor([1, 2], [1, 2])),
      'SHAPE_MISMATCH',
      /\[1, 2\].*square/,
    ],
    [
      'a tensor shorter than its shape',
      () => gaussian.hafnian({ data: new Float64Array(3), shape: [2, 2] }),
      'SHAPE_MISMATCH',
      /3/,
    ],
    [
      'asymmetry',
      () =>
        gaussian.hafnian([
          [0, 1],
          [1.001, 0],
        ]),
      'INVALID_ARGUMENT',
      /not symmetric: \(1, 0\) is 1.001, \(0, 1\) is 1/,
    ],
    ['NaN', () => gaussian.loopHafnian(nan), 'NOT_FINITE', /entry \(0, 1\) of the matrix is NaN/],
    ['what is no number', () => gaussian.hafnian([['x'] as never]), 'INVALID_ARGUMENT', /entry \(0, 0\)/],
    ['what is no matrix', () => gaussian.hafnian(null as never), 'INVALID_ARGUMENT', /the matrix/],
    ['a wrong number of loops', () => gaussian.loopHafnian(ones(2), { loops: [1] }), 'SHAPE_MISMATCH', /loops/],
    [
      'a wrong number of repeats',
      () => gaussian.hafnian(ones(2), { repeats: [1] }),
      'SHAPE_MISMATCH',
      /1 repeats for 2 rows/,
    ],
    ['negative repeats', () => gaussian.hafnian(ones(2), { repeats: [1, -1] }), 'INVALID_ARGUMENT', /-1 times/],
    ['unknown options', () => gaussian.hafnian(ones(2), { loops: [1, 1] } as never), 'INVALID_ARGUMENT', /"loops"/],
    ['zero threads', () => gaussian.hafnian(ones(2), { threads: 0 }), 'INVALID_ARGUMENT', /threads/],
    ['what takes years', () => gaussian.hafnian(ones(90)), 'INVALID_ARGUMENT', /90 rows are beyond reach: .* years/],
    [
      'what loses every digit',
      () => gaussian.hafnian(ones(8), { repeats: new Array(8).fill(30) }),
      'INVALID_ARGUMENT',
      /digits/,
    ],
    ['too many copies', () => gaussian.hafnian([[1]], { repeats: [1e6] }), 'INVALID_ARGUMENT', /1000000 rows/],
    ['results beyond the range', () => gaussian.hafnian([[1]], { repeats: [400] }), 'NOT_FINITE', /range/],
    ['indices out of range', () => gaussian.moment([0, 2], [0, 0], ones(2)), 'INVALID_ARGUMENT', /holds 2.*0 to 1/],
    ['a mean of the wrong length', () => gaussian.moment([0], [0], ones(2)), 'SHAPE_MISMATCH', /mean.*2 entries/],
    [
      'asymmetric covariances',
      () =>
        gaussian.moment(
          [0],
          [0, 0],
          [
            [1, 2],
            [3, 1],
          ],
        ),
      'INVALID_COVARIANCE',
      /covariance/,
    ],
  ])('%s', async (_, run, code, message) => {
    await expect(run()).rejects.toMatchObject({ name: 'TensimError', code, message: expect.stringMatching(message) });
  });

  it('a signal that is aborted already, with its reason', async () => {
    const reason = new Error('never mind');
    const signal = AbortSignal.abort(reason);
    await expect(gaussian.hafnian(ones(2), { signal })).rejects.toBe(reason);
  });
});
