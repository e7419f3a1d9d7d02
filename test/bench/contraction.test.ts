import { describe, expect, it } from 'vitest';
import { outcomesSvg } from '../../bench/contraction/chart.js';
import { hasChoice } from '../../bench/contraction/costs.js';
import { operandsOf, ownContestants } from '../../bench/contraction/engines.js';
import { INSTANCES, shapesOf } from '../../bench/contraction/instances.js';
import { outcomeOf, outcomesTable } from '../../bench/contraction/results.js';
import { relativeDifference } from '../../bench/support.js';
import { contractionPath } from '../../lib/index.js';

const path = contractionPath('ij,jk->ik', [
  [10, 20],
  [20, 30],
]);
const outcome = outcomeOf(
  { name: 'a product', group: 'product' },
  path,
  4e6,
  [
    { engine: 'native', method: 'blocked', turns: [0.01, 0.5, 0.012] },
    { engine: 'numpy', method: 'einsum', turns: [0.048, 0.048, 0.9] },
    { engine: 'numpy', method: 'matmul', turns: [0.024, 0.024, 0.024] },
  ],
  [],
);

describe('the outcome of an instance', () => {
  it('has medians of the rounds, and rates by the operations of the first path', () => {
    const [first] = outcome.results;
    expect(first!.seconds).toBe(0.012);
    expect(first!.gflops).toBeCloseTo(12000 / 0.012 / 1e9, 12);
    expect(first!.percentOfPeak).toBeCloseTo(25, 10);
  });

  it('compares with einsum and with the fastest of numpy', () => {
    expect(outcome.results[0].timesEinsum).toBeCloseTo(4, 12);
    expect(outcome.results[0].timesNumpy).toBeCloseTo(2, 12);
    expect(outcome.results[1].timesNumpy).toBeCloseTo(0.5, 12);
  });

  it('is a row of the table, with columns of those alone that took part', () => {
    const [head, , row] = outcomesTable([outcome]).split('\n') as [string, string, string];
    expect(head).toMatch(/einsum +matmul/);
    expect(head).not.toMatch(/fallback/);
    expect(row).toMatch(/a product +float64 +12\.0 ms/);
  });

  it('is drawn with its name and a chart for its dtype', async () => {
    const svg = await outcomesSvg([outcome], 'Some contractions');
    expect(svg).toContain('a product');
    expect(svg).toContain('Some contractions: GFLOP/s, float64');
    expect(svg).not.toContain('NaN');
  });
});

describe('results are compared', () => {
  it('relative to the largest magnitude', () => {
    expect(relativeDifference(Float64Array.of(1, -4), Float64Array.of(2, -4))).toBe(0.25);
  });

  it('so that NaN and other lengths are never equal', () => {
    expect(relativeDifference(Float64Array.of(Number.NaN, 1), Float64Array.of(0, 1))).toBeNaN();
    expect(relativeDifference(Float64Array.of(1), Float64Array.of(1, 2))).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('the instances', () => {
  it('give every label a size, in distinct names', () => {
    expect(new Set(INSTANCES.map(({ name }) => name)).size).toBe(INSTANCES.length);
    for (const instance of INSTANCES) {
      for (const extent of shapesOf(instance).flat()) expect(extent, instance.name).toBeGreaterThan(0);
    }
  });

  it('have right results from every strategy of the fallback', async () => {
    const instance = INSTANCES.filter(hasChoice).find(({ name }) => name === 'network of 22')!;
    const operands = operandsOf(instance, 'float64');
    const contestants = ownContestants(instance, operands, 'float64', ['fallback'], 1);
    expect(contestants.map(({ method }) => method)).toEqual(['blocked', 'ttgt', 'loops']);
    const expected = await contestants[0].run();
    for (const contestant of contestants) expect(await contestant.check(expected.data)).toBeLessThan(1e-12);
  });
});
