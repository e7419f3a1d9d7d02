import { describe, expect, it } from 'vitest';
import { degreeOf, growthOf } from '../../lib/layers/layer.js';
import { createModel, type LayerDefinition } from '../../lib/model/create.js';
import { similarity } from '../../lib/similarity/similarity.js';
import { tensor } from '../../lib/tensor/tensor.js';
import { expectForward } from '../support/forward.js';
import { randomLinear, randomTensor } from '../support/models.js';
import { random } from '../support/random.js';

const KINDS = ['rms_norm', 'layer_norm'] as const;

/** As torch has it, one row. */
function plain(
  type: (typeof KINDS)[number],
  row: readonly number[],
  { epsilon, weight, bias }: { epsilon: number; weight?: readonly number[]; bias?: readonly number[] },
): number[] {
  const mean = type === 'layer_norm' ? row.reduce((sum, x) => sum + x, 0) / row.length : 0;
  const variance = row.reduce((sum, x) => sum + (x - mean) ** 2, 0) / row.length;
  return row.map((x, i) => ((x - mean) / Math.sqrt(variance + epsilon)) * (weight?.[i] ?? 1) + (bias?.[i] ?? 0));
}

describe.each(KINDS)('%s', (type) => {
  it.each([
    ['without parameters', false, false, 0],
    ['with a weight', true, false, 0],
    ['with a bias alone', false, true, 0],
    ['with weights around zero', true, true, 1],
  ] as const)('%s gives what torch gives, between two layers', async (_, weighted, biased, offset) => {
    const draw = random(3);
    const [weight, bias] = [randomTensor(draw, 7), randomTensor(draw, 7)];
    const [first, last] = [randomLinear(draw, 7, 4), randomLinear(draw, 3, 7)];
    const norm: LayerDefinition = {
      type,
      epsilon: 0.01,
      offset,
      ...(!weighted && !biased && { features: 7 }),
      ...(weighted && { weight }),
      ...(biased && { bias }),
    };
    const model = createModel({ layers: [first, norm, last], positions: 3 });
    const affine = ({ weight, bias }: typeof first, row: readonly number[]) =>
      Array.from({ length: weight.shape[0] }, (_, i) =>
        row.reduce((sum, x, j) => sum + weight.data[i * row.length + j] * x, bias!.data[i]),
      );
    const parts = {
      epsilon: 0.01,
      ...(weighted && { weight: Array.from(weight.data, (value) => value + offset) }),
      ...(biased && { bias: Array.from(bias.data) }),
    };
    await expectForward(model, draw, (rows) => rows.map((row) => affine(last, plain(type, affine(first, row), parts))));
  });

  it('keeps its digits where the features are far from one', async () => {
    const weight = tensor(
      Array.from({ length: 36 }, (_, i) => (i % 7 === 0 ? 1e-120 : 0)),
      [6, 6],
    );
    const model = createModel({
      layers: [
        { type: 'linear', weight },
        { type, features: 6, epsilon: 0 },
      ],
    });
    const double = createModel({ layers: [{ type, features: 6, epsilon: 0 }] });
    const { similarity: same } = await similarity(model, double, { method: 'sampled', maxSamples: 2048, tolerance: 1 });
    expect(same).toBeGreaterThan(0.999999);
  });

  it('has no degree, and does not grow', () => {
    const layers = [randomLinear(random(1), 5, 5), { type, features: 5, epsilon: 0 }];
    expect(degreeOf(layers)).toBeNull();
    expect(growthOf(layers)).toBe(0);
  });

  it('is compared by samples, and refused by everything else with the reason', async () => {
    const make = (seed: number) => {
      const draw = random(seed);
      const norm: LayerDefinition = { type, weight: randomTensor(draw, 4), epsilon: 1e-5 };
      return createModel({ layers: [norm, randomLinear(draw, 2, 4)], label: `model ${seed}` });
    };
    const noun = type === 'rms_norm' ? 'an RMS norm' : 'a layer norm';
    expect(await similarity(make(1), make(2), { tolerance: 0.1 })).toMatchObject({ method: 'sampled', exact: false });
    for (const [options, reason] of [
      [{ method: 'exact' }, 'for which no method is exact'],
      [{ method: 'closure' }, 'for which there is no closure'],
      [{ measure: 'tensor' }, 'for which the measure "tensor" is not defined'],
    ] as const) {
      await expect(similarity(make(1), make(2), options)).rejects.toMatchObject({
        code: 'UNSUPPORTED_LAYER',
        message: expect.stringContaining(`has ${noun}, ${reason}`),
      });
    }
  });

  it.each([
    [{ epsilon: -1, features: 3 }, 'epsilon is -1, not a number from 0'],
    [{ epsilon: 1e-5, features: 0 }, 'features is 0, not a whole number from 1'],
    [{ epsilon: 1e-5 }, 'needs "features"'],
    [{ epsilon: 1e-5, weight: tensor([1, 2], [2]), bias: tensor([1], [1]) }, 'has shape [1], but 2 features need [2]'],
    [{ epsilon: 1e-5, weight: tensor([1, 2], [1, 2]) }, 'has shape [1, 2]'],
    [{ epsilon: 1e-5, features: 2, offset: Number.NaN }, 'offset is NaN'],
    [{ features: 2 }, 'has no "epsilon"'],
  ])('is refused with %j', (fields, message) => {
    expect(() => createModel({ layers: [{ type, ...fields } as LayerDefinition] })).toThrow(message);
  });
});
