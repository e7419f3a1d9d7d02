// Forward passes, random inputs and sampling by the CUDA backend: everywhere with a library of the same interface whose
// device is the host, and where there is a GPU with it as well.
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { evaluate, type MatrixOptions, type Model, similarityMatrix } from '../../lib/index.js';
import { loadAddon } from '../../lib/machines/addon.js';
import { backends, selectBackend } from '../../lib/machines/select.js';
import type { LayerDefinition } from '../../lib/model/create.js';
import { buildEmulatedLibrary } from '../support/emulated_library.js';
import { difference } from '../support/forward.js';
import { modelOf, randomAttention, randomBlock, randomLinear, randomTensor, sequenceModel } from '../support/models.js';
import { random } from '../support/random.js';

const addon = loadAddon();
const emulated = 'addon' in addon && process.platform === 'linux' ? buildEmulatedLibrary() : undefined;
const library = emulated?.copy();
const gpu = (await backends()).some(({ name, available }) => name === 'cuda' && available);
const places = [...(emulated === undefined ? [] : ['an emulated device']), ...(gpu ? ['a GPU'] : [])];

beforeEach(() => vi.stubEnv('TENSIM_BACKEND', undefined));
afterEach(() => vi.unstubAllEnvs());
afterAll(() => emulated?.dispose());

/** Models of tokens, of which each differs a little from the one before. */
function tokenModels(count: number, vocabulary = 9): Model[] {
  const attention = { inputs: 6, heads: 2, size: 4, rotaryBase: 100, residual: [1, 0.35] } as const;
  const layers = (seed: number): LayerDefinition[] => {
    const draw = random(seed);
    return [
      randomLinear(draw, 6, vocabulary, false),
      randomAttention(draw, attention),
      randomLinear(draw, vocabulary, 6, false),
    ];
  };
  const [base, ...others] = Array.from({ length: count }, (_, i) => layers(i + 1));
  const mixed = others.map((own) => own.map((layer, i) => (i === 1 ? base![1]! : layer)));
  return [base!, ...mixed].map((own) => sequenceModel(2, own));
}

const numbers = (rows: readonly ArrayLike<number>[]): number[] => rows.flatMap((row) => Array.from(row));

describe.each(places)('the forward pass on %s', (place) => {
  beforeEach(() => {
    if (place === 'an emulated device') vi.stubEnv('TENSIM_CUDA_LIBRARY', library);
  });

  const draw = random(31);
  const units = (activation: 'gelu' | 'prelu'): LayerDefinition[] => [
    {
      type: 'hidden',
      weight: randomTensor(draw, 9, 7),
      bias: randomTensor(draw, 9),
      activation,
      ...(activation === 'prelu' && { slopes: randomTensor(draw, 9) }),
      down: randomTensor(draw, 7, 9),
      skip: randomTensor(draw, 7, 7),
      alpha: 1,
      beta: 0.5,
    },
    {
      type: 'gated',
      gate: randomTensor(draw, 8, 7),
      up: randomTensor(draw, 8, 7),
      activation: 'silu',
      down: randomTensor(draw, 5, 8),
      downBias: randomTensor(draw, 5),
      alpha: 0,
      beta: 1,
    },
    { type: 'activation', activation: 'tanh', width: 5 },
  ];
  const softmax: LayerDefinition = {
    ...{ type: 'softmax_attention', heads: 4, kvHeads: 2, mask: 'causal', rotaryBase: 100, alpha: 1, beta: 0.5 },
    ...{ q: randomTensor(draw, 16, 7), k: randomTensor(draw, 8, 7), v: randomTensor(draw, 6, 7) },
    ...{ o: randomTensor(draw, 7, 12), qNorm: randomTensor(draw, 4), kNorm: randomTensor(draw, 4) },
  };
  const block = { inputs: 7, hidden: 9, outputs: 7, biases: true, residual: [1, 0.5] } as const;
  const attention = { inputs: 7, heads: 3, size: 4, biases: true, rotaryBase: 50, residual: [1, 0.5] } as const;
  const models: [string, Model][] = [
    ['blocks', modelOf([randomLinear(draw, 7, 5), randomBlock(draw, block), randomLinear(draw, 3, 7)])],
    ['attention', sequenceModel(5, [randomAttention(draw, attention), randomLinear(draw, 9, 7)])],
    ['units', modelOf(units('gelu'))],
    ['units with slopes', modelOf(units('prelu'))],
    [
      'a transformer',
      sequenceModel(40, [
        {
          type: 'parallel',
          branches: [[{ type: 'rms_norm', features: 7, epsilon: 1e-5 }, softmax], units('gelu').slice(0, 1)],
        },
        { ...softmax, window: 5, alibi: 8, rotaryBase: null },
      ]),
    ],
    [
      'images',
      modelOf([
        {
          type: 'convolution',
          weight: randomTensor(draw, 4, 2, 3, 3),
          height: 6,
          width: 5,
          padding: 1,
          stride: [2, 1],
        },
        { type: 'activation', activation: 'relu', width: 60 },
        { type: 'convolution', weight: randomTensor(draw, 4, 1, 3), width: 15, groups: 4, dilation: 2 },
        { type: 'pool', mode: 'max', channels: 4, width: 11, kernel: 3, stride: 2 },
        { type: 'pool', mode: 'mean', channels: 4, width: 5, kernel: 3, padding: 1 },
      ]),
    ],
  ];

  it.each(models)('gives the numbers of the native backend: %s', async (_, model) => {
    const inputs = randomTensor(draw, 19, ...model.inputShape);
    for (const [dtype, epsilon] of [
      ['float64', 1e-13],
      ['float32', 1e-5],
    ] as const) {
      const wanted = await evaluate(model, inputs, { backend: 'native', dtype });
      const found = await evaluate(model, inputs, { backend: 'cuda', dtype });
      expect(found.shape).toEqual(wanted.shape);
      expect(found.data.constructor).toBe(wanted.data.constructor);
      expect(difference(found.data, Array.from(wanted.data))).toBeLessThan(epsilon);
    }
  });

  it('takes tokens, and refuses what is none', async () => {
    const [model] = tokenModels(1) as [Model];
    const tokens = [
      [0, 8],
      [3, 1],
    ];
    const wanted = await evaluate(model, tokens, { backend: 'native' });
    const found = await evaluate(model, tokens, { backend: 'cuda' });
    expect(difference(found.data, Array.from(wanted.data))).toBeLessThan(1e-13);
    const { forward } = await selectBackend('cuda', { forward: {} });
    const layers = [{ type: 'linear', weight: { data: Float64Array.of(1, 2), shape: [1, 2] } }] as const;
    const pass = await forward.prepare({ layers, positions: 1, features: 2, input: 'tokens' }, 'float64');
    await expect(pass.evaluate(Int32Array.of(2))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(await pass.evaluate(Int32Array.of(1, 0))).toEqual(Float64Array.of(2, 1));
    expect(await pass.evaluate(new Int32Array(0))).toEqual(new Float64Array(0));
    expect(pass.bytes).toBeGreaterThan(0);
    pass.dispose();
    pass.dispose();
    expect(pass.bytes).toBe(0);
    await expect(pass.evaluate(Int32Array.of(1))).rejects.toThrow(/disposed/);
  });

  it('draws the normal numbers of every backend, to the bit', async () => {
    for (const [seed, stream, dimension, first, count] of [
      [0, 0, 1, 0, 5],
      [2 ** 53 - 1, 2047, 7, 2 ** 32 - 3, 3],
      [12345, 16, 64, 1000, 40],
    ] as const) {
      const [native, cuda] = [
        await selectBackend('native', { normals: {} }),
        await selectBackend('cuda', { normals: {} }),
      ];
      const wanted = await native.normals.draw({ seed, stream, dimension }, first, count);
      expect(await cuda.normals.draw({ seed, stream, dimension }, first, count)).toEqual(wanted);
    }
  });

  it('rejects with the reason of an abort', async () => {
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    const { forward, normals } = await selectBackend('cuda', { forward: {}, normals: {} });
    await expect(normals.draw({ seed: 1, stream: 0, dimension: 3 }, 0, 4, { signal })).rejects.toBe(reason);
    const source = { layers: modelOf(units('gelu')).layers, positions: 1, features: 7, input: 'vectors' } as const;
    await expect(forward.prepare(source, 'float64', { signal })).rejects.toBe(reason);
    const pass = await forward.prepare(source, 'float64');
    await expect(pass.evaluate(new Float64Array(7), { signal })).rejects.toBe(reason);
    pass.dispose();
  });

  it('multiplies outputs where they are', async () => {
    const { forward, grams } = await selectBackend('cuda', { forward: {}, grams: {} });
    const kept = forward.kept!;
    expect(kept.grams).toBe(grams);
    const layers = [randomLinear(random(3), 3, 2)];
    const pass = await forward.prepare({ layers, positions: 2, features: 2, input: 'vectors' }, 'float64');
    const inputs = Float64Array.from({ length: 20 }, (_, i) => Math.sin(i));
    const outputs = await pass.evaluate(inputs);
    const roots = Float64Array.of(1, 2, 0, 3, 0.5);
    for (const perOutput of [false, true]) {
      const model = await pass.keep!(inputs, { roots, perOutput });
      expect(model.outputs).toBe(perOutput ? 3 : 1);
      const size = { count: 5, positions: 2, outputs: 3 };
      const products: Float64Array = await kept.products([model], [[0, 0]], size, perOutput);
      const tile = await grams.tile({ measure: 'gaussian', symmetric: true, perOutput }, [model], [model]);
      let total = 0;
      for (let s = 0; s < 5; s++) {
        const sums = [0, 0, 0];
        for (let i = 0; i < 6; i++) sums[i % 3]! += (roots[s]! * Number(outputs[6 * s + i])) ** 2;
        const all = sums[0]! + sums[1]! + sums[2]!;
        total += all;
        if (perOutput) for (let c = 0; c < 3; c++) expect(products[3 * s + c]).toBeCloseTo(sums[c]!, 12);
        else expect(products[s]).toBeCloseTo(all, 12);
      }
      expect(tile.total[0]).toBeCloseTo(total, 11);
      model.dispose();
      await expect(kept.products([model], [[0, 0]], size, perOutput)).rejects.toThrow(/disposed/);
    }
    pass.dispose();
  });

  const checkSampled = async (models: Model[], options: MatrixOptions, tolerance: number) => {
    const shared = { method: 'sampled', perOutput: true, maxSamples: 2048, tolerance: 0.05, ...options } as const;
    const wanted = await similarityMatrix(models, { ...shared, backend: 'native' });
    const found = await similarityMatrix(models, { ...shared, backend: 'cuda' });
    expect(found.backend).toBe('cuda');
    expect(found.sampling).toMatchObject({ samples: wanted.sampling!.samples, reached: wanted.sampling!.reached });
    expect(found.standardError).toBeCloseTo(wanted.standardError!, 5);
    for (const i of models.keys()) {
      for (const j of models.keys()) {
        const scale = Math.sqrt(wanted.gram[i]![i]! * wanted.gram[j]![j]!);
        expect(Math.abs(found.gram[i]![j]! - wanted.gram[i]![j]!)).toBeLessThan(tolerance * scale);
        for (const [c, slice] of wanted.perOutput!.gram.entries()) {
          const own = Math.sqrt(slice[i]![i]! * slice[j]![j]!);
          expect(Math.abs(found.perOutput!.gram[c]![i]![j]! - slice[i]![j]!)).toBeLessThan(tolerance * own);
        }
      }
    }
  };

  it.each([
    ['three', 3, true],
    ['three, in all', 3, false],
    ['two', 2, false],
  ] as const)('samples models of tokens as the native backend does: %s', async (_, count, perOutput) => {
    const models = tokenModels(count);
    if (perOutput) await checkSampled(models, { input: 'tokens' }, 1e-11);
    const options = { method: 'sampled', input: 'tokens', maxSamples: 2048, tolerance: 0.05 } as const;
    const wanted = await similarityMatrix(models, { ...options, backend: 'native' });
    const found = await similarityMatrix(models, { ...options, backend: 'cuda' });
    expect(difference(numbers(found.gram), numbers(wanted.gram))).toBeLessThan(1e-11);
  });

  it.each([
    ['float64', 1e-10],
    ['float32', 1e-5],
  ] as const)('samples blocks under a Gaussian law likewise, in %s', async (dtype, tolerance) => {
    const own = random(77);
    const models = Array.from({ length: 3 }, () =>
      modelOf([randomBlock(own, { inputs: 6, hidden: 9, outputs: 4, biases: true }), randomLinear(own, 2, 4)]),
    );
    await checkSampled(models, { dtype }, tolerance);
  });
});
