import { describe, expect, it } from 'vitest';
import type { ChainSource, WhitenedLaw } from '../../lib/backend/grams.js';
import { Pacer } from '../../lib/cooperate.js';
import { loadNative } from '../../lib/machines/native.js';
import { createModel } from '../../lib/model/create.js';
import type { BilinearLayer, Layer, LinearLayer } from '../../lib/model/model.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import { chainSource, WINDOW } from '../../lib/similarity/scale/source.js';
import type { DType, Tensor } from '../../lib/tensor/tensor.js';

const native = loadNative();
const absent = 'reason' in native || process.env.TENSIM_BACKEND === 'fallback';

let state = 1;
const random = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32 - 0.5;
};
const tensor = (shape: readonly number[], factor = 1, dtype: DType = 'float64'): Tensor => {
  const size = shape.reduce((product, length) => product * length, 1);
  const data = Float64Array.from({ length: size }, () => factor * random());
  return { data: dtype === 'float64' ? data : Float32Array.from(data), shape };
};
const bilinear = (h: number, d: number, rest: object = {}, factor = 1, dtype?: DType): BilinearLayer => ({
  ...{ type: 'bilinear', left: tensor([h, d], factor, dtype), right: tensor([h, d], 1, dtype), alpha: 0, beta: 1 },
  ...rest,
});
const linear = (o: number, d: number, rest: object = {}): LinearLayer => ({
  ...{ type: 'linear', weight: tensor([o, d]) },
  ...rest,
});

const MEAN = { sigma: 0.5, mean: Float64Array.from({ length: 7 }, random) };
const FACTOR = { sigma: 1, mean: MEAN.mean, factor: { data: Float64Array.from({ length: 35 }, random), columns: 5 } };

/** Chains of seven inputs. */
const CHAINS: Readonly<Record<string, readonly Layer[]>> = {
  'a block': [bilinear(6, 7, { down: tensor([3, 6]) })],
  'a block in float32': [bilinear(6, 7, { down: tensor([3, 6], 1, 'float32') }, 1, 'float32')],
  'a block without D, with biases': [
    bilinear(6, 7, { leftBias: tensor([6]), rightBias: tensor([6]), downBias: tensor([6]) }),
  ],
  'a residual': [bilinear(6, 7, { alpha: -0.7, beta: 3, down: tensor([7, 6]), downBias: tensor([7]) })],
  'layers around a block': [
    linear(9, 7, { bias: tensor([9]) }),
    bilinear(6, 9, { down: tensor([3, 6]) }),
    linear(2, 3, { bias: tensor([2]) }),
  ],
  'linear layers': [linear(9, 7), linear(4, 9)],
};
const LAWS: Readonly<Record<string, WhitenedLaw>> = {
  'N(0, I)': { sigma: 1 },
  'a mean': MEAN,
  'a mean and a covariance': FACTOR,
};
const source = (layers: readonly Layer[], law: WhitenedLaw, positions = 1): ChainSource => ({
  ...{ kind: 'chain', layers, law, inputs: 7, positions, method: 'one-block', route: 'factor' },
});

describe.skipIf(absent)('chains whose numbers need no units', () => {
  // The condition is for the type checker: where there is no backend, nothing here runs.
  const { grams } = 'reason' in native ? undefined! : native.backend;
  const calmly = grams === undefined ? undefined! : grams.prepareCalm!;
  const inUnits = (chain: ChainSource, dtype: DType) =>
    chainSource(chain, chain, { dtype, perOutput: true }, new Pacer());

  for (const [of, layers] of Object.entries(CHAINS)) {
    for (const [under, law] of Object.entries(LAWS)) {
      it.each([1, 4])(`have the levels that are estimated of all: ${of} under ${under}, %d positions`, async (n) => {
        const chain = source(layers, law, n);
        const { scale } = await inUnits(chain, 'float64');
        expect(scale).toMatchObject({ exponent: 0, slices: null });
        const [calm] = await calmly([chain], WINDOW.float64, 'float64');
        expect(calm!.level).toBeCloseTo(scale!.level!, 10);
        expect(calm!.sliceLevels).toHaveLength(scale!.sliceLevels!.length);
        for (const [c, level] of calm!.sliceLevels.entries()) expect(level).toBeCloseTo(scale!.sliceLevels![c], 10);
      });
    }
  }

  it('are prepared as any others', async () => {
    const chains = Object.values(CHAINS).map((layers) => source(layers, FACTOR));
    const job = { measure: 'gaussian', symmetric: false, perOutput: true } as const;
    const calm = await calmly(chains, WINDOW.float32, 'float32', { threads: 2 });
    for (const [i, chain] of chains.entries()) {
      const model = await grams.prepare(chain, 'float32');
      expect(calm[i]!.model.bytes).toBe(model.bytes);
      expect(await grams.tile(job, [calm[i]!.model], [model])).toEqual(await grams.tile(job, [model], [model]));
    }
  });

  it.each([
    ['large weights', [bilinear(6, 7, { down: tensor([3, 6]) }, 2 ** 40)]],
    ['large weights that β makes good', [bilinear(6, 7, { beta: 2 ** -40, down: tensor([3, 6]) }, 2 ** 40)]],
    ['a small β', [bilinear(6, 7, { beta: 2 ** -31, down: tensor([3, 6], 2 ** 31) })]],
    ['weights out of the range of squares', [bilinear(6, 7, { down: tensor([3, 6]) }, 2 ** 600)]],
    ['small outputs', [linear(3, 7), linear(3, 3, { weight: tensor([3, 3], 2 ** -40) })]],
    ['a unit that is zero', [bilinear(6, 7, { down: tensor([3, 6]), left: tensor([6, 7], 0) })]],
    ['what is not a number', [bilinear(6, 7, { down: tensor([3, 6], Number.NaN) })]],
  ] as const)('are not those of %s, and nothing is prepared of them', async (_, layers) => {
    const fine = source(CHAINS['a block'], MEAN);
    const found = await calmly([fine, source(layers, MEAN), fine], WINDOW.float64, 'float64');
    expect(found.map((one) => one === null)).toEqual([false, true, false]);
  });

  it('are refused under other methods', async () => {
    const chain = { ...source(CHAINS['a block'], MEAN), method: 'closure' } as const;
    await expect(calmly([chain], 30, 'float64')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('stand beside others in a matrix', async () => {
    const blocks = Array.from({ length: 40 }, () => bilinear(6, 7, { down: tensor([3, 6]) }));
    const models = blocks.map((layer) => createModel({ layers: [layer] }));
    const { gram, cosine } = await similarityMatrix(models, { backend: 'native' });
    // Powers of two change no digit, whichever models have them.
    const times = (layer: BilinearLayer, factor: number): BilinearLayer => {
      const { data, shape } = layer.left;
      return { ...layer, left: { data: Float64Array.from(data, (value) => factor * value), shape } };
    };
    const factors = blocks.map((_, i) => (i % 17 === 3 ? 2 ** (60 + i) : 1));
    const mixed = blocks.map((layer, i) => createModel({ layers: [times(layer, factors[i])] }));
    const found = await similarityMatrix(mixed, { backend: 'native' });
    expect(found.cosine).toEqual(cosine);
    for (const [i, row] of found.gram.entries())
      for (const [j, value] of row.entries()) expect(value).toBe(factors[i] * factors[j] * gram[i][j]);
  });
});
