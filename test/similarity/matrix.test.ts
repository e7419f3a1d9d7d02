import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import { similarity } from '../../lib/similarity/similarity.js';
import type { Matrix, Measure } from '../../lib/similarity/terms/types.js';
import { availableBackends } from '../support/backends.js';
import { runs } from '../support/campaign.js';
import { eigenvalues } from '../support/eigenvalues.js';
import { blockModel, modelOf, randomBlock, randomChain, randomLinear } from '../support/models.js';
import { random } from '../support/random.js';

const MEASURES: readonly Measure[] = ['gaussian', 'tensor', 'weights'];
const shape = { inputs: 5, hidden: 4, outputs: 3, biases: true };

function twelveModels(seed: number) {
  const draw = random(seed);
  return Array.from({ length: 12 }, (_, i) => blockModel(draw, shape, `model ${i}`));
}

function expectSymmetricToTheBit(matrix: Matrix): void {
  for (let i = 0; i < matrix.length; i++) {
    for (let j = 0; j < i; j++) expect(Object.is(matrix[i][j], matrix[j][i])).toBe(true);
  }
}

describe.each(availableBackends)('similarityMatrix on %s', (backend) => {
  it.each(MEASURES)('%s gives positive semi-definite Gram matrices, in all and per output', async (measure) => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 31 }), async (seed) => {
        const { gram, perOutput } = await similarityMatrix(twelveModels(seed), { measure, backend, perOutput: true });
        for (const matrix of [gram, ...perOutput!.gram]) {
          const values = eigenvalues(matrix.map((row) => Array.from(row)));
          expect(Math.min(...values)).toBeGreaterThanOrEqual(-1e-10 * Math.max(...values));
        }
      }),
      { numRuns: runs(5) },
    );
  });

  it.each(MEASURES)('%s is symmetric to the bit, 1 on the diagonal and within [−1, 1]', async (measure) => {
    const result = await similarityMatrix(twelveModels(1), { measure, backend, perOutput: true });
    for (const gram of [result.gram, ...result.perOutput!.gram]) expectSymmetricToTheBit(gram);
    for (const cosine of [result.cosine, ...result.perOutput!.cosine]) {
      expectSymmetricToTheBit(cosine);
      for (const [i, row] of cosine.entries()) {
        expect(row[i]).toBe(1);
        for (const value of row) expect(Math.abs(value)).toBeLessThanOrEqual(1);
      }
    }
  });

  it('agrees with similarity() for every pair, and its outputs add up to the whole', async () => {
    const models = twelveModels(2).slice(0, 4);
    const { gram, perOutput } = await similarityMatrix(models, { backend, perOutput: true });
    for (const [i, a] of models.entries()) {
      for (const [j, b] of models.entries()) {
        const { innerProduct } = await similarity(a, b, { backend });
        expect(gram[i][j]).toBeCloseTo(innerProduct, 12);
        expect(perOutput!.gram.reduce((sum, slice) => sum + slice[i][j], 0)).toBeCloseTo(innerProduct, 12);
      }
    }
  });

  it('joins several tiles without a seam', async () => {
    const draw = random(3);
    const models = Array.from({ length: 70 }, (_, i) => blockModel(draw, { inputs: 2, hidden: 2, outputs: 2 }, `${i}`));
    const whole = await similarityMatrix(models, { backend, perOutput: true });
    expectSymmetricToTheBit(whole.gram);
    for (const [start, end] of [
      [28, 36],
      [0, 3],
      [60, 70],
    ]) {
      const part = await similarityMatrix(models.slice(start, end), { backend, perOutput: true });
      for (const [i, row] of part.gram.entries()) {
        expect(Array.from(row)).toEqual(Array.from(whole.gram[start + i].subarray(start, end)));
        expect(part.perOutput!.gram[1][i]).toEqual(whole.perOutput!.gram[1][start + i].slice(start, end));
      }
    }
    const { innerProduct } = await similarity(models[0], models[69], { backend });
    expect(whole.gram[0][69]).toBeCloseTo(innerProduct, 12);
  });

  it('takes a model that stands twice, and a copy of it, as exactly similar', async () => {
    const [a, b] = twelveModels(4);
    const copy = modelOf(a.layers, 'copy');
    const { cosine } = await similarityMatrix([a, b, a, copy], { backend });
    expect([cosine[0][2], cosine[0][3], cosine[2][3]]).toEqual([1, 1, 1]);
  });

  it('compares one model alone', async () => {
    const [model] = twelveModels(5);
    const { labels, cosine } = await similarityMatrix([model], { backend });
    expect(labels).toEqual(['model 0']);
    expect(cosine).toEqual([new Float64Array([1])]);
  });

  it('says how the result was obtained', async () => {
    const models = twelveModels(6).slice(0, 2);
    const info = { method: 'exact', exact: true, standardError: null, backend };
    expect(await similarityMatrix(models, { backend, input: { sigma: 2 }, dtype: 'float32' })).toMatchObject({
      ...info,
      measure: 'gaussian',
      input: 'sigma=2',
      dtype: 'float32',
    });
    expect(await similarityMatrix(models, { backend, measure: 'tensor' })).toMatchObject({
      ...info,
      measure: 'tensor',
      input: 'standard',
      dtype: 'float64',
    });
    const mean = new Array(5).fill(1);
    expect(await similarityMatrix(models, { backend, input: { mean } })).toMatchObject({ input: 'custom' });
    expect(await similarityMatrix(models, { backend, input: { mean, name: 'shifted' } })).toMatchObject({
      input: 'shifted',
    });
    expect(await similarityMatrix(models, { backend, measure: 'weights', input: { mean } })).toMatchObject({
      input: null,
    });
  });

  it('has no slices unless asked for', async () => {
    expect(await similarityMatrix(twelveModels(7), { backend })).not.toHaveProperty('perOutput');
  });

  it('marks the similarities of a slice that is zero as NaN', async () => {
    const draw = random(8);
    const whole = randomBlock(draw, shape);
    const data = whole.down!.data.map((value, i) => (i < 4 ? 0 : value));
    const { leftBias, rightBias, downBias, ...plain } = whole;
    const models = [
      modelOf([{ ...plain, down: { data, shape: [3, 4] } }], 'without output 0'),
      modelOf([plain], 'whole'),
    ];
    const { cosine, perOutput } = await similarityMatrix(models, { backend, perOutput: true });
    expect(perOutput!.cosine[0].map((row) => Array.from(row))).toEqual([
      [Number.NaN, Number.NaN],
      [Number.NaN, 1],
    ]);
    expect(perOutput!.cosine[1][0][1]).toBe(1);
    expect(cosine[0][1]).toBeGreaterThan(0);
    expect(perOutput!.names).toEqual(['0', '1', '2']);
  });

  it('keeps float32 within 1e-5 of float64, scaled by the norms', async () => {
    const draw = random(9);
    const models = Array.from({ length: 4 }, () =>
      blockModel(draw, { inputs: 60, hidden: 33, outputs: 7, biases: true }),
    );
    for (const measure of MEASURES) {
      const double = await similarityMatrix(models, { backend, measure, perOutput: true });
      const single = await similarityMatrix(models, { backend, measure, perOutput: true, dtype: 'float32' });
      for (const [i, row] of double.gram.entries()) {
        for (const [j, value] of row.entries()) {
          const scale = Math.sqrt(double.gram[i][i]) * Math.sqrt(double.gram[j][j]);
          expect(Math.abs(single.gram[i][j] - value)).toBeLessThanOrEqual(1e-5 * scale);
        }
      }
    }
  });

  it('compares linear chains with chains that have a block under `gaussian`', async () => {
    const draw = random(10);
    const linear = modelOf([randomLinear(draw, 3, 5)], 'linear');
    const traits = { before: 1, after: 1, block: true, biases: true, residual: true, down: true };
    const { cosine } = await similarityMatrix([linear, randomChain(draw, 5, 3, traits)], { backend });
    expect(Math.abs(cosine[0][1])).toBeGreaterThan(0);
    expect(Math.abs(cosine[0][1])).toBeLessThan(1);
  });
});

describe('backends', () => {
  const [first, ...others] = availableBackends;
  it.runIf(others.length > 0)('agree to 1e-12 in float64, scaled by the norms', async () => {
    const draw = random(12);
    const traits = { before: 2, after: 1, block: true, biases: true, residual: true, down: true };
    const models = Array.from({ length: 5 }, () => randomChain(draw, 6, 4, traits));
    const input = { mean: [1, 2, 3, 4, 5, 6] };
    for (const measure of ['gaussian', 'tensor'] as const) {
      const one = await similarityMatrix(models, { backend: first, measure, input, perOutput: true });
      for (const backend of others) {
        const other = await similarityMatrix(models, { backend, measure, input, perOutput: true });
        for (const [i, row] of one.gram.entries()) {
          for (const [j, value] of row.entries()) {
            const scale = Math.sqrt(one.gram[i][i]) * Math.sqrt(one.gram[j][j]);
            expect(Math.abs(other.gram[i][j] - value)).toBeLessThanOrEqual(1e-12 * scale);
          }
        }
      }
    }
  });
});

describe('difference', () => {
  it('is that of two models, from their inner products', async () => {
    const [a, b, c] = twelveModels(22);
    const matrix = await similarityMatrix([a, b, c, modelOf(a.layers, 'copy')]);
    const cross = await similarityMatrix([a, b, c], { rows: [0, 1], columns: [0, 2] });
    const pair = await similarity(b, c);
    for (const found of [matrix.difference(1, 2), matrix.difference(2, 1)]) {
      expect(found.distance).toBeCloseTo(pair.distance, 12);
      expect(found.dissimilarity).toBeCloseTo(1 - pair.similarity, 12);
    }
    expect(matrix.difference(1, 2).fidelityError).toBeCloseTo((pair.distance / pair.normA) ** 2, 12);
    expect(matrix.difference(2, 1).relativeDistance).toBeCloseTo(pair.distance / pair.normB, 12);
    expect(cross.difference(1, 1).fidelityError).toBeCloseTo(matrix.difference(2, 1).fidelityError!, 12);
    for (const same of [matrix.difference(0, 0), matrix.difference(0, 3), cross.difference(0, 0)]) {
      expect(same).toMatchObject({ distance: 0, dissimilarity: 0, fidelityError: 0, relativeDistance: 0 });
    }
    expect(() => matrix.difference(0, 4)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(() => cross.difference(2, 0)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});

describe('direction', () => {
  it('is refused where it would be rounding, earlier in single precision', async () => {
    const linear = (...data: number[]) =>
      modelOf([{ type: 'linear', weight: { data: Float64Array.from(data), shape: [1, 2] } }]);
    const steps = (size: number) => [linear(1, 1), linear(1 + size, 1), linear(1, 1 + size)];
    const [s, t] = [
      { from: 0, to: 1 },
      { from: 0, to: 2 },
    ];
    const told = await similarityMatrix(steps(1e-5));
    expect(Math.abs(told.direction(s, t))).toBeLessThan(0.01);
    for (const [size, dtype] of [
      [1e-7, 'float64'],
      [1e-3, 'float32'],
    ] as const) {
      const { direction } = await similarityMatrix(steps(size), { dtype });
      expect(() => direction(s, t)).toThrow(expect.objectContaining({ code: 'ZERO_NORM' }));
    }
  });

  it('is a cosine between differences of models', async () => {
    const models = twelveModels(20);
    const { direction } = await similarityMatrix(models);
    const [s, t] = [
      { from: 0, to: 3 },
      { from: 5, to: 1 },
    ];
    const back = ({ from, to }: typeof s) => ({ from: to, to: from });
    expect(direction(s, s)).toBe(1);
    expect(direction(s, back(s))).toBe(-1);
    expect(direction(s, t)).toBe(direction(t, s));
    expect(direction(back(s), t)).toBeCloseTo(-direction(s, t), 14);
    expect(direction(back(s), back(t))).toBeCloseTo(direction(s, t), 14);
  });

  it('finds the direction of linear maps where it is known', async () => {
    const linear = (...data: number[]) =>
      modelOf([{ type: 'linear', weight: { data: Float64Array.from(data), shape: [1, 2] } }]);
    const { direction } = await similarityMatrix([linear(1, 1), linear(2, 1), linear(1, 3), linear(3, 3)]);
    expect(direction({ from: 0, to: 1 }, { from: 0, to: 2 })).toBe(0);
    expect(direction({ from: 0, to: 1 }, { from: 0, to: 3 })).toBeCloseTo(Math.SQRT1_2, 14);
    expect(direction({ from: 0, to: 3 }, { from: 1, to: 2 })).toBeCloseTo(1 / Math.sqrt(10), 14);
  });

  it('is undefined for a step that goes nowhere, and refuses models that are not there', async () => {
    const [a, b] = twelveModels(21);
    const { direction } = await similarityMatrix([a, b, modelOf(a.layers, 'copy')]);
    const step = { from: 0, to: 1 };
    expect(() => direction(step, { from: 1, to: 1 })).toThrow(expect.objectContaining({ code: 'ZERO_NORM' }));
    expect(() => direction({ from: 0, to: 2 }, step)).toThrow(expect.objectContaining({ code: 'ZERO_NORM' }));
    for (const bad of [{ from: 0, to: 3 }, { from: -1, to: 0 }, { from: 0.5, to: 1 }, {} as typeof step]) {
      expect(() => direction(step, bad)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    }
  });
});
