import { describe, expect, test } from 'vitest';
import { createModel, type LayerDefinition } from '../../../lib/model/create.js';
import type { Model } from '../../../lib/model/model.js';
import { similarityMatrix } from '../../../lib/similarity/matrix.js';
import { similarity } from '../../../lib/similarity/similarity.js';
import type { SimilarityOptions } from '../../../lib/similarity/terms/types.js';
import { availableBackends } from '../../support/backends.js';
import { campaignSeed, inCampaign, runs } from '../../support/campaign.js';
import { eigenvalues } from '../../support/eigenvalues.js';
import { modelOf, randomAttention, randomBlock, randomLinear, sequenceModel } from '../../support/models.js';
import { evaluateSequence, standardLaw } from '../../support/oracles.js';
import { exactProducts } from '../../support/quadrature.js';
import { random } from '../../support/random.js';

const INTERVAL = 2.04;

/** Blocks of two inputs and outputs. */
function deep(start: number, blocks: number, biases = true): Model {
  const draw = random(start);
  const layers: LayerDefinition[] = [randomLinear(draw, 2, 2, false)];
  for (let i = 0; i < blocks; i++)
    layers.push(randomBlock(draw, { inputs: 2, hidden: 3, outputs: 2, biases, residual: [biases ? 0.5 : 0, 0.5] }));
  return modelOf([...layers, randomLinear(draw, 2, 2, biases)], `deep ${start}`);
}

/** An embedding of V tokens, attention, a block and a head, on n positions. */
function tokenModel(start: number, vocabulary: number, positions: number): Model {
  const draw = random(start);
  return createModel({
    layers: [
      randomLinear(draw, 4, vocabulary, false),
      randomAttention(draw, {
        inputs: 4,
        outputs: 4,
        heads: 2,
        size: 2,
        biases: true,
        residual: [1, 0.5],
        mask: 'causal',
        rotaryBase: 100,
      }),
      randomBlock(draw, { inputs: 4, hidden: 5, outputs: 4, residual: [0.5, 0.5] }),
      randomLinear(draw, 3, 4),
    ],
    positions,
    label: `tokens ${start}`,
  });
}

describe.each(availableBackends)('sampling on %s', (backend) => {
  const sample = (a: Model, b: Model, options: SimilarityOptions = {}) =>
    similarity(a, b, { backend, method: 'sampled', ...options });

  test.each([1, 2, 3])('finds the exact value of networks of %i blocks, in all and per output', async (blocks) => {
    const [a, b] = [deep(1, blocks), deep(2, blocks)];
    const cells = exactProducts([a, b], standardLaw(2), 10);
    const found = await sample(a, b, { perOutput: true, seed: 5 });
    const total = (i: number, j: number) => cells[i][j].reduce((sum, value) => sum + value, 0);
    const exact = total(0, 1) / Math.sqrt(total(0, 0) * total(1, 1));
    expect(found).toMatchObject({ method: 'sampled', exact: false, input: 'standard' });
    expect(Math.abs(found.similarity - exact)).toBeLessThan(4 * found.standardError!);
    for (const [c, slice] of found.perOutput!.entries()) {
      const expected = cells[0][1][c] / Math.sqrt(cells[0][0][c] * cells[1][1][c]);
      expect(Math.abs(slice.similarity! - expected)).toBeLessThan(4 * slice.standardError!);
    }
    const sum = found.perOutput!.reduce((all, slice) => all + slice.innerProduct, 0);
    expect(Math.abs(sum - found.innerProduct)).toBeLessThan(1e-12 * found.normA * found.normB);
  });

  test('reaches the tolerance or says that it was not reached', async () => {
    const [a, b] = [deep(1, 3), deep(2, 3)];
    const loose = await sample(a, b, { tolerance: 0.05 });
    expect(loose.sampling).toMatchObject({ seed: 0, tolerance: 0.05, reached: true });
    expect(INTERVAL * loose.standardError!).toBeLessThanOrEqual(0.05);
    const strict = await sample(a, b, { tolerance: 1e-4, maxSamples: 2048 });
    expect(strict.sampling).toMatchObject({ reached: false });
    expect(strict.sampling!.samples).toBeLessThanOrEqual(2048);
    expect(strict.sampling!.interval).toBeCloseTo(INTERVAL * strict.standardError!, 12);
  });

  // The backends draw the same numbers and give the same results, which is asserted below: one of them goes through all.
  const seeds = runs(200);
  test.runIf(backend === availableBackends[0] || inCampaign)(
    `its error bars are true: over ${seeds} seeds the exact value lies in between 90 and 99 % of the intervals`,
    async () => {
      const [a, b] = [deep(20, 2), deep(21, 2)];
      const { similarity: exact } = await similarity(a, b, { backend });
      let inside = 0;
      for (let seed = 0; seed < seeds; seed++) {
        const found = await sample(a, b, { seed: campaignSeed * seeds + seed, tolerance: 0.05 });
        if (Math.abs(found.similarity - exact) <= INTERVAL * found.standardError!) inside++;
      }
      expect(inside).toBeGreaterThanOrEqual(0.9 * seeds);
      expect(inside).toBeLessThanOrEqual(0.99 * seeds);
    },
  );

  test.each<[string, SimilarityOptions['input']]>([
    ['sigma', { sigma: 1.5 }],
    ['a mean alone', { mean: [0.5, -1] }],
    [
      'a singular covariance',
      {
        mean: [0.5, -1],
        cov: [
          [1, 0.5],
          [0.5, 0.25],
        ],
      },
    ], // prettier-ignore
    ['onehot', 'onehot'],
  ])('takes the law: %s', async (_, input) => {
    const [a, b] = [deep(5, 2), deep(6, 2)];
    const exact = await similarity(a, b, { backend, input });
    const found = await sample(a, b, { input, tolerance: 0.02 });
    expect(Math.abs(found.similarity - exact.similarity)).toBeLessThan(4 * found.standardError! + 1e-12);
    expect(found.input).toBe(exact.input);
  });

  test('is the same for the same seed on any backend and any number of threads, and another for another seed', async () => {
    const [a, b] = [deep(1, 3), deep(2, 3)];
    const first = await sample(a, b, { tolerance: 0.02 });
    const reference = await sample(a, b, { tolerance: 0.02, backend: 'fallback' });
    expect(Math.abs(first.similarity - reference.similarity)).toBeLessThan(1e-12);
    expect(Math.abs(first.standardError! - reference.standardError!)).toBeLessThan(1e-12);
    expect(first.sampling!.samples).toBe(reference.sampling!.samples);
    expect((await sample(a, b, { tolerance: 0.02, threads: 1 })).similarity).toBe(first.similarity);
    expect((await sample(b, a, { tolerance: 0.02 })).similarity).toBe(first.similarity);
    expect((await sample(a, b, { tolerance: 0.02, seed: 1 })).similarity).not.toBe(first.similarity);
  });

  test('networks without biases need no opposite inputs, and give the same', async () => {
    const [a, b] = [deep(1, 2, false), deep(2, 2, false)];
    const exact = await similarity(a, b, { backend });
    const found = await sample(a, b, { maxSamples: 4096, tolerance: 1e-6 });
    expect(found.sampling!.samples).toBe(4096);
    expect(Math.abs(found.similarity - exact.similarity)).toBeLessThan(4 * found.standardError!);
  });

  test('tokens are uniform sequences: the mean over all of them', async () => {
    const [a, b] = [tokenModel(1, 3, 3), tokenModel(2, 3, 3)];
    const sums = [0, 0, 0];
    for (let code = 0; code < 27; code++) {
      const rows = [code % 3, Math.floor(code / 3) % 3, Math.floor(code / 9)].map((token) =>
        [0, 1, 2].map((i) => (i === token ? 1 : 0)),
      );
      const [f, g] = [a, b].map((model) => evaluateSequence(model, rows).flat());
      for (const [i, value] of f.entries()) {
        sums[0] += value * value;
        sums[1] += value * g[i];
        sums[2] += g[i] * g[i];
      }
    }
    const found = await sample(a, b, { input: 'tokens', method: 'auto', tolerance: 0.01 });
    expect(found).toMatchObject({ method: 'sampled', input: 'tokens' });
    expect(Math.abs(found.similarity - sums[1] / Math.sqrt(sums[0] * sums[2]))).toBeLessThan(4 * found.standardError!);
    expect(Math.abs(found.normA ** 2 / (sums[0] / 27) - 1)).toBeLessThan(0.1);
  });

  test('auto samples where nothing exact applies, also blocks of different kinds', async () => {
    const draw = random(3);
    const block = randomBlock(draw, { inputs: 2, hidden: 3, outputs: 2 });
    const attention = randomAttention(draw, { inputs: 2, outputs: 2, heads: 1, size: 2, biases: true });
    const [a, b] = [sequenceModel(2, [block], 'bilinear'), sequenceModel(2, [attention], 'attentive')];
    const found = await similarity(a, b, { backend, tolerance: 0.1 });
    expect(found.method).toBe('sampled');
    expect(Math.abs(found.similarity)).toBeLessThanOrEqual(1);
    expect(await similarity(deep(1, 2), deep(2, 2), { backend })).toMatchObject({ method: 'exact', sampling: null });
  });

  test('a matrix is positive semi-definite, 1 on the diagonal, and evaluates a model that stands twice once', async () => {
    const models = Array.from({ length: 6 }, (_, i) => deep(i, 3));
    const { gram, cosine, cosineError, standardError, perOutput } = await similarityMatrix([...models, models[0]], {
      backend,
      tolerance: 0.1,
      perOutput: true,
    });
    const spectrum = eigenvalues(gram.map((row) => [...row]));
    expect(Math.min(...spectrum)).toBeGreaterThan(-1e-10 * Math.max(...spectrum));
    for (const [i, row] of cosine.entries()) {
      expect(row[i]).toBe(1);
      expect(cosineError![i][i]).toBe(0);
      for (const [j, value] of row.entries()) {
        expect(Math.abs(value)).toBeLessThanOrEqual(1);
        expect(value).toBe(cosine[j][i]);
      }
    }
    expect(cosine[0][6]).toBe(1);
    expect(cosine[6]).toEqual(Float64Array.from([...cosine[0].slice(0, 6), 1]));
    expect(cosineError![0][6]).toBe(0);
    expect(standardError).toBe(Math.max(...cosineError!.flatMap((row) => [...row])));
    expect(perOutput!.cosineError![1][0][1]).toBeGreaterThan(0);
  });

  test('depends neither on the order of the models nor on threads by a bit', async () => {
    const draw = random(9);
    const [a, b] = [0, 1].map(() =>
      modelOf([
        ...[0, 1, 2].map(() => randomBlock(draw, { inputs: 6, hidden: 4, outputs: 6, residual: [0.5, 0.5] })),
        randomLinear(draw, 3, 6),
      ]),
    );
    const options = { tolerance: 0.02, perOutput: true } as const;
    const [forth, back] = [
      await sample(a, b, { ...options, threads: 1 }),
      await sample(b, a, { ...options, threads: 2 }),
    ];
    for (const part of [
      'similarity',
      'standardError',
      'distance',
      'distanceError',
      'innerProduct',
      'sampling',
    ] as const)
      expect(back[part]).toEqual(forth[part]);
    expect([back.normA, back.normB]).toEqual([forth.normB, forth.normA]);
    expect(back.perOutput!.map((slice) => slice.similarity)).toEqual(forth.perOutput!.map((slice) => slice.similarity));
    // The inputs are the same on every backend.
    const other = await sample(a, b, { ...options, backend: 'fallback' });
    expect({ ...other.sampling, interval: 0 }).toEqual({ ...forth.sampling, interval: 0 });
    expect(other.sampling!.interval).toBeCloseTo(forth.sampling!.interval, 10);
    expect(Math.abs(other.similarity - forth.similarity)).toBeLessThan(1e-10);
  });

  test('a model is equal to itself, with errors of its norm alone', async () => {
    const found = await sample(deep(1, 3), deep(1, 3), { perOutput: true });
    expect(found).toMatchObject({ similarity: 1, distance: 0, distanceError: 0 });
    expect(found.standardError).toBeLessThan(1e-14);
    const one = deep(2, 3);
    const same = await sample(one, one);
    expect(same).toMatchObject({ similarity: 1, distance: 0, distanceError: 0, standardError: 0 });
    expect(same.normAError).toBeGreaterThan(0);
    expect(same.normBError).toBe(same.normAError);
  });

  test('float32 gives the same to 1e-5', async () => {
    const [a, b] = [deep(1, 3), deep(2, 3)];
    const options = { tolerance: 0.05, maxSamples: 4096 };
    const [double, single] = [await sample(a, b, options), await sample(a, b, { ...options, dtype: 'float32' })];
    expect(Math.abs(double.similarity - single.similarity)).toBeLessThan(1e-5);
  });

  test('names models that are zero, and takes weights of any size', async () => {
    const zero = modelOf([{ type: 'linear', weight: { data: new Float64Array(4), shape: [2, 2] } }], 'nothing');
    await expect(sample(deep(1, 3), zero)).rejects.toMatchObject({ code: 'ZERO_NORM', message: /"nothing"/ });
    const block = (size: number) => {
      const weight = { data: Float64Array.of(1, 0.5, -1, 2).map((value) => value * size), shape: [2, 2] };
      return modelOf([{ type: 'bilinear', left: weight, right: weight, alpha: 0, beta: 1 }], 'endless');
    };
    const [plain, endless] = [await sample(deep(1, 3), block(1)), await sample(deep(1, 3), block(2 ** 600))];
    expect(endless.similarity).toBe(plain.similarity);
    expect(endless.standardError).toBe(plain.standardError);
    expect(endless.normB).toBe(Number.POSITIVE_INFINITY);
    expect(endless.beyondRange!.log2NormB).toBeCloseTo(Math.log2(plain.normB) + 1200, 9);
    expect(endless.sampling).toEqual(plain.sampling);
  });

  test('refuses what cannot be sampled or means nothing', async () => {
    const [a, b] = [deep(1, 1), deep(2, 1)];
    const block = modelOf([randomBlock(random(1), { inputs: 2, hidden: 2, outputs: 2 })], 'plain block');
    for (const [options, code, message] of [
      [{ measure: 'tensor' }, 'INVALID_ARGUMENT', /"tensor" has no method "sampled"/],
      [{ input: 'tokens', method: 'closure' }, 'INVALID_ARGUMENT', /"tokens".*sampled only/],
      [{ input: 'tokens', method: 'auto', measure: 'tensor' }, 'INVALID_ARGUMENT', /"tokens".*sampled only/],
      [{ route: 'dense' }, 'INVALID_ARGUMENT', /"sampled" has one way/],
      [{ seed: -1 }, 'INVALID_ARGUMENT', /"seed" is -1/],
      [{ tolerance: 0 }, 'INVALID_ARGUMENT', /"tolerance" is 0/],
      [{ tolerance: Number.NaN }, 'INVALID_ARGUMENT', /"tolerance" is NaN/],
      [{ maxSamples: 10 }, 'INVALID_ARGUMENT', /"maxSamples" is 10/],
    ] as const) {
      await expect(sample(a, b, options)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    }
    await expect(sample(block, block, { input: 'tokens' })).rejects.toMatchObject({
      code: 'UNSUPPORTED_LAYER',
      message: expect.stringMatching(/"plain block" begins with a bilinear layer/),
    });
  });

  test('reports how far it is, and stops when it is told to', async () => {
    const [a, b] = [deep(1, 3), deep(2, 3)];
    const seen: number[] = [];
    await sample(a, b, {
      tolerance: 0.01,
      onProgress: ({ phase, done, total }) => {
        expect(phase).toBe('sample');
        expect(done).toBeLessThanOrEqual(total);
        seen.push(done);
      },
    });
    expect(seen.length).toBeGreaterThan(0);
    const controller = new AbortController();
    const running = sample(a, b, {
      tolerance: 1e-5,
      signal: controller.signal,
      onProgress: () => controller.abort(new Error('enough')),
    });
    await expect(running).rejects.toThrow('enough');
  });
});
