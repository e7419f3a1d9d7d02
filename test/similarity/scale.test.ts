import { describe, expect, it } from 'vitest';
import type { BackendName } from '../../lib/backend/backend.js';
import { mapLayer } from '../../lib/layers/layer.js';
import { chooseBackend } from '../../lib/machines/at_once.js';
import type { BilinearLayer, Layer, Model } from '../../lib/model/model.js';
import { compareJson, matrixJson, matrixJsonText } from '../../lib/report/json.js';
import { compareText } from '../../lib/report/text.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import { similarity } from '../../lib/similarity/similarity.js';
import type { SimilarityOptions } from '../../lib/similarity/terms/types.js';
import { EPSILON, type Tensor } from '../../lib/tensor/tensor.js';
import { availableBackends, backendsWith } from '../support/backends.js';
import { inCampaign } from '../support/campaign.js';
import { regauged } from '../support/gauge.js';
import { randomAttention, randomBlock, randomLinear, sequenceModel } from '../support/models.js';
import { type Random, random } from '../support/random.js';
import { randomGated, randomHidden } from '../support/units.js';

interface Kind {
  readonly layers: (draw: Random) => Layer[];
  readonly positions?: number;
  readonly options: readonly SimilarityOptions[];
  /** Exponents of the units inside. */
  readonly most: number;
  /** Of units with activations: differences of such networks come from their inner products. */
  readonly units?: true;
}

const block = (draw: Random, hidden: number, biases: boolean, residual?: readonly [number, number]) =>
  randomBlock(draw, { inputs: 3, hidden, outputs: 3, biases, ...(residual && { residual }) });
const attention = (draw: Random, rotaryBase: number | null, biases: boolean, residual?: readonly [number, number]) =>
  randomAttention(draw, { inputs: 3, heads: 2, size: 2, rotaryBase, biases, ...(residual && { residual }) });
const UNITS = { inputs: 3, hidden: 5, outputs: 3 } as const;
// As few as there can be: what is told of bits does not depend on how many.
const SAMPLED = { method: 'sampled', maxSamples: 1024 } as const;
const CLOSURE = { method: 'closure' } as const;
const TENSOR = { measure: 'tensor' } as const;

const KINDS: readonly [string, Kind][] = [
  [
    'linear layers',
    { layers: (d) => [randomLinear(d, 4, 3), randomLinear(d, 2, 4)], options: [{}, TENSOR, CLOSURE], most: 200 },
  ],
  [
    'one block between linear layers',
    {
      layers: (d) => [randomLinear(d, 3, 4, false), block(d, 5, false), randomLinear(d, 2, 3, false)],
      options: [{ route: 'factor' }, { route: 'unfolded' }, { route: 'dense' }, TENSOR, CLOSURE],
      most: 300,
    },
  ],
  [
    'one block with biases and a residual',
    {
      layers: (d) => [randomLinear(d, 3, 4), block(d, 5, true, [1, 0.5]), randomLinear(d, 2, 3)],
      options: [{ route: 'factor' }, { route: 'unfolded' }, { route: 'dense' }, TENSOR, CLOSURE],
      most: 300,
    },
  ],
  [
    'blocks without D, and with dead units',
    {
      layers: (d) => {
        const { down, ...products } = block(d, 3, true);
        const dead = block(d, 5, false);
        dead.left.data.fill(0, 0, 3);
        dead.right.data.fill(0, 6, 9);
        return [randomLinear(d, 3, 3), products, dead, randomLinear(d, 2, 3)];
      },
      options: [{}, CLOSURE, TENSOR],
      most: 200,
    },
  ],
  [
    'two blocks',
    {
      layers: (d) => [randomLinear(d, 3, 3), block(d, 4, true), block(d, 5, true), randomLinear(d, 2, 3)],
      options: [{}, CLOSURE, TENSOR, SAMPLED],
      most: 250,
    },
  ],
  [
    'four blocks, two with residuals',
    {
      layers: (d) => [
        ...[randomLinear(d, 3, 3), block(d, 4, true, [1, 1]), block(d, 5, false, [0.5, 0.5])],
        ...[block(d, 5, true), block(d, 4, false), randomLinear(d, 2, 3)],
      ],
      options: [CLOSURE, TENSOR, SAMPLED],
      most: 250,
    },
  ],
  [
    'ReLU units',
    {
      layers: (d) => [
        randomLinear(d, 3, 3),
        randomHidden(d, { ...UNITS, activation: 'relu', biases: true, skip: true }),
        randomLinear(d, 2, 3),
      ],
      options: [{}, SAMPLED],
      units: true,
      most: 300,
    },
  ],
  [
    'squares of ReLU units, one dead and one always off, and a residual',
    {
      layers: (d) => {
        const units = randomHidden(d, { ...UNITS, activation: 'relu2', biases: true, residual: [0.5, 2] });
        units.weight.data.fill(0, 0, 6);
        units.bias!.data[0] = 0;
        units.bias!.data[1] = -1;
        return [randomLinear(d, 3, 3), units, randomLinear(d, 2, 3)];
      },
      options: [{}],
      units: true,
      most: 200,
    },
  ],
  [
    'units that are gated by leaky ReLUs',
    {
      layers: (d) => [
        randomLinear(d, 3, 3),
        randomGated(d, { ...UNITS, activation: 'leaky_relu', biases: true }),
        randomLinear(d, 2, 3),
      ],
      options: [{}, SAMPLED],
      units: true,
      most: 200,
    },
  ],
  [
    'units that are gated by SiLU',
    {
      layers: (d) => [randomLinear(d, 3, 3), randomGated(d, { ...UNITS, activation: 'silu', biases: true })],
      options: [{}, SAMPLED],
      units: true,
      most: 300,
    },
  ],
  [
    'tanh units',
    {
      layers: (d) => [randomLinear(d, 3, 3), randomHidden(d, { ...UNITS, activation: 'tanh' }), randomLinear(d, 2, 3)],
      options: [{}],
      units: true,
      most: 300,
    },
  ],
  [
    'attention',
    {
      layers: (d) => [
        randomLinear(d, 3, 3),
        attention(d, null, true, [1, 1]),
        attention(d, 100, false),
        randomLinear(d, 2, 3),
      ],
      positions: 2,
      options: [CLOSURE, SAMPLED],
      most: 200,
    },
  ],
];

const POLYNOMIALS = KINDS.filter(([, { units }]) => !units);
const kindsFor = (backend: BackendName) => (backendsWith('hidden').includes(backend) ? KINDS : POLYNOMIALS);

/** Those whose route the backend knows. */
const optionsFor = (backend: BackendName, options: readonly SimilarityOptions[]) => {
  const { routes } = chooseBackend(backend, { grams: {} }).grams;
  return options.filter(({ route = 'auto' }) => route === 'auto' || routes.has(route));
};

describe.each(availableBackends)('powers of two in the weights on %s', (backend) => {
  describe.each(kindsFor(backend))('of %s', (_, { layers, positions = 1, options, most }) => {
    const known = optionsFor(backend, options);
    const cases = known.flatMap((one) => (['float64', 'float32'] as const).map((dtype) => ({ ...one, dtype })));
    it.each(cases)('change no bit of the similarity, %o', async (how) => {
      // Every evaluation of a sampled one takes the same way: a second network of each kind is a campaign's.
      for (const seed of how.method === 'sampled' && !inCampaign ? [1] : [1, 2]) {
        const draw = random(seed);
        const [f, g] = [layers(draw), layers(draw)];
        const model = (chain: readonly Layer[]) => sequenceModel(positions, chain);
        const plain = await similarity(model(f), model(g), { backend, perOutput: true, ...how });
        const still = await similarityMatrix([model(f), model(g)], { backend, perOutput: true, ...how });
        expect(Math.abs(plain.similarity)).toBeLessThan(1);
        for (const [inside, output] of [
          [0, 900],
          [0, -900],
          [20, 60],
          [most, -500],
          [most, 700],
        ]) {
          const [a, b] = [model(regauged(f, draw, inside, output)), model(regauged(g, draw, inside, -output))];
          const found = await similarity(a, b, { backend, perOutput: true, ...how });
          expect(found.similarity).toBe(plain.similarity);
          expect(found.perOutput!.map((slice) => slice.similarity)).toEqual(plain.perOutput!.map((s) => s.similarity));
          const matrix = await similarityMatrix([a, b], { backend, perOutput: true, ...how });
          expect(matrix.cosine).toEqual(still.cosine);
          expect(matrix.perOutput!.cosine).toEqual(still.perOutput!.cosine);
        }
      }
    });
  });
});

describe.each(availableBackends)('the baselines on %s', (backend) => {
  it.each([-900, 900])('do not depend on a power of two in all weights, 2^%s', async (exponent) => {
    const draw = random(8);
    const chains = [0, 1].map(() => [randomLinear(draw, 3, 4), block(draw, 5, true), randomLinear(draw, 2, 3)]);
    const scaled = (chain: readonly Layer[]) => {
      const part = (tensor: Tensor) => ({ ...tensor, data: tensor.data.map((value) => value * 2 ** exponent) });
      return sequenceModel(
        1,
        chain.map((layer) => mapLayer(layer, part) as Layer),
      );
    };
    const inputs = { data: Float64Array.from({ length: 80 }, () => draw.normal()), shape: [20, 4] };
    for (const dtype of ['float64', 'float32'] as const) {
      const weights = { backend, dtype, measure: 'weights', perOutput: true } as const;
      const [a, b] = chains.map((chain) => sequenceModel(1, chain));
      const [plain, found] = [
        await similarity(a, b, weights),
        await similarity(scaled(chains[0]), scaled(chains[1]), weights),
      ];
      expect(found.similarity).toBe(plain.similarity);
      expect(found.perOutput!.map((slice) => slice.similarity)).toEqual(plain.perOutput!.map((s) => s.similarity));
      const behavioural = { backend, dtype, measure: 'behavioural', inputs } as const;
      // The last layer's weights alone: its factor is one of all outputs.
      const faded = chains.map((chain) =>
        sequenceModel(1, [...chain.slice(0, 2), (scaled(chain.slice(2)) as Model).layers[0]]),
      );
      const [before, after] = [await similarity(a, b, behavioural), await similarity(faded[0], faded[1], behavioural)];
      expect(after.similarity).toBe(before.similarity);
      expect(after.behaviour).toEqual(before.behaviour);
    }
  });
});

describe.each(availableBackends)('distances of near models on %s', (backend) => {
  it.each(POLYNOMIALS)('are the same in any units: %s', async (_, { layers, positions = 1, options, most }) => {
    const near = (chain: readonly Layer[]): Layer[] => {
      const draw = random(77);
      const part = (tensor: Tensor) => ({
        ...tensor,
        data: tensor.data.map((value) => value * (1 + 1e-8 * draw.normal())),
      });
      return chain.map((layer) => mapLayer(layer, part) as Layer);
    };
    const f = layers(random(3));
    const model = (chain: readonly Layer[]) => sequenceModel(positions, chain);
    for (const how of optionsFor(backend, options)) {
      const plain = await similarity(model(f), model(near(f)), { backend, perOutput: true, ...how });
      for (const output of [-500, 300]) {
        const [a, b] = [regauged(f, random(5), most, output), regauged(near(f), random(5), most, output)];
        const found = await similarity(model(a), model(b), { backend, perOutput: true, ...how });
        expect(found.dissimilarity / plain.dissimilarity).toBeCloseTo(1, 6);
        expect(found.relativeDistance / plain.relativeDistance).toBeCloseTo(1, 6);
        for (const [c, slice] of found.perOutput!.entries()) {
          expect(slice.relativeDistance! / plain.perOutput![c].relativeDistance!).toBeCloseTo(1, 6);
        }
      }
    }
  });
});

/** A chain of blocks of normal numbers, the same for all but for some noise. */
const plainBlocks = (noise: number, count: number, spread: number): Layer[] => {
  const [draw, other] = [random(1), random(2)];
  const value = () => spread * (draw.normal() + noise * other.normal());
  const matrix = () => ({ data: Float64Array.from({ length: 256 }, value), shape: [16, 16] });
  return Array.from({ length: count }, () => ({
    type: 'bilinear',
    left: matrix(),
    right: matrix(),
    down: matrix(),
    alpha: 0,
    beta: 1,
  }));
};

describe.each(availableBackends)('the range of numbers on %s', (backend) => {
  const compare = (count: number, spread: number, options: SimilarityOptions) =>
    similarity(sequenceModel(1, plainBlocks(0, count, spread)), sequenceModel(1, plainBlocks(0.01, count, spread)), {
      backend,
      ...options,
    });

  it.each([
    [3, 'float64'],
    [4, 'float32'],
    [12, 'float64'],
    [12, 'float32'],
  ] as const)('holds %s blocks whose norms are far below it, in %s', async (count, dtype) => {
    for (const options of [{ method: 'closure' }, { measure: 'tensor' }] as const) {
      // Near 0.4 the closure keeps its size from block to block; 2⁻⁶ of that is far below the range after twelve.
      const ordinary = await compare(count, 2 ** -2, { ...options, dtype });
      const small = await compare(count, 2 ** -8, { ...options, dtype });
      expect(small.similarity).toBe(ordinary.similarity);
      const wide = await compare(count, 2 ** -8, { ...options, dtype: 'float64' });
      // A device adds up floats in float32, and every block doubles what the one before was off by, of itself.
      const error = backend === 'cuda' ? Math.max(1e-5, 2 ** count * EPSILON.float32) : 1e-5;
      expect(Math.abs(small.similarity - wide.similarity)).toBeLessThan(error);
      expect(small.similarity).toBeGreaterThan(0.01);
      expect(small.similarity).toBeLessThan(0.9999);
    }
  });

  const pair = (left: number[], right: number[], down: number[]): Layer => ({
    type: 'bilinear',
    left: { data: Float64Array.from(left), shape: [down.length, 2] },
    right: { data: Float64Array.from(right), shape: [down.length, 2] },
    down: { data: Float64Array.from(down), shape: [1, down.length] },
    alpha: 0,
    beta: 1,
  });

  it('tells a function that is zero under its law from rounding', async () => {
    // The law lives on a line, and the models see only what is orthogonal to it.
    const input = {
      cov: [
        [0.09, 0.21],
        [0.21, 0.49],
      ],
    };
    const model = (down: number[]) => sequenceModel(1, [pair([0.7, -0.3, 0.7, -0.3], [1, 0, 0, 1], down)]);
    for (const down of [
      [0, 1],
      [1, 5],
      [0, -1],
    ]) {
      for (const method of ['exact', 'closure'] as const) {
        const refused = similarity(model([1, 0]), model(down), { backend, input, method });
        await expect(refused).rejects.toMatchObject({
          code: 'ZERO_NORM',
          message: expect.stringMatching(/under this input law/),
        });
        await expect(similarityMatrix([model([1, 0]), model(down)], { backend, input, method })).rejects.toMatchObject({
          code: 'ZERO_NORM',
        });
      }
    }
  });

  it('and a slice that is so: its similarity is undefined, not that of noise', async () => {
    const input = {
      cov: [
        [0.09, 0.21],
        [0.21, 0.49],
      ],
    };
    // Output 0 sees the line on which the law lives, output 1 only what is orthogonal to it.
    const model = (a: number, b: number) => {
      const block = pair([0.3, 0.7, 0.7, -0.3, 0.7, -0.3], [1, 0, 1, 0, 0, 1], [1, 1, 1]) as BilinearLayer;
      return sequenceModel(1, [{ ...block, down: { data: Float64Array.of(1, 0, 0, 0, a, b), shape: [2, 3] } }]);
    };
    for (const dtype of ['float64', 'float32'] as const) {
      for (const method of ['exact', 'closure'] as const) {
        const options = { backend, input, method, dtype, perOutput: true } as const;
        const found = await similarity(model(1, 0), model(0, 1), options);
        expect(found.perOutput!.map((slice) => slice.similarity)).toEqual([1, null]);
        const matrix = await similarityMatrix([model(1, 0), model(0, 1)], options);
        expect(matrix.perOutput!.cosine.map((slice) => slice[0][1])).toEqual([1, Number.NaN]);
      }
    }
  });

  it('refuses float32 where terms cancel too far for it, and doubles where they do so for them', async () => {
    // (x + δy)·x − x·x is δxy.
    const model = (delta: number, more: number) =>
      sequenceModel(1, [pair([1, delta, 1, 0, delta, 0], [1, more, 1, more, 0, more], [1, -1, 1])]);
    const run = (delta: number, dtype: 'float64' | 'float32') =>
      similarity(model(delta, 0.5), model(delta, 0.75), { backend, dtype, method: 'closure' });
    const right = (await run(1, 'float64')).similarity;
    for (const delta of [1, 1e-2, 1e-4, 1e-6, 1e-8]) {
      expect(Math.abs((await run(delta, 'float64')).similarity - right)).toBeLessThan(1);
      const single = await run(delta, 'float32').catch((error) => error);
      if (single instanceof Error) expect(single).toMatchObject({ code: expect.stringMatching(/PRECISION|ZERO_NORM/) });
      else expect(Math.abs(single.similarity - (await run(delta, 'float64')).similarity)).toBeLessThan(1e-5);
    }
    await expect(run(1e-12, 'float64')).rejects.toMatchObject({ code: 'PRECISION' });
    await expect(run(1e-8, 'float32')).rejects.toMatchObject({ code: expect.stringMatching(/PRECISION|ZERO_NORM/) });
  });

  it('says so where a norm or an inner product is beyond it', async () => {
    const scaled = (exponent: number) => {
      const block = randomBlock(random(9), { inputs: 3, hidden: 4, outputs: 2 });
      const data = block.down!.data.map((value) => value * 2 ** exponent);
      return sequenceModel(1, [{ ...block, down: { data, shape: [2, 4] } }]);
    };
    const options = { backend, perOutput: true } as const;
    const plain = await similarity(scaled(0), scaled(0), options);
    expect(plain.beyondRange).toBeUndefined();
    const large = await similarity(scaled(600), scaled(700), options);
    expect(large.innerProduct).toBe(Number.POSITIVE_INFINITY);
    expect(large.normB).toBe(plain.normB * 2 ** 700);
    expect(large.beyondRange!.log2NormA).toBeCloseTo(Math.log2(plain.normA) + 600, 9);
    expect(large.beyondRange!.log2NormB).toBeCloseTo(Math.log2(plain.normB) + 700, 9);
    expect(large.similarity).toBe(1);
    expect(large.relativeDistance * 2 ** -100).toBeCloseTo(1, 9);
    expect(large.perOutput![0].beyondRange).toBeDefined();
    const small = await similarity(scaled(-600), scaled(-700), options);
    expect(small.innerProduct).toBe(0);
    expect(small.similarity).toBe(1);
    expect(small.beyondRange!.log2NormA).toBeCloseTo(Math.log2(plain.normA) - 600, 9);
    const matrix = await similarityMatrix([scaled(0), scaled(700)], options);
    expect(matrix.gram[1][1]).toBe(Number.POSITIVE_INFINITY);
    expect(matrix.cosine[0][1]).toBe(1);
    expect(
      Array.from(matrix.beyondRange!.log2Norms, (level) => level - Math.log2(plain.normA)).map(Math.round),
    ).toEqual([0, 700]);
    expect(matrix.difference(0, 1).relativeDistance! * 2 ** -700).toBeCloseTo(1, 9);
    const text = [...matrixJsonText(matrix)].join('');
    expect(text).toBe(`${JSON.stringify(matrixJson(matrix))}\n`);
    expect(JSON.parse(text)).toMatchObject({ beyondRange: { log2Norms: Array.from(matrix.beyondRange!.log2Norms) } });
    expect(JSON.parse(JSON.stringify(compareJson(large)))).toMatchObject({
      innerProduct: null,
      beyondRange: large.beyondRange,
    });
    expect(compareText(large)).toMatch(/norms +2\^60\d\.\d and 2\^70\d\.\d/);
  });

  it('keeps outputs apart that differ by more than float32 can hold', async () => {
    const draw = random(5);
    const models = [1, 2].map(() => {
      const block = randomBlock(draw, { inputs: 3, hidden: 4, outputs: 2 });
      const data = block.down!.data.map((value, i) => (i < 4 ? value : value * 2 ** -100));
      return [sequenceModel(1, [block]), sequenceModel(1, [{ ...block, down: { data, shape: [2, 4] } }])];
    });
    for (const dtype of ['float32', 'float64'] as const) {
      for (const route of ['factor', 'dense'] as const) {
        const options = { backend, dtype, route, perOutput: true } as const;
        const plain = await similarity(models[0][0], models[1][0], options);
        const faded = await similarity(models[0][1], models[1][1], options);
        expect(faded.perOutput!.map((slice) => slice.similarity)).toEqual(plain.perOutput!.map((s) => s.similarity));
        expect(faded.perOutput![1].normA).toBe(plain.perOutput![1].normA * 2 ** -100);
        expect(faded.similarity).toBeCloseTo(plain.perOutput![0].similarity!, 6);
      }
    }
  });
});
