import { describe, expect, it } from 'vitest';
import { crossoverSvg } from '../../bench/matrix/crossover.js';
import { affordable, modelsOf, type Shape, weightsOf } from '../../bench/matrix/grid.js';
import { type Field, measure } from '../../bench/matrix/measure.js';
import { outcomesTable, plannerSentence } from '../../bench/matrix/results.js';
import { FALLBACK } from '../../lib/fallback/backend.js';

const shape: Shape = { d: 8, h: 4, o: 2, m: 5 };
const machine = { flopsPerSecond: 1e9, bytesPerSecond: 1e9, pace: 1, routes: FALLBACK.grams.routes };

describe('the benchmark of matrices', () => {
  it('gives fewer models the first of the weights', () => {
    const [few, many] = [weightsOf(shape, 2, 'float64'), weightsOf(shape, 5, 'float64')];
    expect(many.left.subarray(0, few.left.length)).toEqual(few.left);
    expect(modelsOf(shape, many)).toHaveLength(5);
  });

  it('compares as many models as the time allows, or none', () => {
    const counts = [1e-9, 1e-3, 1].map((seconds) => affordable(shape, 400, 'factor', 'float64', machine, seconds));
    expect(counts[0]).toBe(0);
    expect(counts[1]).toBeGreaterThan(2);
    expect(counts[1]).toBeLessThan(400);
    expect(counts[2]).toBe(400);
  });

  it('measures every route, checks that they agree, and says how the planner did', async () => {
    const field: Field = {
      backends: ['fallback'],
      native: undefined,
      peer: undefined,
      threads: 1,
      rounds: 1,
      seconds: 1,
    };
    const outcome = await measure(shape, 4, 'float64', field);
    expect(outcome.times.map(({ contestant }) => contestant)).toEqual([
      'fallback factor',
      'fallback unfolded',
      'fallback dense',
    ]);
    for (const time of outcome.times) {
      expect(time.measured).toBe(4);
      expect(time.seconds).toBeGreaterThan(time.prepare);
      expect(time.pairsPerSecond).toBeCloseTo(10 / time.seconds, 6);
    }
    expect(outcome.plans).toHaveLength(1);
    expect(outcomesTable([outcome]).split('\n')).toHaveLength(5);
    expect(plannerSentence([outcome])).toMatch(/in [01] of 1 cases/);
  });

  it('draws which route is quicker by how much', async () => {
    const svg = await crossoverSvg(
      [
        { count: 41, d: 64, ratio: 3.2, plannedDense: true },
        { count: 2, d: 1024, ratio: 0.05, plannedDense: false },
      ],
      'A map',
    );
    for (const text of ['A map', '3.2×', '20×', '1024']) expect(svg).toContain(text);
  });
});
