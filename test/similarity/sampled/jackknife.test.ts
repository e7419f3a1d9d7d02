import { describe, expect, test } from 'vitest';
import { Pacer } from '../../../lib/cooperate.js';
import { GROUPS, GroupSums, INTERVAL } from '../../../lib/similarity/sampled/jackknife.js';
import { random } from '../../support/random.js';

/** Sums of two models, whose products ff, fg and gg in every group are as given. */
async function sumsOf(products: (group: number) => [ff: number, fg: number, gg: number]) {
  const sums = new GroupSums(2, 1);
  for (let group = 0; group < GROUPS; group++) {
    const [ff, fg, gg] = products(group);
    await sums.add(group, Float64Array.of(ff, fg, fg, gg), 1, 0, new Pacer());
  }
  return sums;
}

const errorOf = async (sums: GroupSums) => (await sums.standardErrors(0, new Pacer()))[1];

describe('the jackknife', () => {
  test('finds no error where all groups agree', async () => {
    expect(await errorOf(await sumsOf(() => [2, 1, 3]))).toBeLessThan(1e-14);
  });

  test('finds the spread of the groups: for a mean, their deviation divided by the root of their number', async () => {
    const draw = random(5);
    const means = Array.from({ length: GROUPS }, () => 0.5 + 0.01 * draw.normal());
    // Norms that are the same in every group make the similarity a mean.
    const error = await errorOf(await sumsOf((group) => [1, means[group], 1]));
    const mean = means.reduce((sum, value) => sum + value / GROUPS, 0);
    const variance = means.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (GROUPS - 1);
    const plain = Math.sqrt(variance / GROUPS);
    expect(error).toBeGreaterThanOrEqual(plain * (1 - 1e-9));
    expect(error).toBeLessThan(1.1 * plain);
  });

  test('is widened where a single group makes all the difference, as Student’s t with one degree of freedom', async () => {
    const error = await errorOf(await sumsOf((group) => [1, group === 7 ? 0.9 : 0.5, 1]));
    // Without group 7 the mean of the others, 0.5; without any other that mean and 0.4 / 31 more.
    const rise = 0.4 / 31;
    const plain = Math.sqrt((31 / 32) * (rise ** 2 * 31) * (1 - 31 / 32));
    expect((error * INTERVAL) / plain).toBeGreaterThan(9);
    expect((error * INTERVAL) / plain).toBeLessThan(12.71);
  });

  test('of fewer groups is that of these alone, widened as for so few', async () => {
    const draw = random(6);
    const means = Array.from({ length: 9 }, () => 0.5 + 0.01 * draw.normal());
    const sums = await sumsOf((group) => (group < 9 ? [1, means[group], 1] : [0, 0, 0]));
    sums.leaveOut(Array.from({ length: GROUPS - 9 }, (_, group) => group + 9));
    const error = await errorOf(sums);
    const mean = means.reduce((sum, value) => sum + value / 9, 0);
    const plain = Math.sqrt(means.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 8 / 9);
    // Student's t with at most 8 degrees of freedom, in parts of that with 31.
    expect(error / plain).toBeGreaterThan(2.306 / INTERVAL - 1e-9);
    expect(error / plain).toBeLessThan(3.2 / INTERVAL);
    expect((await sums.meanErrors(0, 9, new Pacer()))[1] / plain).toBeCloseTo(error / plain, 9);
  });

  test('knows nothing where a model is zero outside of one group', async () => {
    expect(await errorOf(await sumsOf((group) => (group === 3 ? [1, 0.5, 1] : [0, 0, 1])))).toBe(1);
  });

  test('gives means and errors of every slice', async () => {
    const sums = new GroupSums(2, 3);
    for (let group = 0; group < GROUPS; group++) {
      await sums.add(group, Float64Array.of(2, 1, 1, 2), 1, 0, new Pacer());
      await sums.add(group, Float64Array.of(1, 1, 0.5, group % 2, 0.5, group % 2, 1, 1), 2, 1, new Pacer());
    }
    expect([...(await sums.mean(GROUPS, 1, 0, new Pacer()))]).toEqual([2, 1, 1, 2]);
    expect([...(await sums.mean(GROUPS, 2, 1, new Pacer()))]).toEqual([1, 1, 0.5, 0.5, 0.5, 0.5, 1, 1]);
    expect((await sums.standardErrors(1, new Pacer()))[1]).toBe(0);
    expect((await sums.standardErrors(2, new Pacer()))[2]).toBeCloseTo(0.5 / Math.sqrt(31), 2);
  });
});
