import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TensimError } from '../../lib/errors.js';
import type { LayerDefinition } from '../../lib/model/create.js';
import type { Model } from '../../lib/model/model.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import { similarity } from '../../lib/similarity/similarity.js';
import type { Measure, SimilarityOptions } from '../../lib/similarity/terms/types.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { availableBackends } from '../support/backends.js';
import { runs } from '../support/campaign.js';
import { exchangedDegrees } from '../support/degrees.js';
import { blockModel, modelOf, randomAttention, randomBlock, randomLinear, sequenceModel } from '../support/models.js';
import { random } from '../support/random.js';

const MEASURES: readonly Measure[] = ['gaussian', 'tensor', 'weights'];
const shape = { inputs: 5, hidden: 6, outputs: 3, biases: true };

describe.each(availableBackends)('similarity on %s', (backend) => {
  it.each(MEASURES)('of %s does not depend on the order of the two by a bit', async (measure) => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 31 }), async (seed) => {
        const draw = random(seed);
        const [a, b] = [blockModel(draw, shape, 'a'), blockModel(draw, shape, 'b')];
        const ab = await similarity(a, b, { measure, backend, perOutput: true });
        const ba = await similarity(b, a, { measure, backend, perOutput: true });
        // The error of fidelity is relative to the first of the two.
        const exchanged = <T extends { distance: number; normA: number; normB: number }>(result: T) => ({
          ...result,
          normA: result.normB,
          normB: result.normA,
          relativeDistance: result.distance / result.normB,
          fidelityError: (result.distance / result.normB) ** 2,
        });
        const degrees = exchangedDegrees(ba.degrees);
        const perOutput = ba.perOutput!.map(exchanged);
        const turned = { ...exchanged(ba), a: ba.b, b: ba.a, perOutput, ...(degrees && { degrees }) };
        expect(turned).toEqual(ab);
      }),
      { numRuns: runs(20) },
    );
  });

  it.each(MEASURES)(
    'of %s is exactly 1 between a model and itself or its copy, the distance exactly 0',
    async (measure) => {
      const model = blockModel(random(1), shape);
      for (const other of [model, modelOf(model.layers, 'copy')]) {
        const result = await similarity(model, other, { measure, backend, perOutput: true });
        expect(result).toMatchObject({ similarity: 1, distance: 0 });
        for (const slice of result.perOutput!) expect(slice).toMatchObject({ similarity: 1, distance: 0 });
      }
    },
  );

  it('has norms, distance and outputs that belong together', async () => {
    const draw = random(2);
    const [a, b] = [blockModel(draw, shape, 'first'), blockModel(draw, shape, 'second')];
    const s = await similarity(a, b, { backend, perOutput: true });
    expect([s.a, s.b]).toEqual(['first', 'second']);
    expect(s.similarity).toBeCloseTo(s.innerProduct / s.normA / s.normB, 14);
    expect(s.distance ** 2).toBeCloseTo(s.normA ** 2 - 2 * s.innerProduct + s.normB ** 2, 12);
    expect(s.perOutput!.map(({ name }) => name)).toEqual(['0', '1', '2']);
    const sum = (read: (slice: NonNullable<typeof s.perOutput>[number]) => number) =>
      s.perOutput!.reduce((total, slice) => total + read(slice), 0);
    expect(sum((slice) => slice.innerProduct)).toBeCloseTo(s.innerProduct, 12);
    expect(sum((slice) => slice.distance ** 2)).toBeCloseTo(s.distance ** 2, 12);
    expect(sum((slice) => slice.normA ** 2)).toBeCloseTo(s.normA ** 2, 12);
  });

  it('of a slice that is zero is null', async () => {
    const draw = random(3);
    const { leftBias, rightBias, downBias, ...plain } = randomBlock(draw, shape);
    const data = plain.down!.data.map((value, i) => (i < 6 ? 0 : value));
    const s = await similarity(modelOf([{ ...plain, down: { data, shape: [3, 6] } }]), modelOf([plain]), {
      backend,
      perOutput: true,
    });
    expect(s.perOutput![0]).toMatchObject({ similarity: null, innerProduct: 0, normA: 0 });
    expect(s.perOutput![0].normB).toBeGreaterThan(0);
    expect(s.perOutput![0].distance).toBeCloseTo(s.perOutput![0].normB, 14);
    expect(s.perOutput![1].similarity).toBe(1);
  });

  it('holds where the product of the squared norms overflows', async () => {
    const draw = random(4);
    const huge = (model: Model) =>
      modelOf(model.layers.map((layer) => ({ ...layer, beta: 1e100 }) as (typeof model.layers)[number]));
    const [a, b] = [blockModel(draw, shape), blockModel(draw, shape)];
    const plain = await similarity(a, b, { backend });
    const scaled = await similarity(huge(a), huge(b), { backend });
    expect(scaled.normA ** 2 * scaled.normB ** 2).toBe(Number.POSITIVE_INFINITY);
    expect(scaled.similarity).toBeCloseTo(plain.similarity, 12);
  });

  describe('of weights', () => {
    it('is the cosine of all parameters, with the tensors as slices', async () => {
      const linear = (weight: number[], bias: number[]) =>
        modelOf([
          {
            type: 'linear',
            weight: { data: Float64Array.from(weight), shape: [2, 2] },
            bias: { data: Float32Array.from(bias), shape: [2] },
          },
        ]);
      const s = await similarity(linear([1, 2, 3, 4], [5, 6]), linear([1, 0, 0, 1], [0, -1]), {
        measure: 'weights',
        backend,
        perOutput: true,
      });
      expect(s.innerProduct).toBe(1 + 4 - 6);
      expect(s.normA).toBe(Math.sqrt(91));
      expect(s.normB).toBe(Math.sqrt(3));
      expect(s.perOutput).toMatchObject([
        { name: 'layers.0.weight', innerProduct: 5 },
        { name: 'layers.0.bias', innerProduct: -6 },
      ]);
    });

    it('compares models of any depth', async () => {
      const draw = random(5);
      const deep = () => modelOf([0, 1].map(() => randomBlock(draw, { inputs: 3, hidden: 4, outputs: 3 })));
      const { similarity: cosine } = await similarity(deep(), deep(), { measure: 'weights', backend });
      expect(Math.abs(cosine)).toBeLessThan(1);
    });

    it('finds equal names in any order', async () => {
      const { layers, parameters } = blockModel(random(6), shape);
      const a = modelOf(layers);
      const b: Model = { ...a, parameters: new Map([...parameters].reverse()) };
      expect(await similarity(a, b, { measure: 'weights', backend })).toMatchObject({ similarity: 1 });
    });
  });

  describe('refuses', () => {
    const draw = random(7);
    const model = (inputs: number, outputs: number, label: string) =>
      blockModel(draw, { inputs, hidden: 3, outputs }, label);
    const plain = model(4, 2, 'plain');
    const deepOf = (blocks: number) => [
      ...Array.from({ length: blocks }, () => randomBlock(draw, { inputs: 4, hidden: 3, outputs: 4 })),
      randomLinear(draw, 2, 4),
    ];
    const deep = modelOf(deepOf(3), 'deep');
    const attention = () => randomAttention(draw, { inputs: 4, heads: 2, size: 2, residual: [1, 1] });
    const sequence = (blocks: LayerDefinition[], label: string, positions = 1) =>
      sequenceModel(positions, [...blocks, randomLinear(draw, 2, 4)], label);
    const linear = modelOf([randomLinear(draw, 2, 4)], 'linear');
    const zero = modelOf([{ type: 'linear', weight: { data: new Float64Array(8), shape: [2, 4] } }], 'nothing');

    const refusal = async (a: Model, b: Model, options: SimilarityOptions = {}) => {
      const pair = await similarity(a, b, { backend, ...options }).catch((error) => error);
      // The matrix refuses what a pair refuses, in the same words.
      const matrix = await similarityMatrix([a, b], { backend, ...options }).catch((error) => error);
      const said = ({ message, hint }: TensimError) => message.slice(0, message.length - (hint?.length ?? 0));
      expect({ code: matrix.code, said: said(matrix) }).toEqual({ code: pair.code, said: said(pair) });
      return pair;
    };

    it.each([
      ['other inputs', plain, model(5, 2, 'wide'), {}, 'SHAPE_MISMATCH', /"plain" has 4 inputs, "wide" has 5/],
      ['other outputs', plain, model(4, 3, 'tall'), {}, 'SHAPE_MISMATCH', /"plain" has 2 outputs, "tall" has 3/],
      [
        'deep models',
        plain,
        deep,
        { method: 'exact' },
        'UNSUPPORTED_LAYER',
        /"deep" has 3 bilinear blocks.*"sampled".*"closure".*unknown error/,
      ],
      [
        'deep attention',
        sequence([attention()], 'shallow'),
        sequence([attention(), attention()], 'attentive'),
        { method: 'exact' },
        'UNSUPPORTED_LAYER',
        /"attentive" has 2 blocks.*"sampled"/,
      ],
      [
        'blocks of other kinds',
        plain,
        sequence([attention()], 'attentive'),
        { method: 'closure' },
        'UNSUPPORTED_LAYER',
        /block 1 is attention in "attentive" and bilinear in "plain"/,
      ],
      [
        'tensors of attention',
        sequence([attention()], 'attentive'),
        sequence([attention()], 'attentive'),
        { measure: 'tensor' },
        'UNSUPPORTED_LAYER',
        /"attentive" has attention.*gaussian/,
      ],
      [
        'other positions',
        sequence([attention()], 'short', 2),
        sequence([attention()], 'long', 3),
        {},
        'SHAPE_MISMATCH',
        /"short" has 2 positions, "long" has 3/,
      ],
      [
        'the closure of tensors',
        plain,
        plain,
        { measure: 'tensor', method: 'closure' },
        'INVALID_ARGUMENT',
        /"tensor" has no method "closure"/,
      ],
      [
        'tensors of other order',
        plain,
        linear,
        { measure: 'tensor' },
        'SHAPE_MISMATCH',
        /"plain" has 1 bilinear block and "linear" 0.*gaussian/,
      ],
      ['zero models', plain, zero, {}, 'ZERO_NORM', /"nothing" is zero/],
      ['zero models, given first', zero, plain, {}, 'ZERO_NORM', /"nothing" is zero/],
      ['zero weights', zero, zero, { measure: 'weights' }, 'ZERO_NORM', /"nothing" is zero/],
      [
        'other tensors',
        plain,
        linear,
        { measure: 'weights' },
        'SHAPE_MISMATCH',
        /tensor "layers.0.left".*not in "linear"/,
      ],
      [
        'more tensors',
        modelOf([randomLinear(draw, 2, 4, false)], 'bare'),
        linear,
        { measure: 'weights' },
        'SHAPE_MISMATCH',
        /tensor "layers.0.bias".*in "linear" but not in "bare"/,
      ],
      [
        'tensors of other shapes',
        plain,
        model(4, 3, 'tall'),
        { measure: 'weights' },
        'SHAPE_MISMATCH',
        /tensor "layers.0.down".*\[2, 3\] in "plain" and \[3, 3\] in "tall"/,
      ],
      [
        'unknown measures',
        plain,
        plain,
        { measure: 'cka' as 'gaussian' },
        'INVALID_ARGUMENT',
        /measure.*"cka".*gaussian, tensor, weights/,
      ],
      [
        'unknown methods',
        plain,
        plain,
        { method: 'guess' as 'exact' },
        'INVALID_ARGUMENT',
        /method.*"guess".*auto, exact/,
      ],
      ['unknown types', plain, plain, { dtype: 'float16' as 'float32' }, 'INVALID_ARGUMENT', /dtype.*"float16"/],
      [
        'unknown backends',
        plain,
        plain,
        { backend: 'gpu' as 'cuda' },
        'INVALID_ARGUMENT',
        /backend.*"gpu".*native, cuda, fallback/,
      ],
      [
        'absent backends',
        plain,
        plain,
        { backend: 'cuda' },
        'BACKEND_UNAVAILABLE',
        /"cuda" is not available: .*"auto"/,
      ],
      [
        'unknown options',
        plain,
        plain,
        { perOuput: true } as SimilarityOptions,
        'INVALID_ARGUMENT',
        /no option "perOuput".*perOutput/,
      ],
      ['no threads', plain, plain, { threads: 0 }, 'INVALID_ARGUMENT', /threads/],
      ['half threads', plain, plain, { threads: 1.5 }, 'INVALID_ARGUMENT', /threads/],
      ['numbers', 42 as unknown as Model, plain, {}, 'INVALID_ARGUMENT', /42 is not a model.*loadModel/],
      ['nothing', undefined as unknown as Model, plain, {}, 'INVALID_ARGUMENT', /undefined is not a model/],
    ] as [string, Model, Model, SimilarityOptions, string, RegExp][])('%s', async (_, a, b, options, code, message) => {
      const error = await refusal(a, b, options);
      expect(error).toMatchObject({ name: 'TensimError', code });
      expect(error.message).toMatch(message);
    });

    it('paths, which only a matrix takes', async () => {
      const path = 'a.safetensors' as unknown as Model;
      await expect(similarity(path, plain, { backend })).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringMatching(/"a.safetensors" is not a model.*loadModel/),
      });
      await expect(similarityMatrix([path, plain], { backend })).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    });

    it('two blocks on an input too wide for quadratic forms', async () => {
      const wide = { data: new Float64Array(600 * 2000), shape: [600, 2000] };
      const block = (left: Tensor, down: Tensor) =>
        ({ type: 'bilinear', left, right: left, down, alpha: 0, beta: 1 }) as const;
      const square = { data: new Float64Array(600 * 600), shape: [600, 600] };
      const model = modelOf([block(wide, square), block(square, square)], 'wide');
      expect(await refusal(model, model, { method: 'exact' })).toMatchObject({
        code: 'MEMORY_LIMIT',
        message: expect.stringMatching(/"wide".*GiB.*1200 dimensions.*"sampled"/),
      });
    });

    it('layers it does not know', async () => {
      const softmax = { ...plain, label: 'talker', layers: [{ type: 'softmax' }] } as unknown as Model;
      expect(await refusal(plain, softmax)).toMatchObject({
        code: 'UNSUPPORTED_LAYER',
        message: expect.stringContaining('"talker" has a layer of type "softmax"'),
      });
    });

    it('a matrix of no models', async () => {
      await expect(similarityMatrix([], { backend })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
      await expect(similarityMatrix(plain as never, { backend })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    });
  });
});
