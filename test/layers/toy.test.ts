import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evaluate } from '../../lib/evaluation/evaluate.js';
import { fallbackLayers } from '../../lib/fallback/layers/table.js';
import { writeSafetensors } from '../../lib/formats/safetensors/write.js';
import { degreeOf, growthOf } from '../../lib/layers/layer.js';
import { layerKinds } from '../../lib/layers/table.js';
import { backends } from '../../lib/machines/select.js';
import { createModel, type LayerDefinition } from '../../lib/model/create.js';
import type { Model } from '../../lib/model/model.js';
import { inspect } from '../../lib/model/reading/inspect.js';
import { loadModel } from '../../lib/model/reading/load.js';
import { explain } from '../../lib/similarity/explain/explain.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import { similarity } from '../../lib/similarity/similarity.js';
import type { SimilarityOptions } from '../../lib/similarity/terms/types.js';
import { type Tensor, tensor } from '../../lib/tensor/tensor.js';
import { hermite } from '../support/hermite.js';
import { randomAttention, randomBlock, randomLinear, randomTensor } from '../support/models.js';
import { type Random, random } from '../support/random.js';
import { square, tanh } from './toys/elementwise.js';
import { shift } from './toys/shift.js';

/*
 * Kinds of layers that are told nowhere but in ./toys, through the registration of the tables alone, and then used from
 * end to end: what a new kind needs is what they have.
 */

const ON_FALLBACK = { backend: 'fallback' } as const;
const native = (await backends()).some(({ name, available }) => name === 'native' && available);

/** W = I and the same bias: what a shift is as a linear layer. */
function asLinear(bias: Tensor): LayerDefinition {
  const [size] = bias.shape as [number];
  const data = Float64Array.from({ length: size * size }, (_, i) => (i % (size + 1) === 0 ? 1 : 0));
  return { type: 'linear', weight: tensor(data, [size, size]), bias };
}

/** L = R = I: what a square is as a bilinear block. */
function asBilinear(size: number): LayerDefinition {
  const data = Float64Array.from({ length: size * size }, (_, i) => (i % (size + 1) === 0 ? 1 : 0));
  const identity = tensor(data, [size, size]);
  return { type: 'bilinear', left: identity, right: identity };
}

/** The same chain with toys, and with built-in layers in their place. */
type Twins = readonly [toy: Model, plain: Model];
type Chain = (kinds: { shift: typeof shift; square: typeof square }, draw: Random) => LayerDefinition[];

function twins(chain: Chain, seed: number, positions = 1): Twins {
  const make = (kinds: Parameters<Chain>[0]) =>
    createModel({ layers: chain(kinds, random(seed)), positions, label: `model ${seed}` });
  return [make({ shift, square }), make({ shift: asLinear, square: asBilinear })];
}

const block = (draw: Random, outputs = 4) => randomBlock(draw, { inputs: 4, hidden: 3, outputs, biases: true });

const CHAINS: Record<string, { chain: Chain; positions?: number; options?: SimilarityOptions; methods: string }> = {
  'a shift alone': { chain: (k, draw) => [k.shift(randomTensor(draw, 4))], methods: 'exact' },
  'shifts around a block': {
    chain: (k, draw) => [k.shift(randomTensor(draw, 4)), block(draw), k.shift(randomTensor(draw, 4))],
    methods: 'exact',
  },
  'shifts between two blocks': {
    chain: (k, draw) => [block(draw), k.shift(randomTensor(draw, 4)), block(draw, 2)],
    methods: 'exact',
  },
  'three blocks, by the measure tensor': {
    chain: (k, draw) => [block(draw), k.shift(randomTensor(draw, 4)), block(draw), k.square(4)],
    options: { measure: 'tensor' },
    methods: 'exact',
  },
  'attention behind a shift': {
    chain: (k, draw) => [k.shift(randomTensor(draw, 4)), randomAttention(draw, { inputs: 4, heads: 1, size: 2 })],
    positions: 2,
    methods: 'exact',
  },
  'a square': {
    chain: (k, draw) => [randomLinear(draw, 3, 4), k.square(3), randomLinear(draw, 2, 3)],
    methods: 'exact',
  },
  'a square behind a block': {
    chain: (k, draw) => [block(draw), k.square(4), randomLinear(draw, 2, 4)],
    methods: 'exact',
  },
  'a square, by the closure': {
    chain: (k, draw) => [k.square(4), randomLinear(draw, 4, 4), k.square(4), k.shift(randomTensor(draw, 4))],
    options: { method: 'closure' },
    methods: 'closure',
  },
};

describe.each(Object.entries(CHAINS))('%s', (_, { chain, positions = 1, options = {}, methods }) => {
  const [a, plainA] = twins(chain, 1, positions);
  const [b, plainB] = twins(chain, 2, positions);

  it('is a model of the same sizes and degree', () => {
    for (const [toy, plain] of [
      [a, plainA],
      [b, plainB],
    ]) {
      expect(toy.inputShape).toEqual(plain.inputShape);
      expect(toy.outputShape).toEqual(plain.outputShape);
      expect(toy.degree).toBe(plain.degree);
    }
  });

  it('has the outputs of the built-in layers', async () => {
    const draw = random(5);
    const size = positions * a.inputShape[1];
    const inputs = tensor(
      Float64Array.from({ length: 3 * size }, () => draw.normal()),
      [3, positions, a.inputShape[1]],
    );
    const found = await evaluate(a, inputs, ON_FALLBACK);
    const expected = await evaluate(plainA, inputs, ON_FALLBACK);
    expect(found.shape).toEqual(expected.shape);
    for (const [i, value] of expected.data.entries()) expect(found.data[i]).toBeCloseTo(value, 13);
  });

  it('is compared as they are', async () => {
    const found = await similarity(a, b, { ...ON_FALLBACK, perOutput: true, ...options });
    const expected = await similarity(plainA, plainB, { ...ON_FALLBACK, perOutput: true, ...options });
    expect(found.method).toBe(methods);
    expect(found.route).toBe(expected.route);
    expect(found.exact).toBe(expected.exact);
    for (const name of ['similarity', 'distance', 'normA', 'normB', 'innerProduct'] as const)
      expect(found[name] / expected[name]).toBeCloseTo(1, 11);
    for (const [c, slice] of expected.perOutput!.entries())
      expect(found.perOutput![c].similarity).toBeCloseTo(slice.similarity!, 11);
  });

  it('fills a matrix as they do', async () => {
    const [c, plainC] = twins(chain, 3, positions);
    const found = await similarityMatrix([a, b, c], { ...ON_FALLBACK, ...options });
    const expected = await similarityMatrix([plainA, plainB, plainC], { ...ON_FALLBACK, ...options });
    for (const [i, row] of expected.cosine.entries())
      for (const [j, value] of [...row].entries()) expect(found.cosine[i][j]).toBeCloseTo(value, 11);
  });

  it.skipIf(options.measure === 'tensor')('is estimated by samples', async () => {
    const sampled = await similarity(a, b, { ...ON_FALLBACK, method: 'sampled', maxSamples: 4096, tolerance: 1 });
    const expected = await similarity(plainA, plainB, {
      ...ON_FALLBACK,
      method: 'sampled',
      maxSamples: 4096,
      tolerance: 1,
    });
    expect(sampled.method).toBe('sampled');
    expect(Math.abs(sampled.similarity - expected.similarity)).toBeLessThan(
      6 * Math.hypot(sampled.standardError!, expected.standardError!) + 1e-9,
    );
  });
});

describe('models with shifts', () => {
  const shifted: Chain = (k, draw) => [
    randomLinear(draw, 4, 5, false),
    k.shift(randomTensor(draw, 4)),
    block(draw),
    k.shift(randomTensor(draw, 4)),
  ];
  const [a, plainA] = twins(shifted, 1);
  const [b, plainB] = twins(shifted, 2);

  it('are refused by name and shape where parts do not fit', () => {
    const refused = (layers: LayerDefinition[]) => () => createModel({ layers });
    expect(refused([shift(tensor(new Float64Array(3), [3])), randomLinear(random(1), 2, 4)])).toThrow(
      /layer 2 \(linear\): takes 4 features, but layer 1 \(tensor "layers.0.bias"\) gives 3/,
    );
    expect(refused([shift(tensor(new Float64Array(4), [2, 2]))])).toThrow(/layer 1 \(shift\): has shape \[2, 2\]/);
    expect(refused([{ type: 'shift' } as unknown as LayerDefinition])).toThrow(/layer 1 \(shift\) has no "bias"/);
    expect(refused([tanh(0)])).toThrow(/layer 1 \(tanh\): width is 0/);
    expect(refused([tanh(3), randomLinear(random(1), 2, 4)])).toThrow(/takes 4 features, but layer 1 gives 3/);
    expect(refused([randomLinear(random(1), 2, 4), tanh(3)])).toThrow(/takes 3 features, but layer 1 .* gives 2/);
  });

  it('are explained by the same forms', async () => {
    const found = await explain(a, b, ON_FALLBACK);
    const expected = await explain(plainA, plainB, ON_FALLBACK);
    if (found.kind !== 'forms' || expected.kind !== 'forms') throw new Error('one block has forms');
    expect(found.distance / expected.distance).toBeCloseTo(1, 11);
    for (const [c, share] of expected.shares.entries()) expect(found.shares[c]).toBeCloseTo(share, 11);
  });

  it('have distances of their own size where they are near', async () => {
    const moved = (model: Model) =>
      createModel({
        layers: model.layers.map((layer) => {
          if ((layer.type as string) !== 'shift') return layer;
          const { bias } = layer as unknown as { readonly bias: Tensor };
          return shift(
            tensor(
              Float64Array.from(bias.data, (value) => value * (1 + 2 ** -40)),
              [4],
            ),
          );
        }),
      });
    const near = await similarity(a, moved(a), ON_FALLBACK);
    expect(near.distance).toBeGreaterThan(0);
    expect(near.distance).toBeLessThan(2 ** -35 * near.normA);
    expect(near.distanceResolution).toBeLessThan(1e-3 * near.distance);
  });

  it('keep their similarities in units far from one', async () => {
    const factor = 2 ** 300;
    const scaled = ([x, y]: readonly [Model, Model]) =>
      [x, y].map(({ layers }) =>
        createModel({
          layers: layers.map((layer) =>
            layer.type === 'linear' ? { ...layer, weight: times(layer.weight, factor) } : layer,
          ),
        }),
      ) as [Model, Model];
    const found = await similarity(...scaled([a, b]), { ...ON_FALLBACK, dtype: 'float32' });
    // Beside such weights the shifts in front of the block are nothing.
    const bare = (model: Model) => createModel({ layers: model.layers.filter((_, i) => i !== 1) });
    const expected = await similarity(bare(a), bare(b), { ...ON_FALLBACK, input: { sigma: factor } });
    expect(found.similarity).toBeCloseTo(expected.similarity, 5);
  });

  it('take the laws that the others take', async () => {
    for (const input of ['onehot', { sigma: 3 }] as const) {
      const found = await similarity(a, b, { ...ON_FALLBACK, input });
      const expected = await similarity(plainA, plainB, { ...ON_FALLBACK, input });
      expect(found.similarity).toBeCloseTo(expected.similarity, 11);
    }
    await expect(similarity(...startingWithShift(), { ...ON_FALLBACK, input: 'tokens' })).rejects.toMatchObject({
      code: 'UNSUPPORTED_LAYER',
      message: expect.stringContaining('begins with a shift layer'),
    });
  });

  it.skipIf(!native)(
    'are linear layers to the native backend, which runs no kind that it has no name for',
    async () => {
      expect((await similarity(a, b)).backend).toBe('native');
      expect((await similarity(plainA, plainB)).backend).toBe('native');
      expect((await similarity(a, b, { measure: 'weights' })).backend).toBe('native');
      const inputs = tensor(new Float64Array(5), [1, 5]);
      expect((await evaluate(a, inputs)).shape).toEqual([1, 4]);
      const sampled = similarity(a, b, { backend: 'native', method: 'sampled' });
      for (const refused of [sampled, evaluate(a, inputs, { backend: 'native' })])
        await expect(refused).rejects.toMatchObject({
          code: 'BACKEND_UNAVAILABLE',
          message: expect.stringMatching(/"native".* does not know .*shift/),
        });
    },
  );
});

function times({ data, shape }: Tensor, factor: number): Tensor {
  return tensor(
    Float64Array.from(data, (value) => value * factor),
    shape,
  );
}

const startingWithShift = () =>
  [1, 2].map((seed) => createModel({ layers: [shift(randomTensor(random(seed), 3))] })) as [Model, Model];

describe('models with tanh, which is no polynomial', () => {
  const layers = (draw: Random) => [randomLinear(draw, 3, 1), tanh(3), randomLinear(draw, 1, 3)];
  const [a, b] = [1, 2].map((seed) => createModel({ layers: layers(random(seed)), label: `tanh ${seed}` })) as [
    Model,
    Model,
  ];

  it('have no degree, and grow as their other layers do', () => {
    expect(a.degree).toBeNull();
    expect(growthOf(a.layers)).toBe(1);
    expect(growthOf([...a.layers, block(random(1)), square(4)])).toBe(4);
    expect(degreeOf([block(random(1)), square(4)])).toBe(4);
  });

  it('are sampled, within the error of the integral', async () => {
    // E f g over one input by quadrature, layer by layer in plain loops.
    const { nodes, weights } = hermite(60);
    const at = (model: Model, z: number) => {
      const [first, , last] = model.layers as readonly { weight: Tensor; bias: Tensor }[];
      let sum = last.bias.data[0];
      for (let h = 0; h < 3; h++) sum += last.weight.data[h] * Math.tanh(first.weight.data[h] * z + first.bias.data[h]);
      return sum;
    };
    const inner = (f: Model, g: Model) => nodes.reduce((sum, z, i) => sum + weights[i] * at(f, z) * at(g, z), 0);
    const expected = inner(a, b) / Math.sqrt(inner(a, a) * inner(b, b));
    const found = await similarity(a, b, { ...ON_FALLBACK, tolerance: 0.01, seed: 3 });
    expect(found).toMatchObject({ method: 'sampled', exact: false, backend: 'fallback' });
    expect(Math.abs(found.similarity - expected)).toBeLessThan(5 * found.standardError!);
    const { cosine } = await similarityMatrix([a, b, a], { ...ON_FALLBACK, tolerance: 0.01, seed: 3 });
    expect(Math.abs(cosine[0][1] - expected)).toBeLessThan(5 * found.standardError!);
    expect(cosine[0][2]).toBe(1);
  });

  it('are compared by nothing else, and are told why', async () => {
    const refusals = [
      [{ method: 'exact' }, 'has a tanh layer, for which no method is exact'],
      [{ method: 'closure' }, 'has a tanh layer, for which there is no closure'],
      [{ measure: 'tensor' }, 'has a tanh layer, for which the measure "tensor" is not defined'],
    ] as const;
    for (const [options, message] of refusals) {
      await expect(similarity(a, b, { ...ON_FALLBACK, ...options })).rejects.toMatchObject({
        code: 'UNSUPPORTED_LAYER',
        message: expect.stringContaining(message),
      });
    }
  });

  it('are explained by exchanging layers', async () => {
    const found = await explain(a, b, { ...ON_FALLBACK, tolerance: 0.1 });
    if (found.kind !== 'exchange') throw new Error('there are no forms');
    expect(found.layers.map(({ type }) => type as string)).toEqual(['linear', 'tanh', 'linear']);
    expect(found.layers[1].change).toBeCloseTo(0, 12);
    expect(found.layers[0].change).toBeGreaterThan(0.01);
  });
});

describe('a model.json with toys', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tensim-toys-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  async function described(name: string, layers: readonly object[], seed: number): Promise<string> {
    const draw = random(seed);
    const tensors = new Map([
      ['encoder', randomTensor(draw, 4, 3)],
      ['offset', randomTensor(draw, 4)],
    ]);
    await writeSafetensors(join(folder, `${name}.safetensors`), tensors);
    const path = join(folder, `${name}.json`);
    const json = { schema: 'tensim.model/1', weights: `${name}.safetensors`, layers };
    await writeFile(path, JSON.stringify(json));
    return path;
  }

  const ENCODER = { type: 'linear', weight: 'encoder' };
  const SHIFT = { type: 'shift', bias: 'offset' };

  it('loads the model that it describes', async () => {
    const path = await described('plain', [ENCODER, SHIFT, { type: 'square', width: 4 }], 4);
    const { layers, degree, outputShape } = await loadModel(path);
    expect(layers.map(({ type }) => type as string)).toEqual(['linear', 'shift', 'square']);
    expect({ degree, outputShape }).toEqual({ degree: 2, outputShape: [1, 4] });
    expect(layers[1]).toMatchObject({ bias: { data: randomTensorAfter(4), shape: [4] } });
    expect(layers[2]).toMatchObject({ width: 4 });
  });

  it('is inspected', async () => {
    const exact = await inspect(await described('exact', [ENCODER, SHIFT, { type: 'square', width: 4 }], 5));
    expect(exact).toMatchObject({ inputs: 3, outputs: 4, degree: 2, method: 'exact', problems: [] });
    expect(exact.layers).toEqual(['linear 3 → 4', 'shift 4, with a bias', 'square 4']);
    const sampled = await inspect(await described('sampled', [ENCODER, SHIFT, { type: 'tanh', width: 4 }], 5));
    expect(sampled).toMatchObject({ degree: null, method: 'sampled', problems: [] });
  });

  it('is refused with what its kinds say', async () => {
    const refused = async (layers: readonly object[]) => loadModel(await described('refused', layers, 6));
    await expect(refused([ENCODER, { type: 'shift' }])).rejects.toThrow('layer 2 (shift) has no "bias"');
    await expect(refused([ENCODER, SHIFT, { type: 'square' }])).rejects.toThrow('layer 3 (square): "width" must be');
    await expect(refused([ENCODER, { type: 'swap' }])).rejects.toThrow(
      /Layers are "linear", "bilinear", "attention", .*"shift"/,
    );
  });

  it('is compared from files as from memory', async () => {
    const layers = [ENCODER, SHIFT, { type: 'square', width: 4 }];
    const paths = [await described('one', layers, 7), await described('two', layers, 8)];
    const { cosine, exact } = await similarityMatrix(paths, ON_FALLBACK);
    const [a, b] = (await Promise.all(paths.map((path) => loadModel(path)))) as [Model, Model];
    expect(exact).toBe(true);
    expect(cosine[0][1]).toBe((await similarity(a, b, ON_FALLBACK)).similarity);
  });
});

/** The second tensor of `described`. */
function randomTensorAfter(seed: number) {
  const draw = random(seed);
  randomTensor(draw, 4, 3);
  return randomTensor(draw, 4).data;
}

describe('a table of kinds', () => {
  it('takes a name once', () => {
    for (const type of ['linear', 'shift'])
      expect(() => layerKinds.register(type, layerKinds.of('shift'))).toThrow(`"${type}" already`);
  });

  it('refuses what it has no entry for', () => {
    expect(() => fallbackLayers.of('swap')).toThrow(/"swap" are not known here.*linear, bilinear, attention, .*shift/);
    for (const type of ['toString', '__proto__']) expect(layerKinds.has(type)).toBe(false);
  });
});
