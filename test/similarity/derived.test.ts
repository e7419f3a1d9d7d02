import { describe, expect, it } from 'vitest';
import { cosine, distance, norm } from '../../lib/similarity/gram/derived.js';
import { blockScore } from '../../lib/similarity/series/block_score.js';
import { correlation } from '../../lib/similarity/series/correlation.js';
import { nearestNeighbours } from '../../lib/similarity/series/neighbours.js';
import { symmetric } from '../report/helpers.js';

const nan = Number.NaN;

describe('cosine and distance', () => {
  it('are those of vectors with these inner products', () => {
    // (3, 4) and (4, 3)
    expect(cosine(24, 25, 25)).toBeCloseTo(0.96, 15);
    expect(distance(24, 25, 25)).toBeCloseTo(Math.SQRT2, 15);
    expect(norm(25)).toBe(5);
  });

  it('are exactly 1 and 0 for equal functions, and never beyond what rounding allows', () => {
    expect([cosine(0.1, 0.1, 0.1), distance(0.1, 0.1, 0.1)]).toEqual([1, 0]);
    expect(cosine(1.0000000000000002, 1, 1)).toBe(1);
    expect(distance(1.0000000000000002, 1, 1)).toBe(0);
    expect(cosine(1e300, 1e300, 1e301)).toBeCloseTo(10 ** -0.5, 15);
  });

  it('are undefined and zero for functions that are zero', () => {
    expect(cosine(0, 0, 1)).toBeNaN();
    expect(distance(0, 0, 4)).toBe(2);
    expect(norm(-1e-20)).toBe(0);
  });
});

describe('nearest neighbours', () => {
  const matrix = symmetric(5, (i, j) => [0.3, 0.9, nan, 0.9][j - 1] - (i === 0 ? 0 : 0.5));

  it('come by similarity, the first of equals first, without the undefined and the model itself', () => {
    expect(nearestNeighbours(matrix, 0)).toEqual([
      { index: 2, similarity: 0.9 },
      { index: 4, similarity: 0.9 },
      { index: 1, similarity: 0.3 },
    ]);
  });

  it('are as many as asked for', () => {
    expect(nearestNeighbours(matrix, 0, 1)).toEqual([{ index: 2, similarity: 0.9 }]);
    expect(nearestNeighbours([Float64Array.of(1)], 0)).toEqual([]);
  });

  it('are counted in whole numbers', () => {
    expect(nearestNeighbours(matrix, 0, 0)).toEqual([]);
    expect(nearestNeighbours(matrix, 0, 9)).toHaveLength(3);
    for (const count of [-1, 1.5, nan, Number.POSITIVE_INFINITY, '1' as never])
      expect(() => nearestNeighbours(matrix, 0, count)).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT', hint: expect.stringContaining('whole number') }),
      );
  });

  it('need a model that is there', () => {
    for (const index of [-1, 5, 0.5])
      expect(() => nearestNeighbours(matrix, index)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});

describe('the block score', () => {
  it('is the mean similarity within the later block minus that across', () => {
    const matrix = symmetric(4, (i, j) => (i >= 2 ? 0.9 : j >= 2 ? 0.1 + 0.1 * i : -1));
    expect(blockScore(matrix, 2)).toBeCloseTo(0.9 - 0.15, 15);
  });

  it('leaves out what is undefined, and is undefined without pairs', () => {
    const matrix = symmetric(4, (i, j) => (i === 0 ? nan : j === 2 ? 0.2 : i === 1 ? 0.4 : 0.8));
    expect(blockScore(matrix, 2)).toBeCloseTo(0.8 - 0.3, 15);
    expect(blockScore(matrix, 3)).toBeNaN();
    expect(blockScore(matrix, 1)).toBeNaN();
  });

  it('needs models on both sides', () => {
    for (const start of [0, 4, 1.5, nan])
      expect(() =>
        blockScore(
          symmetric(4, () => 0),
          start,
        ),
      ).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});

describe('the correlation of two matrices', () => {
  const a = symmetric(4, (i, j) => 0.1 * i + 0.03 * j * j);

  it('is 1 for the same up to scale and offset, −1 for the opposite', () => {
    expect(correlation(a, a)).toBeCloseTo(1, 15);
    expect(
      correlation(
        a,
        symmetric(4, (i, j) => 0.2 + 0.5 * a[i][j]),
      ),
    ).toBeCloseTo(1, 14);
    expect(
      correlation(
        a,
        symmetric(4, (i, j) => -a[i][j]),
      ),
    ).toBeCloseTo(-1, 14);
  });

  it('is that of the values over the pairs defined in both', () => {
    const b = symmetric(4, (i, j) => (j === 3 ? nan : [1, 2, 4][i + j - 1]));
    const x = [a[0][1], a[0][2], a[1][2]];
    const centred = (values: number[]) => values.map((value) => value - (values[0] + values[1] + values[2]) / 3);
    const dot = (p: number[], q: number[]) => p.reduce((sum, value, i) => sum + value * q[i], 0);
    const [p, q] = [centred(x), centred([1, 2, 4])];
    expect(correlation(a, b)).toBeCloseTo(dot(p, q) / Math.sqrt(dot(p, p) * dot(q, q)), 14);
  });

  it('is undefined for a constant, too few pairs, and refused for different models', () => {
    expect(
      correlation(
        a,
        symmetric(4, () => 0.1),
      ),
    ).toBeNaN();
    expect(
      correlation(
        symmetric(2, () => 0.3),
        symmetric(2, () => 0.4),
      ),
    ).toBeNaN();
    expect(correlation([], [])).toBeNaN();
    expect(() =>
      correlation(
        a,
        symmetric(3, () => 0),
      ),
    ).toThrow(expect.objectContaining({ code: 'SHAPE_MISMATCH' }));
  });
});
