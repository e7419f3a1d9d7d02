import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type SegmentationOptions, segmentation } from '../../lib/similarity/series/segmentation.js';
import type { Matrix } from '../../lib/similarity/terms/types.js';
import { golden, symmetric } from '../report/helpers.js';
import { random } from '../support/random.js';

/**
 * Half the squared distances from the mean of the phase, summed over phases, for all ways to cut: the definition, not
 * the algorithm.
 */
function leastCost(cosine: Matrix, phases: number): number {
  const costOf = (first: number, last: number) => {
    let sum = 0;
    for (let i = first; i <= last; i++) for (let j = first; j < i; j++) sum += 1 - cosine[i][j];
    return sum / (last - first + 1);
  };
  const from = (first: number, left: number): number => {
    if (left === 1) return costOf(first, cosine.length - 1);
    let least = Number.POSITIVE_INFINITY;
    for (let last = first; last <= cosine.length - left; last++) {
      least = Math.min(least, costOf(first, last) + from(last + 1, left - 1));
    }
    return least;
  };
  return from(0, phases);
}

/** Similarities of unit vectors: those of models 0 … n − 1 in the plane, at these angles. */
const atAngles = (angles: readonly number[]) => symmetric(angles.length, (i, j) => Math.cos(angles[i] - angles[j]));

describe('segmentation', () => {
  it('finds the blocks of a series, and how many', async () => {
    const block = (i: number) => (i < 3 ? 0 : i < 4 ? 1 : 2);
    const matrix = symmetric(9, (i, j) => (block(i) === block(j) ? 0.98 : 0.1));
    const { phases, explained } = await segmentation(matrix);
    expect(phases.map(({ first, last }) => [first, last])).toEqual([
      [0, 2],
      [3, 3],
      [4, 8],
    ]);
    expect(phases.map(({ similarity }) => similarity)).toEqual([expect.closeTo(0.98, 12), 1, expect.closeTo(0.98, 12)]);
    expect(explained).toBeGreaterThan(0.9);
    expect((await segmentation(matrix, { phases: 2 })).phases).toHaveLength(2);
  });

  it('takes the least cost of all ways to cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.double({ min: 0, max: 3, noNaN: true }), { minLength: 1, maxLength: 7 }),
        fc.nat(),
        async (angles, pick) => {
          const matrix = atAngles(angles);
          const wanted = 1 + (pick % angles.length);
          const { phases, explained } = await segmentation(matrix, { phases: wanted });
          // Angles so near that their cosine rounds to 1 are one model, and no phase is cut there.
          const steps = angles.slice(1).map((angle, i) => Math.abs(angle - angles[i]));
          if (steps.every((step) => step > 1e-3)) expect(phases).toHaveLength(wanted);
          expect(phases.length).toBeLessThanOrEqual(wanted);
          expect(phases[0].first).toBe(0);
          expect(phases.at(-1)?.last).toBe(angles.length - 1);
          for (let i = 1; i < phases.length; i++) expect(phases[i].first).toBe(phases[i - 1].last + 1);
          const whole = leastCost(matrix, 1);
          if (whole > 1e-9) expect(explained).toBeCloseTo(1 - leastCost(matrix, phases.length) / whole, 9);
          if (whole > 1e-3) expect(explained).toBeCloseTo(1 - leastCost(matrix, wanted) / whole, 6);
        },
      ),
    );
  });

  it('cuts into as few phases as explain the share asked for', async () => {
    const matrix = atAngles([0, 0.1, 0.3, 1, 1.1, 1.2, 2.5, 2.6]);
    for (const explain of [0, 0.3, 0.8, 0.99, 1]) {
      const { phases, explained } = await segmentation(matrix, { explain });
      expect(explained).toBeGreaterThanOrEqual(explain - 1e-12);
      if (phases.length === 1) continue;
      const fewer = await segmentation(matrix, { phases: phases.length - 1 });
      expect(fewer.explained).toBeLessThan(explain);
    }
  });

  it('sees one phase where nothing changes, and in a single model', async () => {
    expect(await segmentation(symmetric(5, () => 1))).toEqual({
      phases: [{ first: 0, last: 4, similarity: 1 }],
      explained: 1,
    });
    expect((await segmentation([Float64Array.of(1)])).phases).toEqual([{ first: 0, last: 0, similarity: 1 }]);
  });

  it('makes no phase of nothing, nor two of models that are equal', async () => {
    const extents = async (groups: readonly number[], options: SegmentationOptions) => {
      const matrix = symmetric(groups.length, (i, j) => (groups[i] === groups[j] ? 1 : 0));
      const { phases, explained } = await segmentation(matrix, options);
      expect(phases.every(({ similarity }) => similarity === 1)).toBe(explained === 1);
      return phases.map(({ first, last }) => [first, last]);
    };
    for (const phases of [1, 2, 3, 4]) expect(await extents([0, 0, 0, 0], { phases })).toEqual([[0, 3]]);
    for (const phases of [2, 3, 4, 5])
      expect(await extents([0, 0, 0, 0, 1], { phases })).toEqual([
        [0, 3],
        [4, 4],
      ]);
    for (const phases of [3, 4, 5, 6])
      expect(await extents([0, 0, 1, 0, 0, 0], { phases })).toEqual([
        [0, 1],
        [2, 2],
        [3, 5],
      ]);
    expect(await extents([0, 0, 1, 1], { explain: 1 })).toEqual([
      [0, 1],
      [2, 3],
    ]);
  });

  it('does not cut below the resolution of the numbers', async () => {
    const draw = random(3);
    const noisy = (noise: number) =>
      symmetric(12, (i, j) =>
        i === j ? 1 : i < 5 === j < 5 ? 1 - noise * draw.uniform() : 0.9 - noise * draw.uniform(),
      );
    for (const noise of [1e-7, 0.01]) {
      const matrix = noisy(noise);
      for (const options of [{ phases: 4 }, { explain: 1 }]) {
        const { phases } = await segmentation(matrix, { ...options, resolution: 1.5 * noise });
        expect(phases.map(({ first, last }) => [first, last])).toEqual([
          [0, 4],
          [5, 11],
        ]);
      }
      // Without being told they are taken for what they say.
      expect((await segmentation(matrix, { phases: 4 })).phases).toHaveLength(4);
    }
    const noise = symmetric(8, (i, j) => (i === j ? 1 : 1 - 1e-7 * draw.uniform()));
    expect(await segmentation(noise, { resolution: 1e-6 })).toMatchObject({
      phases: [{ first: 0, last: 7 }],
      explained: 1,
    });
  });

  it('refuses what cannot be cut', async () => {
    const matrix = symmetric(3, () => 0.5);
    const invalid = { code: 'INVALID_ARGUMENT' };
    await expect(segmentation([])).rejects.toMatchObject(invalid);
    for (const phases of [0, 4, 1.5, Number.NaN])
      await expect(segmentation(matrix, { phases })).rejects.toMatchObject(invalid);
    for (const explain of [-0.1, 1.1, Number.NaN])
      await expect(segmentation(matrix, { explain })).rejects.toMatchObject(invalid);
    for (const resolution of [-1, 3, Number.NaN])
      await expect(segmentation(matrix, { resolution })).rejects.toMatchObject(invalid);
    await expect(segmentation([Float64Array.of(1), Float64Array.of(1)])).rejects.toMatchObject({ code: 'NOT_FINITE' });
    await expect(segmentation(symmetric(3, () => Number.NaN))).rejects.toMatchObject({ code: 'NOT_FINITE' });
    const reason = new Error('enough');
    await expect(segmentation(matrix, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  it('finds five phases in the run that groks', async () => {
    const { cosine, labels } = golden('grokking');
    const { phases } = await segmentation(cosine);
    expect(phases.map(({ first }) => labels[first])).toEqual(
      ['000000', '000108', '001079', '007504', '022900'].map((step) => `step_${step}`),
    );
  });
});
