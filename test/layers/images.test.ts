import { describe, expect, it } from 'vitest';
import { evaluate } from '../../lib/evaluation/evaluate.js';
import { MOST_DENSE } from '../../lib/layers/image.js';
import { blocksOf, degreeOf, isBlock } from '../../lib/layers/layer.js';
import { createModel, type LayerDefinition } from '../../lib/model/create.js';
import type { ConvolutionLayer, PoolLayer } from '../../lib/model/model.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import { similarity } from '../../lib/similarity/similarity.js';
import { type Tensor, tensor } from '../../lib/tensor/tensor.js';
import { availableBackends } from '../support/backends.js';
import { expectForward } from '../support/forward.js';
import { randomBlock, randomLinear, randomTensor } from '../support/models.js';
import { type Random, random } from '../support/random.js';

type Axes = readonly [number, number];
interface Shape {
  readonly input: Axes;
  readonly kernel: Axes;
  readonly stride: Axes;
  readonly padding: Axes;
  readonly dilation: Axes;
}

const outputOf = ({ input, kernel, stride, padding, dilation }: Shape) =>
  input.map((size, i) => 1 + Math.floor((size + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1) / stride[i]));

/** torch.nn.functional.conv2d of one image, in plain loops. */
function plainConvolution(
  x: readonly number[],
  weight: Tensor,
  bias: Tensor | undefined,
  groups: number,
  shape: Shape,
) {
  const { input, kernel, stride, padding, dilation } = shape;
  const [out, perGroup] = weight.shape;
  const [height, width] = outputOf(shape);
  const result: number[] = [];
  for (let o = 0; o < out; o++)
    for (let y = 0; y < height; y++)
      for (let z = 0; z < width; z++) {
        let sum = bias?.data[o] ?? 0;
        for (let c = 0; c < perGroup; c++)
          for (let i = 0; i < kernel[0]; i++)
            for (let j = 0; j < kernel[1]; j++) {
              const row = y * stride[0] - padding[0] + i * dilation[0];
              const column = z * stride[1] - padding[1] + j * dilation[1];
              if (row < 0 || row >= input[0] || column < 0 || column >= input[1]) continue;
              const channel = Math.floor(o / (out / groups)) * perGroup + c;
              sum +=
                weight.data[((o * perGroup + c) * kernel[0] + i) * kernel[1] + j] *
                x[(channel * input[0] + row) * input[1] + column];
            }
        result.push(sum);
      }
  return result;
}

/** torch.nn.functional.avg_pool2d and max_pool2d of one image. */
function plainPool(x: readonly number[], channels: number, mode: 'mean' | 'max', countPadding: boolean, shape: Shape) {
  const { input, kernel, stride, padding } = shape;
  const [height, width] = outputOf(shape);
  const result: number[] = [];
  for (let c = 0; c < channels; c++)
    for (let y = 0; y < height; y++)
      for (let z = 0; z < width; z++) {
        const seen: number[] = [];
        for (let row = y * stride[0] - padding[0]; row < y * stride[0] - padding[0] + kernel[0]; row++)
          for (let column = z * stride[1] - padding[1]; column < z * stride[1] - padding[1] + kernel[1]; column++)
            if (row >= 0 && row < input[0] && column >= 0 && column < input[1])
              seen.push(x[(c * input[0] + row) * input[1] + column]);
        const sum = seen.reduce((a, b) => a + b, 0);
        result.push(mode === 'max' ? Math.max(...seen) : sum / (countPadding ? kernel[0] * kernel[1] : seen.length));
      }
  return result;
}

const ONE: Axes = [1, 1];
const NONE: Axes = [0, 0];
const CASES: Record<string, Shape & { groups?: number; channels?: Axes; biased?: boolean }> = {
  plain: { input: [5, 6], kernel: [3, 3], stride: ONE, padding: NONE, dilation: ONE, biased: true },
  'padded, with strides': { input: [7, 5], kernel: [3, 2], stride: [2, 1], padding: [1, 1], dilation: ONE },
  dilated: { input: [8, 9], kernel: [2, 3], stride: [1, 2], padding: [2, 0], dilation: [3, 2], biased: true },
  'in groups': { input: [4, 4], kernel: [3, 3], stride: ONE, padding: ONE, dilation: ONE, groups: 2, channels: [4, 6] },
  'channel by channel': {
    input: [4, 5],
    kernel: [2, 2],
    stride: ONE,
    padding: NONE,
    dilation: ONE,
    groups: 3,
    channels: [3, 6],
  },
  'of single pixels': { input: [3, 3], kernel: ONE, stride: ONE, padding: NONE, dilation: ONE, channels: [5, 2] },
  'with more windows than fit a block': {
    input: [20, 21],
    kernel: [3, 3],
    stride: ONE,
    padding: ONE,
    dilation: ONE,
    biased: true,
  },
};

const pairOf = ([down, across]: Axes) => (down === across ? down : ([down, across] as const));

function convolution(draw: Random, shape: (typeof CASES)[string]): ConvolutionLayer {
  const { groups = 1, channels = [2, 3], biased = false } = shape;
  return {
    type: 'convolution',
    weight: randomTensor(draw, channels[1], channels[0] / groups, ...shape.kernel),
    ...(biased && { bias: randomTensor(draw, channels[1]) }),
    height: shape.input[0],
    width: shape.input[1],
    stride: pairOf(shape.stride),
    padding: pairOf(shape.padding),
    dilation: pairOf(shape.dilation),
    groups,
  };
}

describe('a convolution', () => {
  it.each(Object.entries(CASES))('%s: gives what torch gives', async (_, shape) => {
    const draw = random(1);
    const layer = convolution(draw, shape);
    const model = createModel({ layers: [layer], positions: 2 });
    const { weight, bias, groups } = layer;
    await expectForward(model, draw, (rows) => rows.map((x) => plainConvolution(x, weight, bias, groups, shape)));
  });

  it('of sequences is one of images of one row', async () => {
    const draw = random(2);
    const weight = randomTensor(draw, 3, 2, 4);
    const layer: LayerDefinition = { type: 'convolution', weight, width: 11, stride: 2, padding: 1, dilation: 2 };
    const shape = { input: [1, 11], kernel: [1, 4], stride: [1, 2], padding: [0, 1], dilation: [1, 2] } as const;
    await expectForward(createModel({ layers: [layer] }), draw, (rows) =>
      rows.map((x) => plainConvolution(x, weight, undefined, 1, shape)),
    );
  });

  it.each([
    [{ weight: [2, 2, 3, 3], width: 4 }, 'are (out, in, columns), as there is no height'],
    [{ weight: [2, 2, 3], height: 4, width: 4 }, 'are (out, in, rows, columns)'],
    [{ weight: [2, 2, 5, 5], height: 4, width: 4 }, 'windows are larger than an image of 4 × 4'],
    [{ weight: [3, 1, 2, 2], height: 4, width: 4, groups: 2 }, 'its 3 channels do not divide into 2 groups'],
    [{ weight: [2, 2, 3], width: 4, stride: [1, 2] }, 'stride is a pair, but without a height'],
    [{ weight: [2, 2, 3, 3], height: 4, width: 4, stride: 0 }, 'stride is 0, not a whole number from 1'],
    [{ weight: [2, 2, 3, 3], height: 4, width: 4, padding: [1, 2, 3] }, 'padding has 3 numbers'],
    [{ weight: [2, 2, 3, 3], height: 0, width: 4 }, 'height is 0'],
    [{ weight: [2, 0, 3, 3], height: 4, width: 4 }, 'and so no elements'],
  ])('is refused with %j', (fields, message) => {
    const { weight, ...rest } = fields;
    const size = weight.reduce((a, b) => a * b, 1);
    const layer = { type: 'convolution', weight: tensor(new Float64Array(size), weight), ...rest };
    expect(() => createModel({ layers: [layer as unknown as LayerDefinition] })).toThrow(message);
  });
});

describe('pooling', () => {
  const shapes: Record<string, Shape> = {
    'windows side by side': { input: [6, 4], kernel: [2, 2], stride: [2, 2], padding: NONE, dilation: ONE },
    'windows that overlap, with padding': {
      input: [5, 7],
      kernel: [3, 2],
      stride: [2, 1],
      padding: [1, 1],
      dilation: ONE,
    },
    'whole images': { input: [4, 3], kernel: [4, 3], stride: [4, 3], padding: NONE, dilation: ONE },
  };
  it.each(
    Object.entries(shapes).flatMap(([name, shape]) =>
      (
        [
          ['mean', true],
          ['mean', false],
          ['max', true],
        ] as const
      ).map(([mode, counted]) => [name, mode, counted, shape] as const),
    ),
  )('%s, by %s, padding counted: %s', async (_, mode, countPadding, shape) => {
    const draw = random(3);
    const { kernel, stride, padding, input } = shape;
    const layer: LayerDefinition = {
      ...{ type: 'pool', mode, channels: 3, height: input[0], width: input[1], countPadding },
      ...{ kernel: pairOf(kernel), stride: pairOf(stride), padding: pairOf(padding) },
    };
    await expectForward(createModel({ layers: [layer] }), draw, (rows) =>
      rows.map((x) => plainPool(x, 3, mode, countPadding, shape)),
    );
  });

  it('keeps what is no number', async () => {
    for (const backend of availableBackends) {
      for (const place of [0, 1, 2]) {
        // ∞ and −∞ in one window, whose mean is no number, ordinary numbers in the others.
        const weight = Array.from({ length: 12 }, (_, k) =>
          Math.floor(k / 4) !== place ? 1 : k % 4 === 0 || k % 4 === 3 ? 1e308 : 0,
        );
        const layers: LayerDefinition[] = [
          { type: 'linear', weight: tensor(weight, [6, 2]) },
          { type: 'pool', mode: 'mean', channels: 3, width: 2, kernel: 2 },
          { type: 'pool', mode: 'max', channels: 1, width: 3, kernel: 3 },
        ];
        const { data } = await evaluate(createModel({ layers }), tensor([10, -10], [1, 2]), { backend });
        expect(data[0]).toBeNaN();
      }
    }
  });

  it.each([
    [{ kernel: 2, padding: 2 }, 'is more than half of windows'],
    [{ kernel: 2, mode: 'least' }, 'mode is "least", neither "mean" nor "max"'],
    [{ kernel: 9 }, 'windows are larger than an image of 4'],
    [{ kernel: 2, countPadding: 1 }, 'countPadding is 1'],
  ])('is refused with %j', (fields, message) => {
    const layer = { type: 'pool', mode: 'max', channels: 2, width: 4, ...fields };
    expect(() => createModel({ layers: [layer as unknown as LayerDefinition] })).toThrow(message);
  });
});

describe('a batch norm', () => {
  it.each([1, 6])('gives what torch gives, with channels of %i features', async (area) => {
    const draw = random(4);
    const [mean, weight, bias] = [1, 2, 3].map(() => randomTensor(draw, 4));
    const variance = tensor([0.5, 2, 1e-3, 7], [4]);
    const layer: LayerDefinition = { type: 'batch_norm', mean, variance, weight, bias, epsilon: 1e-3, area };
    await expectForward(createModel({ layers: [layer], positions: 3 }), draw, (rows) =>
      rows.map((row) =>
        row.map((x, i) => {
          const c = Math.floor(i / area);
          const unit = (x - mean.data[c]) / Math.sqrt(variance.data[c] + 1e-3);
          return unit * weight.data[c] + bias.data[c];
        }),
      ),
    );
  });

  it('is refused where its parts do not fit', () => {
    const one = tensor([1], [1]);
    const two = tensor([1, 2], [2]);
    const make = (fields: object) => () =>
      createModel({
        layers: [{ type: 'batch_norm', mean: two, variance: two, epsilon: 1e-5, ...fields } as LayerDefinition],
      });
    expect(make({ variance: one })).toThrow('has shape [1], but 2 channels need [2]');
    expect(make({ bias: one })).toThrow('has shape [1], but 2 channels need [2]');
    expect(make({ area: 0 })).toThrow('area is 0');
    expect(make({ epsilon: undefined })).toThrow('epsilon is undefined');
  });
});

/** A convolution, a batch norm and mean pooling in front of a bilinear block, and one more behind it. */
function network(draw: Random, plain: boolean): LayerDefinition[] {
  const shape = { input: [4, 4], kernel: [3, 3], stride: ONE, padding: ONE, dilation: ONE, biased: true } as const;
  const norm: LayerDefinition = {
    type: 'batch_norm',
    mean: randomTensor(draw, 3),
    variance: tensor([0.5, 2, 1], [3]),
    weight: randomTensor(draw, 3),
    epsilon: 1e-5,
    area: 16,
  };
  const pool: PoolLayer = {
    ...{ type: 'pool', mode: 'mean', channels: 3, height: 4, width: 4 },
    ...{ kernel: 2, stride: null, padding: 0, countPadding: true },
  };
  const first = [convolution(draw, shape), norm, pool] as LayerDefinition[];
  const rest = [randomBlock(draw, { inputs: 12, hidden: 5, outputs: 4, biases: true }), randomLinear(draw, 2, 4)];
  return [...(plain ? first.map(matrixOf) : first), ...rest];
}

/** The linear layer that does the same, from its values at the unit vectors. */
function matrixOf(layer: LayerDefinition): LayerDefinition {
  const model = createModel({ layers: [layer] });
  const [, takes] = model.inputShape;
  const [, gives] = model.outputShape;
  const value = (x: readonly number[]): number[] => {
    if (layer.type === 'convolution') {
      const shape = { input: [4, 4], kernel: [3, 3], stride: ONE, padding: ONE, dilation: ONE } as const;
      return plainConvolution(x, layer.weight, layer.bias, 1, shape);
    }
    if (layer.type === 'pool') {
      const shape = { input: [4, 4], kernel: [2, 2], stride: [2, 2], padding: NONE, dilation: ONE } as const;
      return plainPool(x, 3, 'mean', true, shape);
    }
    if (layer.type !== 'batch_norm') throw new Error('no such layer here');
    const { mean, variance, weight, epsilon } = layer;
    return x.map((one, i) => {
      const c = Math.floor(i / 16);
      return ((one - mean.data[c]) / Math.sqrt(variance.data[c] + epsilon)) * weight!.data[c];
    });
  };
  const offset = value(new Array(takes).fill(0));
  const columns = Array.from({ length: takes }, (_, j) =>
    value(Array.from({ length: takes }, (_, i) => (i === j ? 1 : 0))),
  );
  const data = Float64Array.from(
    { length: gives * takes },
    (_, k) => columns[k % takes][Math.floor(k / takes)] - offset[Math.floor(k / takes)],
  );
  return { type: 'linear', weight: tensor(data, [gives, takes]), bias: tensor(offset, [gives]) };
}

describe.each(availableBackends)('affine layers of images, on %s', (backend) => {
  const [f, g] = [1, 2].map((seed) => createModel({ layers: network(random(seed), false) }));
  const [plainF, plainG] = [1, 2].map((seed) => createModel({ layers: network(random(seed), true) }));

  it('are compared exactly, as the matrices that they are', async () => {
    expect(f.degree).toBe(2);
    expect(blocksOf(f.layers).length).toBe(1);
    const found = await similarity(f, g, { backend, perOutput: true });
    const expected = await similarity(plainF, plainG, { backend, perOutput: true });
    expect(found).toMatchObject({ method: 'exact', exact: true, backend });
    for (const name of ['similarity', 'distance', 'normA', 'normB', 'innerProduct'] as const)
      expect(found[name] / expected[name]).toBeCloseTo(1, 11);
    const tensors = await similarity(f, g, { backend, measure: 'tensor' });
    expect(tensors.similarity).toBeCloseTo(
      (await similarity(plainF, plainG, { backend, measure: 'tensor' })).similarity,
      11,
    );
  });

  it('fill a matrix, and agree with samples', async () => {
    const { cosine, exact } = await similarityMatrix([f, g, f], { backend });
    expect(exact).toBe(true);
    const { similarity: value } = await similarity(f, g, { backend });
    expect(cosine[0][1]).toBeCloseTo(value, 12);
    const sampled = await similarity(f, g, { backend, method: 'sampled', tolerance: 0.02 });
    expect(Math.abs(sampled.similarity - value)).toBeLessThan(5 * sampled.standardError!);
  });
});

describe('layers of images that no exact method takes', () => {
  const largest: LayerDefinition = { type: 'pool', mode: 'max', channels: 2, width: 4, kernel: 2 };

  it('are maxima, which are no polynomial', async () => {
    const [a, b] = [1, 2].map((seed) => {
      const draw = random(seed);
      return createModel({ layers: [randomLinear(draw, 8, 3), largest, randomLinear(draw, 2, 4)] });
    });
    expect(a.degree).toBeNull();
    expect(await similarity(a, b, { tolerance: 0.1 })).toMatchObject({ method: 'sampled' });
    await expect(similarity(a, b, { method: 'exact' })).rejects.toThrow(/has pooling by maxima.*no method is exact/);
  });

  it('are those whose matrix is too large, which are run as they are', async () => {
    const side = 96;
    const make = (seed: number) => {
      const weight = randomTensor(random(seed), 1, 1, 3, 3);
      return createModel({ layers: [{ type: 'convolution', weight, height: side, width: side, padding: 1 }] });
    };
    expect(side ** 4).toBeGreaterThan(MOST_DENSE);
    const [a, b] = [make(1), make(2)];
    expect(isBlock(a.layers[0])).toBe(true);
    expect(degreeOf(a.layers)).toBe(1);
    await expect(similarity(a, b, { method: 'exact' })).rejects.toMatchObject({
      code: 'UNSUPPORTED_LAYER',
      message: expect.stringContaining('has a convolution whose matrix is too large, for which no method is exact'),
      hint: expect.stringContaining('sampled'),
    });
    const shape = { input: [side, side], kernel: [3, 3], stride: ONE, padding: ONE, dilation: ONE } as const;
    const { weight } = a.layers[0] as ConvolutionLayer;
    await expectForward(a, random(3), (rows) => rows.map((x) => plainConvolution(x, weight, undefined, 1, shape)), {
      batch: 2,
    });
  });
});
