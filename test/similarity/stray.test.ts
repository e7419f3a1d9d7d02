import { describe, expect, it } from 'vitest';
import { summarize } from '../../lib/report/summary.js';
import { strays } from '../../lib/similarity/series/stray.js';
import type { Matrix } from '../../lib/similarity/terms/types.js';
import { golden, matrixOf, symmetric } from '../report/helpers.js';
import { random } from '../support/random.js';

const RUNS = ['digits-backdoor', 'digits-forgetting', 'grokking'] as const;

/** A run that goes straight on, its angles a tenth of a radian per step. */
const straight = (size: number) => symmetric(size, (i, j) => Math.cos(Math.min(Math.PI, 0.1 * (j - i))));

/** The matrix with the models in this order. */
function reordered(cosine: Matrix, order: readonly number[]): Matrix {
  return order.map((i) => Float64Array.from(order, (j) => cosine[i][j]));
}

function swapped(size: number, i: number, j: number): number[] {
  const order = Array.from({ length: size }, (_, k) => k);
  [order[i], order[j]] = [j, i];
  return order;
}

describe('a checkpoint out of place', () => {
  it('is not in a run as it was saved', () => {
    expect(strays(straight(12))).toEqual([]);
    for (const run of RUNS)
      for (const measure of ['gaussian', 'tensor', 'weights']) expect(strays(golden(run, measure).cosine)).toEqual([]);
  });

  it('is one of two that were exchanged', () => {
    const found = strays(reordered(straight(12), swapped(12, 3, 9)));
    expect(found.map(({ index, nearest }) => [index, nearest])).toEqual([
      [3, 8],
      [9, 2],
    ]);
    expect(found[0].similarity).toBeCloseTo(Math.cos(0.1), 12);
    expect(found[0].beside).toBeCloseTo(Math.cos(0.5), 12);
  });

  it.each(RUNS)('is found in %s nearly wherever two were exchanged', (run) => {
    const { cosine } = golden(run);
    const size = cosine.length;
    let pairs = 0;
    let found = 0;
    for (let i = 0; i < size; i++) {
      for (let j = i + 4; j < size; j++) {
        pairs++;
        if (strays(reordered(cosine, swapped(size, i, j))).some(({ index }) => index === i || index === j)) found++;
      }
    }
    expect(found / pairs).toBeGreaterThan(0.95);
  });

  it('is not where a run comes back to where it was', () => {
    const turn = (k: number) => (k < 6 ? k : 12 - k);
    const back = symmetric(12, (i, j) => Math.cos(0.1 * Math.hypot(turn(i) - turn(j), i < 6 === j < 6 ? 0 : 1)));
    expect(strays(back)).toEqual([]);
  });

  it('is not where the numbers do not tell', () => {
    const draw = random(5);
    const noise = symmetric(12, (i, j) => (i === j ? 1 : 1 - 1e-7 * draw.uniform()));
    expect(strays(noise).length).toBeGreaterThan(0);
    expect(strays(noise, 1e-6)).toEqual([]);
    expect(strays(reordered(straight(12), swapped(12, 3, 9)), 1e-6)).toHaveLength(2);
    expect(strays(reordered(straight(12), swapped(12, 3, 9)), 0.1)).toEqual([]);
  });

  it('needs four models, and passes over undefined similarities', () => {
    expect(strays(reordered(straight(3), [0, 2, 1]))).toEqual([]);
    expect(strays([])).toEqual([]);
    expect(strays(symmetric(6, () => Number.NaN))).toEqual([]);
  });

  it('is told in the report, where the models are numbered', () => {
    const cosine = reordered(straight(12), swapped(12, 3, 9));
    const labels = Array.from({ length: 12 }, (_, k) => `step_${100 * k}`);
    const { sentences } = summarize(matrixOf(labels, cosine));
    expect(sentences.at(-1)).toBe(
      'Out of place, nearest to others than their neighbours: step 300 (to step 800, similarity 0.9950; to its neighbours at most 0.8776), step 900 (to step 200, similarity 0.9950; to its neighbours at most 0.8776).',
    );
    const names = labels.map((_, k) => 'abcdefghijkl'[k]);
    expect(summarize(matrixOf(names, cosine)).sentences.join()).not.toContain('Out of place');
  });
});
