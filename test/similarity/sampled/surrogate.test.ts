import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { byGrid } from '../../../bench/coverage/truth.js';
import { evaluate } from '../../../lib/evaluation/evaluate.js';
import { FALLBACK } from '../../../lib/fallback/backend.js';
import type { ActivationName } from '../../../lib/layers/activations.js';
import { createModel, type LayerDefinition } from '../../../lib/model/create.js';
import type { Model } from '../../../lib/model/model.js';
import { loadModel } from '../../../lib/model/reading/load.js';
import { provenance } from '../../../lib/report/provenance.js';
import { similarityMatrix } from '../../../lib/similarity/matrix.js';
import { fitHead } from '../../../lib/similarity/sampled/fit.js';
import { similarity } from '../../../lib/similarity/similarity.js';
import type { SimilarityOptions } from '../../../lib/similarity/terms/types.js';
import { tensor } from '../../../lib/tensor/tensor.js';
import { backendsWith } from '../../support/backends.js';
import { randomLinear } from '../../support/models.js';
import { random } from '../../support/random.js';
import { randomGated, randomHidden } from '../../support/units.js';

const UNITS = { inputs: 6, hidden: 6, outputs: 6, biases: true } as const;

/** Two inputs, blocks of six units, three outputs. */
function network(seed: number, block: (draw: ReturnType<typeof random>) => LayerDefinition, depth = 2): Model {
  const draw = random(seed);
  const blocks = Array.from({ length: depth }, () => block(draw));
  const layers = [randomLinear(draw, 6, 2), ...blocks, randomLinear(draw, 3, 6)];
  return createModel({ layers, label: `network ${seed}` });
}
const hidden =
  (activation: ActivationName, more: object = {}) =>
  (draw: ReturnType<typeof random>) =>
    randomHidden(draw, { ...UNITS, activation, ...more });
const gated = (draw: ReturnType<typeof random>) =>
  randomGated(draw, { ...UNITS, activation: 'silu', residual: [1, 0.1] });

/** So many samples that surrogates are looked for, and too few for the tolerance. */
const MANY = { tolerance: 1e-4, maxSamples: 8192 } as const;

const BACKENDS = backendsWith('hidden');

const PAIRS: readonly (readonly [title: string, make: () => readonly [Model, Model]])[] = [
  ['tanh', () => [network(1, hidden('tanh')), network(2, hidden('tanh'))]],
  [
    'GELU against ReLU, residuals, three deep',
    () => {
      return [
        network(3, hidden('gelu', { residual: [1, 0.5] }), 3),
        network(4, hidden('relu', { residual: [1, 0.5] }), 3),
      ];
    },
  ],
  ['gated blocks', () => [network(5, gated), network(6, gated)]],
  ['two layers against one', () => [network(7, hidden('silu', { skip: true })), network(8, hidden('silu'), 1)]],
];

describe.each(BACKENDS)('sampling beside surrogates on %s', (backend) => {
  const sample = (a: Model, b: Model, options: SimilarityOptions = {}) =>
    similarity(a, b, { backend, method: 'sampled', ...MANY, ...options });

  /** The others give the same to rounding, as one of these tests makes sure. */
  const quickest = backend === BACKENDS[0];

  test.each(quickest ? PAIRS : PAIRS.slice(0, 1))('is unbiased: %s', async (_, make) => {
    const [a, b] = make();
    const truth = await byGrid([a, b]);
    const found = await sample(a, b, { perOutput: true });
    expect(found.sampling!.surrogate!.varianceRatio).toBeLessThan(0.8);
    expect(Math.abs(found.similarity - truth.whole)).toBeLessThan(4 * found.standardError!);
    for (const [c, slice] of found.perOutput!.entries()) {
      expect(Math.abs(slice.similarity! - truth.slices[c])).toBeLessThan(4.5 * slice.standardError!);
    }
    const sum = found.perOutput!.reduce((all, slice) => all + slice.innerProduct, 0);
    expect(Math.abs(sum - found.innerProduct)).toBeLessThan(1e-12 * found.normA * found.normB);
    const square = found.normA ** 2 + found.normB ** 2 - 2 * found.innerProduct;
    expect(Math.abs(found.distance ** 2 / square - 1)).toBeLessThan(1e-9);
  });

  test('has no error left where what is behind the first block is affine', async () => {
    const draw = random(9);
    const behind = () => [{ type: 'activation', width: 6, activation: 'identity' } as const, randomLinear(draw, 3, 6)];
    const start = () => [randomHidden(draw, { ...UNITS, inputs: 2, activation: 'gelu' })];
    const [a, b] = [0, 1].map(() => createModel({ layers: [...start(), ...behind()] }));
    const [exactA, exactB] = [a, b].map(({ layers }) => createModel({ layers: layers.filter((_, i) => i !== 1) }));
    const [found, exact] = [await sample(a, b), await similarity(exactA, exactB, { backend })];
    expect(exact.method).toBe('exact');
    expect(Math.abs(found.similarity - exact.similarity)).toBeLessThan(1e-6);
    expect(found.standardError).toBeLessThan(1e-6);
    expect(found.sampling).toMatchObject({ reached: true, samples: 4096 });
  });

  test.runIf(quickest)('gives the same whatever the order, the threads and the backend', async () => {
    const [a, b] = [network(1, hidden('tanh')), network(2, hidden('tanh'))];
    const [forth, back] = [await sample(a, b, { threads: 1 }), await sample(b, a, { threads: 2 })];
    for (const part of ['similarity', 'standardError', 'distance', 'innerProduct', 'sampling'] as const)
      expect(back[part]).toEqual(forth[part]);
    const other = await sample(a, b, { backend: 'fallback' });
    expect(Math.abs(other.similarity - forth.similarity)).toBeLessThan(1e-10);
    expect(other.sampling!.samples).toBe(forth.sampling!.samples);
    const single = await sample(a, b, { dtype: 'float32' });
    expect(Math.abs(single.similarity - forth.similarity)).toBeLessThan(1e-5);
  });

  test.runIf(quickest)('in a matrix every model has its own, and one of a single block is its own', async () => {
    const models = [network(1, hidden('tanh')), network(8, hidden('silu'), 1), network(2, hidden('tanh'))];
    const options = { backend, ...MANY, method: 'sampled' } as const;
    const { cosine, cosineError, sampling } = await similarityMatrix(models, options);
    const limited = await similarityMatrix(models, { ...options, memoryLimit: '1MiB' });
    expect([limited.cosine, limited.cosineError]).toEqual([cosine, cosineError]);
    expect(sampling).toMatchObject({ samples: 8192, surrogate: { varianceRatio: expect.any(Number) } });
    for (const [i, f] of models.entries()) {
      expect(cosine[i][i]).toBe(1);
      for (const [j, g] of models.slice(0, i).entries()) {
        const { whole } = await byGrid([f, g]);
        expect(cosine[j][i]).toBe(cosine[i][j]);
        expect(Math.abs(cosine[i][j] - whole)).toBeLessThan(4.5 * cosineError![i][j]);
      }
    }
  });

  test.runIf(quickest)('takes a law with a mean and a singular covariance', async () => {
    const [a, b] = [network(1, hidden('gelu')), network(2, hidden('gelu'))];
    const along = (model: Model) => {
      const column = { data: Float64Array.of(1, 0.5), shape: [2, 1] };
      const bias = { data: Float64Array.of(0.5, -1), shape: [2] };
      return createModel({ layers: [{ type: 'linear', weight: column, bias }, ...model.layers] });
    };
    const truth = await byGrid([along(a), along(b)]);
    const input = {
      mean: [0.5, -1],
      cov: [
        [1, 0.5],
        [0.5, 0.25],
      ],
    }; // prettier-ignore
    const found = await sample(a, b, { input });
    expect(found.sampling!.surrogate).toBeDefined();
    expect(Math.abs(found.similarity - truth.whole)).toBeLessThan(4 * found.standardError!);
  });

  test.runIf(quickest)('takes norms behind the first block, and as many positions as there are', async () => {
    const models = [1, 2].map((seed) => {
      const draw = random(seed);
      const units = () => randomHidden(draw, { ...UNITS, activation: 'tanh' });
      const norm = {
        type: 'rms_norm',
        weight: { data: new Float64Array(6).fill(1), shape: [6] },
        epsilon: 1e-6,
      } as const;
      return [randomLinear(draw, 6, 2), units(), norm, units(), randomLinear(draw, 3, 6)];
    });
    const of = (positions: number) => models.map((layers) => createModel({ layers, positions })) as [Model, Model];
    const truth = await byGrid(of(1));
    for (const positions of [1, 3]) {
      const found = await sample(...of(positions));
      expect(found.sampling!.surrogate!.varianceRatio).toBeLessThan(0.8);
      expect(Math.abs(found.similarity - truth.whole)).toBeLessThan(4 * found.standardError!);
    }
  });

  test.runIf(quickest)('are left out where they tell nothing, or few samples are enough', async () => {
    const wild = (seed: number) => {
      const draw = random(seed);
      const layer = randomLinear(draw, 6, 6);
      const weight = { ...layer.weight, data: layer.weight.data.map((value) => 40 * value) };
      const layers = [randomHidden(draw, { ...UNITS, inputs: 2, activation: 'tanh' }), { ...layer, weight }];
      return createModel({ layers: [...layers, { type: 'activation', width: 6, activation: 'sin' }] });
    };
    expect((await sample(wild(1), wild(2))).sampling!.surrogate).toBeUndefined();
    const [a, b] = [network(1, hidden('tanh')), network(2, hidden('tanh'))];
    expect((await sample(a, b, { tolerance: 0.05 })).sampling!.surrogate).toBeUndefined();
  });
});

test.each([
  ['two', 'relu2', 4],
  ['three', 'relu3', 2.5],
] as const)(
  'with %s hidden layers that learned the digits a sample is worth several plain ones',
  async (_, name, least) => {
    const folder = join(import.meta.dirname, '../../../examples/digits-deep');
    const [f, g] = await Promise.all([0, 1].map((seed) => loadModel(join(folder, `${name}_seed${seed}.safetensors`))));
    const options = { method: 'sampled', tolerance: 1e-4, maxSamples: 16_384 } as const;
    const found = await similarity(f, g, options);
    const { samples } = found.sampling!;
    const plain = await plainVariance(f, g, 8192);
    expect(plain / (samples * found.standardError! ** 2)).toBeGreaterThan(least);
    expect(provenance(found)).toContainEqual([
      'method',
      expect.stringMatching(/^sampled on .* beside surrogates of one block$/),
    ]);
  },
);

/** Of what a random input adds to a similarity. */
async function plainVariance(f: Model, g: Model, count: number): Promise<number> {
  const draw = random(1);
  const inputs = tensor(
    Float64Array.from({ length: count * 64 }, () => draw.normal()),
    [count, 64],
  );
  const [a, b] = [(await evaluate(f, inputs)).data, (await evaluate(g, inputs)).data] as Float64Array[];
  const products = (x: Float64Array, y: Float64Array) =>
    Array.from({ length: count }, (_, s) => {
      return x.subarray(10 * s, 10 * s + 10).reduce((sum, value, c) => sum + value * y[10 * s + c], 0);
    });
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / count;
  const [ff, fg, gg] = [products(a, a), products(a, b), products(b, b)];
  const [x, y, w] = [ff, fg, gg].map(mean);
  return mean(fg.map((value, s) => (value - (y / 2) * (ff[s] / x + gg[s] / w)) ** 2 / (x * w)));
}

test('a head is the best there is, whatever features are constant or repeated', async () => {
  const draw = random(1);
  const count = 200;
  const features = Array.from({ length: 2 }, () => Array.from({ length: count }, () => draw.normal()));
  const rows = [features[0], features[1], features[0], new Array(count).fill(3)];
  const output = rows[0].map((value, s) => 2 * value - rows[1][s] + 5);
  const observed = { rows: Float64Array.from([...rows, output].flat()), width: 4, outputs: 1 };
  const { head, left } = await fitHead(observed, 'float64', FALLBACK, {});
  expect(left).toBeLessThan(1e-8);
  expect(head.weight[0] + head.weight[2]).toBeCloseTo(2, 6);
  expect(head.weight[1]).toBeCloseTo(-1, 6);
  expect(head.weight[3]).toBe(0);
  expect(head.bias[0]).toBeCloseTo(5, 6);
  const noise = Float64Array.from({ length: 2 * count }, () => draw.normal());
  expect((await fitHead({ rows: noise, width: 1, outputs: 1 }, 'float64', FALLBACK, {})).left).toBeGreaterThan(0.9);
});
