import { describe, expect, test } from 'vitest';
import type { LayerOf } from '../../lib/layers/layer.js';
import type { ShapeOnly } from '../../lib/layers/shapes.js';
import type { Model } from '../../lib/model/model.js';
import { provenance } from '../../lib/report/provenance.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import { memberOf } from '../../lib/similarity/members/members.js';
import { planComparison, settledOn } from '../../lib/similarity/plan/comparison.js';
import { exactFlops, sampleFlops, type WeighedJob } from '../../lib/similarity/plan/long_job.js';
import { weigh } from '../../lib/similarity/plan/weigh.js';
import { sampledGram } from '../../lib/similarity/sampled/sampled.js';
import { similarity } from '../../lib/similarity/similarity.js';
import { settle } from '../../lib/similarity/terms/options.js';
import type { SimilarityOptions } from '../../lib/similarity/terms/types.js';
import { backendsWith } from '../support/backends.js';
import { modelOf, randomBlock } from '../support/models.js';
import { random } from '../support/random.js';
import { randomHidden } from '../support/units.js';

const shape = (...sizes: number[]): ShapeOnly => ({ shape: sizes });
const RATE = 2e10;
const OPTIONS = { tolerance: 0.005, maxSamples: 2 ** 18 };

/** Some alike gated blocks, of d features and h units. */
function gatedJob(count: number, d: number, h: number): WeighedJob {
  const layer = { type: 'gated', gate: shape(h, d), up: shape(h, d), down: shape(d, h), activation: 'silu' };
  const model = { layers: [layer as LayerOf<ShapeOnly>], inputShape: [1, d], outputShape: [1, d] } as const;
  return { models: Array(count).fill(model), columns: d };
}

describe('what auto weighs', () => {
  test('counts four products of a gated pair, and one of a hidden one', () => {
    const job = gatedJob(2, 4096, 14_336);
    expect(exactFlops({ ...job, pairs: 1 }) / (2 * 14_336 ** 2 * 5 * 4096)).toBeCloseTo(1, 0);
    expect(sampleFlops(job) / (2 * 2 * 3 * 4096 * 14_336)).toBeCloseTo(1, 1);
    const hidden = { type: 'hidden', weight: shape(512, 784), down: shape(10, 512), activation: 'relu' };
    const model = { layers: [hidden as LayerOf<ShapeOnly>], inputShape: [1, 784], outputShape: [1, 10] } as const;
    const pair = exactFlops({ models: [model, model], columns: 784, pairs: 1 });
    const none = exactFlops({ models: [model, model], columns: 784, pairs: 0 });
    expect((pair - none) / (2 * 512 ** 2 * 784)).toBeCloseTo(1, 0);
  });

  test('samples the blocks of large language models, and the more so the more there are', () => {
    const deviation = 1.03 / Math.sqrt(4096);
    const two = weigh(gatedJob(2, 4096, 14_336), deviation, OPTIONS, RATE);
    const many = weigh(gatedJob(20, 4096, 14_336), deviation, OPTIONS, RATE);
    expect([two.sampled, many.sampled]).toEqual([true, true]);
    const ratio = ({ weighed }: typeof two) => weighed.exactSeconds / weighed.sampledSeconds;
    expect(ratio(many)).toBeGreaterThan(5 * ratio(two));
    expect(two.maxSamples).toBe(2048);
  });

  test('stays exact for a small tolerance, or where samples tell little', () => {
    const job = gatedJob(2, 4096, 14_336);
    const deviation = 1.03 / Math.sqrt(4096);
    expect(weigh(job, deviation, { ...OPTIONS, tolerance: 1e-4 }, RATE).sampled).toBe(false);
    expect(weigh(job, 0.5, OPTIONS, RATE).sampled).toBe(false);
    expect(weigh(job, Number.POSITIVE_INFINITY, OPTIONS, RATE).sampled).toBe(false);
  });
});

describe.each(backendsWith('hidden'))('auto on %s', (backend) => {
  const UNITS = { inputs: 8, hidden: 4096, outputs: 2, activation: 'gelu', biases: true } as const;
  const wide = [1, 2].map((seed) => modelOf([randomHidden(random(seed), UNITS)], `wide ${seed}`));
  const planned = (models: readonly Model[], options: SimilarityOptions = {}, extent: object = {}) => {
    const [a, b] = models.map(memberOf);
    const settings = settle({ backend, tolerance: 0.1, ...options });
    return planComparison([a, b], settings, { patience: 0, ...extent });
  };

  test('samples where exact is many times dearer, the same at every time, and says so', async () => {
    const comparison = await planned(wide);
    expect(comparison).toMatchObject({ kind: 'samples', info: { method: 'sampled', exact: false } });
    const { weighed } = comparison.info;
    expect(weighed!.exactSeconds).toBeGreaterThan(5 * weighed!.sampledSeconds);
    expect(weighed!.deviation).toBeGreaterThan(0);
    expect((await planned(wide)).info.weighed).toEqual(weighed);
    const rows = provenance(comparison.info).filter(([name]) => name === 'weighed by auto');
    expect(rows).toEqual([['weighed by auto', expect.stringMatching(/^exact .* of one thread, sampled /)]]);
  });

  test('is exact where that was asked for, is kept, or tells degrees, and for small or bilinear blocks', async () => {
    const draw = random(3);
    const block = () => modelOf([randomBlock(draw, { inputs: 8, hidden: 512, outputs: 2 })]);
    const small = () => modelOf([randomHidden(draw, { ...UNITS, hidden: 8 })]);
    for (const comparison of [
      await planned(wide, { method: 'exact' }),
      await planned(wide, {}, { keeps: true }),
      await planned(wide, { degrees: true }),
      await planned(wide, {}, { patience: undefined }),
      await planned([block(), block()]),
      await planned([small(), small()]),
    ]) {
      expect(comparison).toMatchObject({ kind: 'chains', info: { method: 'exact', exact: true } });
    }
    const [a, b] = [small(), small()];
    expect((await similarity(a, b, { backend })).weighed).toBeUndefined();
    expect((await similarityMatrix([a, b], { backend })).weighed).toBeUndefined();
  });

  // What is sampled is the same on every backend: the quickest does it.
  const quickest = backend === backendsWith('hidden')[0];
  test.runIf(quickest)('is exact after all where samples do not reach the tolerance', async () => {
    const comparison = await planned(wide);
    if (comparison.kind !== 'samples') throw new Error('expected samples');
    const gram = await sampledGram(wide.map(memberOf), comparison.law, comparison.settings);
    const { sampling } = gram;
    expect(sampling.reached).toBe(true);
    expect(sampling.samples).toBeLessThanOrEqual(comparison.settings.maxSamples);
    expect(await settledOn(comparison, gram)).toBe(comparison);
    const missed = await settledOn(comparison, { sampling: { ...sampling, reached: false } });
    expect(missed).toMatchObject({ kind: 'chains', info: { method: 'exact', weighed: comparison.info.weighed } });
  });
});
