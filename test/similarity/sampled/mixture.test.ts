import { describe, expect, test } from 'vitest';
import { selectBackend } from '../../../lib/backend/select.js';
import { createMixture, SecondMoment } from '../../../lib/similarity/sampled/mixture.js';
import { availableBackends } from '../../support/backends.js';

const DIMENSION = 4;
const SAMPLES = 40_000;

describe.each(availableBackends)('the mixture on %s', (name) => {
  const backend = selectBackend(name);
  const fit = { backend, threads: undefined, dimension: DIMENSION };
  const normals = (stream: number) => backend.normals({ seed: 1, stream, dimension: DIMENSION }, 0, SAMPLES);
  const moment = (z: Float64Array, weights: Float64Array | null, i: number, j: number) => {
    let sum = 0;
    for (let s = 0; s < SAMPLES; s++) sum += (weights?.[s] ?? 1) * z[s * DIMENSION + i] * z[s * DIMENSION + j];
    return sum / SAMPLES;
  };
  const directions = Float64Array.of(0.6, 0.8, 0, 0, 0, 0, 0, 1);

  test('draws every second sample wider along its directions, and weighs that out again', async () => {
    const mixture = createMixture(directions, Float64Array.of(5, 2), fit);
    const z = await normals(0);
    const plain = z.slice();
    const weights = await mixture.stretch(z, SAMPLES, {});
    expect(mixture.rank).toBe(2);
    for (let s = 0; s < 10; s++) {
      const row = (values: Float64Array) => [...values.subarray(s * DIMENSION, (s + 1) * DIMENSION)];
      if (s % 2 === 0) expect(row(z)).toEqual(row(plain));
      else expect(row(z)[3]).toBeCloseTo(Math.SQRT2 * row(plain)[3], 12);
    }
    expect(weights.every((weight) => weight > 0 && weight <= 2)).toBe(true);
    // Half of the samples have variance 5 along the first direction.
    const along = 0.36 * moment(z, null, 0, 0) + 0.96 * moment(z, null, 0, 1) + 0.64 * moment(z, null, 1, 1);
    expect(Math.abs(along - 3)).toBeLessThan(0.15);
    const mean = weights.reduce((sum, weight) => sum + weight / SAMPLES, 0);
    expect(Math.abs(mean - 1)).toBeLessThan(0.02);
    for (let i = 0; i < DIMENSION; i++) {
      for (let j = 0; j <= i; j++) expect(Math.abs(moment(z, weights, i, j) - (i === j ? 1 : 0))).toBeLessThan(0.04);
    }
  });

  test('is fitted to where the mass is: its directions, and variances of at most 6', async () => {
    const second = new SecondMoment(fit);
    const z = await normals(1);
    // A mass along (0.6, 0.8, 0, 0) of the sixth degree: E[p t²] / E[p] = 7.
    const mass = Float64Array.from({ length: SAMPLES }, (_, s) => (0.6 * z[s * 4] + 0.8 * z[s * 4 + 1]) ** 6);
    await second.add(z, mass, {});
    const mixture = (await second.mixture({}))!;
    expect(mixture.rank).toBe(1);
    const probe = Float64Array.of(0, 0, 0, 0, 0.6, 0.8, 0, 0);
    const [weight] = (await mixture.stretch(probe, 2, {})).subarray(1);
    for (const [i, value] of [0.6, 0.8, 0, 0].entries()) expect(probe[4 + i]).toBeCloseTo(Math.sqrt(6) * value, 0);
    expect(weight).toBeCloseTo(1 / (0.5 + 0.5 * Math.exp(-0.5 * (Math.log(6) + 1 - 6))), 1);
  });

  test('is none where no direction stands out', async () => {
    const second = new SecondMoment(fit);
    await second.add(await normals(2), new Float64Array(SAMPLES).fill(1), {});
    expect(await second.mixture({})).toBeNull();
    expect(await new SecondMoment(fit).mixture({})).toBeNull();
  });
});
