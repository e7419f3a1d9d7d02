import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Model } from '../../lib/model/model.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import { similarity } from '../../lib/similarity/similarity.js';
import { DEGREE_NAMES, type Degrees } from '../../lib/similarity/terms/degrees.js';
import type { SimilarityOptions } from '../../lib/similarity/terms/types.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { availableBackends } from '../support/backends.js';
import { hermite } from '../support/hermite.js';
import { blockModel, modelOf, randomBlock, randomLinear } from '../support/models.js';
import { evaluate } from '../support/oracles.js';
import { random } from '../support/random.js';

const folder = temporaryFolder();
const INPUTS = 3;
/** E f(μ + σ z) h(z), exact up to degree 9 in every coordinate. */
const { nodes, weights } = hermite(5);

/** The coefficients of degrees 0, 1 and 2 of every output in orthonormal Hermite polynomials of z. */
function coefficients(model: Model, mean: readonly number[], sigma: number): number[][] {
  const sums: number[][] = [[], [], []];
  for (let index = 0; index < 5 ** INPUTS; index++) {
    const digits = mean.map((_, i) => Math.floor(index / 5 ** i) % 5);
    const z = digits.map((digit) => nodes[digit]);
    const weight = digits.reduce((product, digit) => product * weights[digit], 1);
    const y = evaluate(
      model,
      z.map((value, i) => mean[i] + sigma * value),
    );
    const add = (degree: number, place: number, value: number) => {
      for (const [c, output] of y.entries()) {
        const at = place * y.length + c;
        sums[degree][at] = (sums[degree][at] ?? 0) + weight * output * value;
      }
    };
    add(0, 0, 1);
    let place = 0;
    for (let i = 0; i < INPUTS; i++) {
      add(1, i, z[i]);
      for (let j = 0; j <= i; j++) add(2, place++, i === j ? (z[i] ** 2 - 1) / Math.SQRT2 : z[i] * z[j]);
    }
  }
  return sums;
}

const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, value, i) => sum + value * b[i], 0);

function expected(a: Model, b: Model, mean: readonly number[], sigma: number): number[][] {
  const [f, g] = [coefficients(a, mean, sigma), coefficients(b, mean, sigma)];
  return f.map((part, n) => [dot(part, part), dot(part, g[n]), dot(g[n], g[n])]);
}

function check({ parts, centred }: Degrees, products: readonly (readonly number[])[], tolerance: number): void {
  const [a, b] = [0, 2].map((at) => products.reduce((sum, part) => sum + part[at], 0));
  for (const [n, [aa, ab, bb]] of products.entries()) {
    expect(Math.abs(parts[n].innerProduct - ab)).toBeLessThan(tolerance * Math.sqrt(a * b));
    expect(Math.abs(parts[n].shareA - aa / a)).toBeLessThan(tolerance);
    expect(Math.abs(parts[n].shareB - bb / b)).toBeLessThan(tolerance);
    if (aa > 1e-9 * a && bb > 1e-9 * b)
      expect(Math.abs(parts[n].similarity! - ab / Math.sqrt(aa * bb))).toBeLessThan(100 * tolerance);
  }
  const rest = [0, 1, 2].map((at) => products[1][at] + products[2][at]);
  expect(Math.abs(centred! - rest[1] / Math.sqrt(rest[0] * rest[2]))).toBeLessThan(100 * tolerance);
  expect(parts[3]).toMatchObject({ name: 'higher', similarity: null, shareA: 0, shareB: 0 });
}

const draw = random(11);
const shape = { inputs: INPUTS, hidden: 4, outputs: 2, biases: true };
const one = modelOf([randomBlock(draw, shape), randomLinear(draw, 2, 2)], 'one');
const two = modelOf([randomLinear(draw, INPUTS, INPUTS), randomBlock(draw, shape)], 'two');
const flat = modelOf([randomLinear(draw, 2, INPUTS)], 'flat');

describe.each(availableBackends)('degrees on %s', (backend) => {
  it.each([
    { dtype: 'float64', tolerance: 1e-13 },
    { dtype: 'float32', tolerance: 1e-6 },
  ] as const)('are those of quadrature in $dtype, by every route and law', async ({ dtype, tolerance }) => {
    for (const route of ['factor', 'dense'] as const) {
      const plain = await similarity(one, two, { backend, dtype, route });
      check(plain.degrees!, expected(one, two, [0, 0, 0], 1), tolerance);
    }
    const mean = [0.5, -1, 2];
    const cov = { data: Float64Array.of(0.49, 0, 0, 0, 0.49, 0, 0, 0, 0.49), shape: [INPUTS, INPUTS] };
    const other = await similarity(one, flat, { backend, dtype, input: { mean, cov } });
    const products = expected(one, flat, mean, 0.7);
    check(other.degrees!, products, tolerance);
    expect(other.degrees!.parts[2].similarity).toBeNull();
  });

  it('leave the similarity as it is, to the bit, and add up to it', async () => {
    for (const options of [{}, { perOutput: true }, { dtype: 'float32' }] satisfies SimilarityOptions[]) {
      const without = await similarity(one, two, { ...options, backend, degrees: false });
      const { degrees, ...found } = await similarity(one, two, { ...options, backend });
      expect(without).not.toHaveProperty('degrees');
      expect(found).toEqual(without);
      const total = degrees!.parts.reduce((sum, { innerProduct }) => sum + innerProduct, 0);
      expect(total).toBeCloseTo(found.innerProduct, 5);
    }
  });

  it('of a matrix are those of its pairs, beside its outputs', async () => {
    const models = [one, two, flat];
    const matrix = await similarityMatrix(models, { backend, degrees: true, perOutput: true });
    const plain = await similarityMatrix(models, { backend, perOutput: true });
    expect(matrix.cosine).toEqual(plain.cosine);
    expect(matrix.perOutput).toEqual(plain.perOutput);
    expect(plain).not.toHaveProperty('degrees');
    const { names, cosine, gram, centred, rowShares, columnShares } = matrix.degrees!;
    expect(names).toEqual(DEGREE_NAMES);
    expect(columnShares).toEqual(rowShares);
    for (const [i, a] of models.entries()) {
      for (const [j, b] of models.entries()) {
        const { degrees } = await similarity(a, b, { backend });
        for (const [n, part] of degrees!.parts.entries()) {
          expect(gram[n][i][j]).toBeCloseTo(part.innerProduct, 9);
          expect(rowShares[n][i]).toBeCloseTo(part.shareA, 9);
          if (part.similarity === null) expect(cosine[n][i][j]).toBeNaN();
          else expect(cosine[n][i][j]).toBeCloseTo(part.similarity, 9);
        }
        expect(centred[i][j]).toBeCloseTo(degrees!.centred!, 9);
      }
    }
  });

  it('of a matrix survive an interruption in its state file, which is of its own setting', async () => {
    const state = join(folder, `${backend}.state`);
    rmSync(state, { force: true });
    const options = { backend, degrees: true, state } as const;
    const first = await similarityMatrix([one, two], options);
    const more = await similarityMatrix([one, two, flat], options);
    expect(more.work.reused).toBe(3);
    expect(more.degrees!.gram.map((matrix) => matrix[0][1])).toEqual(first.degrees!.gram.map((matrix) => matrix[0][1]));
    const without = await similarityMatrix([one, two, flat], { backend, state });
    expect(without.work.reused).toBe(0);
    rmSync(state);
  });

  it('of a window are there within it only, and rows against columns have them too', async () => {
    const banded = await similarityMatrix([one, two, flat], { backend, degrees: true, consecutive: true });
    expect(banded.degrees!.centred[0][2]).toBeNaN();
    expect(banded.degrees!.centred[0][1]).not.toBeNaN();
    const cross = await similarityMatrix([one, two, flat], { backend, degrees: true, rows: [0], columns: [1, 2] });
    expect(cross.degrees!.centred[0]).toHaveLength(2);
    expect(cross.degrees!.columnShares[2][1]).toBe(0);
  });

  it('of networks far from the range of ordinary numbers are the same', async () => {
    const scaled = (model: Model, factor: number) =>
      modelOf([
        ...model.layers,
        { type: 'linear', weight: { data: Float64Array.of(factor, 0, 0, factor), shape: [2, 2] } },
      ]);
    const usual = await similarity(one, two, { backend });
    const far = await similarity(scaled(one, 2 ** 700), scaled(two, 2 ** -700), { backend });
    expect(far.degrees).toEqual(usual.degrees);
  });
});

describe('degrees', () => {
  const deep = modelOf([randomBlock(draw, shape), randomBlock(draw, { ...shape, inputs: 2 })]);
  it.each([
    ['the measure "weights"', [one, one], { measure: 'weights' }],
    ['the measure "tensor"', [one, one], { measure: 'tensor' }],
    ['sampling', [one, two], { method: 'sampled' }],
    ['two blocks', [deep, deep], {}],
  ] as const)('are refused where they are not known: %s', async (_, [a, b], options) => {
    await expect(similarity(a, b, { ...options, degrees: true })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(similarityMatrix([a, b], { ...options, degrees: true })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    const plain = await similarity(a, b, { ...options, maxSamples: 2048 });
    expect(plain).not.toHaveProperty('degrees');
  });

  it('of functions without a constant are centred as they are', async () => {
    const { degrees, similarity: all } = await similarity(flat, flat, {});
    expect(all).toBe(1);
    expect(degrees!.centred).toBe(1);
    const odd = blockModel(draw, { inputs: INPUTS, hidden: 3, outputs: 1 });
    const linear = modelOf([{ type: 'linear', weight: { data: Float64Array.of(1, 2, 3), shape: [1, 3] } }]);
    const { degrees: mixed } = await similarity(odd, linear, {});
    expect(mixed!.parts.map((part) => part.similarity)).toEqual([null, null, null, null]);
  });
});
