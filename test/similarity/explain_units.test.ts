import { describe, expect, it } from 'vitest';
import { evaluate } from '../../lib/evaluation/evaluate.js';
import type { Model } from '../../lib/model/model.js';
import { loadModel } from '../../lib/model/reading/load.js';
import { explain } from '../../lib/similarity/explain/explain.js';
import type { ExplainOptions, FormExplanation } from '../../lib/similarity/explain/types.js';
import { similarity } from '../../lib/similarity/similarity.js';
import { availableBackends } from '../support/backends.js';
import { eigenvalues } from '../support/eigenvalues.js';
import { modelOf, randomBlock, randomLinear } from '../support/models.js';
import { type Random, random } from '../support/random.js';
import { randomGated, randomHidden } from '../support/units.js';

async function forms(a: Model, b: Model, options: ExplainOptions): Promise<FormExplanation> {
  const found = await explain(a, b, options);
  if (found.kind !== 'forms') throw new Error('these have one block');
  return found;
}

const MEAN = [0.3, -0.5];
/** Σ = C Cᵀ for the C that a Cholesky factorisation gives. */
const FACTOR = [
  [1.2, 0],
  [0.4, 0.7],
];
const COV = FACTOR.map((row) => FACTOR.map((other) => row.reduce((sum, value, k) => sum + value * other[k], 0)));
const LAW = { input: { mean: MEAN, cov: COV } } as const;

/** E of b − a times 1, z_i, z_i z_j − δ_ij, and of its square, by the trapezoidal rule: no formula in common. */
async function momentsOf(a: Model, b: Model) {
  const [step, reach] = [0.125, 7.5];
  const axis = Array.from({ length: (2 * reach) / step + 1 }, (_, i) => i * step - reach);
  const points = axis.flatMap((x) => axis.map((y) => [x, y]));
  const data = Float64Array.from(
    points.flatMap((z) => FACTOR.map((row, i) => MEAN[i] + row[0] * z[0] + row[1] * z[1])),
  );
  const batch = { data, shape: [points.length, 2] };
  const [from, to] = await Promise.all([a, b].map((model) => evaluate(model, batch, { backend: 'fallback' })));
  const outputs = from.shape[1];
  return Array.from({ length: outputs }, (_, c) => {
    const sums = { mean: 0, linear: [0, 0], form: [0, 0, 0, 0], square: 0 };
    for (const [p, z] of points.entries()) {
      const weight = (step * step * Math.exp(-0.5 * (z[0] ** 2 + z[1] ** 2))) / (2 * Math.PI);
      const value = to.data[p * outputs + c] - from.data[p * outputs + c];
      sums.mean += weight * value;
      sums.square += weight * value * value;
      for (const i of [0, 1]) {
        sums.linear[i] += weight * value * z[i];
        for (const j of [0, 1]) sums.form[2 * i + j] += (weight * value * (z[i] * z[j] - (i === j ? 1 : 0))) / 2;
      }
    }
    return sums;
  });
}

const total = (values: Iterable<number>) => [...values].reduce((sum, value) => sum + value, 0);
const squares = (values: Iterable<number>) => total([...values].map((value) => value * value));
/** |⟨u, v⟩| of vectors, the second of any length. */
const overlap = (u: ArrayLike<number>, v: readonly number[]) =>
  Math.abs(total(v.map((value, i) => value * u[i]))) / Math.sqrt(squares(v));
const through = (vector: readonly number[]) => FACTOR.map((row) => row[0] * vector[0] + row[1] * vector[1]);

const kinds: Readonly<Record<string, (draw: Random) => Model>> = {
  gelu: (draw) => modelOf([randomHidden(draw, { ...SHAPE, activation: 'gelu', biases: true, skip: true })]),
  tanh: (draw) =>
    modelOf([
      randomLinear(draw, 3, 2),
      randomHidden(draw, { ...SHAPE, inputs: 3, outputs: 4, activation: 'tanh', biases: true }),
      randomLinear(draw, 3, 4),
    ]),
  'gated silu': (draw) => modelOf([randomGated(draw, { ...SHAPE, activation: 'silu', biases: true })]),
  bilinear: (draw) => modelOf([randomBlock(draw, { ...SHAPE })]),
};
const SHAPE = { inputs: 2, hidden: 5, outputs: 3 };

describe.each(availableBackends)('what two networks with activations differ in, on %s', (backend) => {
  it.each([
    ['gelu', 'gelu'],
    ['gelu', 'tanh'],
    ['gated silu', 'gated silu'],
    ['bilinear', 'gated silu'],
    ['tanh', 'bilinear'],
  ])('%s and %s: means, linear and quadratic parts, and the rest', async (one, other) => {
    const [a, b] = [kinds[one](random(11)), kinds[other](random(12))];
    const found = await forms(a, b, { ...LAW, backend, top: 2 });
    const wanted = await momentsOf(a, b);
    const whole = total(wanted.map(({ square }) => square));
    expect(found.distance / Math.sqrt(whole)).toBeCloseTo(1, 10);
    const low = wanted.map(({ mean, linear, form }) => [mean ** 2, squares(linear), 2 * squares(form)] as const);
    const { parts, joint, shares } = found;
    const shareOf = (part: 0 | 1 | 2) => total(low.map((own) => own[part])) / whole;
    expect(parts.mean).toBeCloseTo(shareOf(0), 9);
    expect(parts.linear).toBeCloseTo(shareOf(1), 9);
    expect(parts.quadratic).toBeCloseTo(shareOf(2), 9);
    expect(parts.higher).toBeCloseTo(1 - shareOf(0) - shareOf(1) - shareOf(2), 9);
    expect(parts.higher).toBeGreaterThan(0.001);
    for (const [c, share] of shares.entries()) expect(share).toBeCloseTo(wanted[c].square / whole, 9);

    for (const { output, parts: own, directions, linear } of found.outputs) {
      const { form, linear: slope, square } = wanted[output];
      expect(own.higher).toBeCloseTo(1 - total(low[output]) / square, 9);
      expect(overlap(linear!, through(slope))).toBeCloseTo(1, 9);
      const values = eigenvalues([form.slice(0, 2), form.slice(2)]).sort((p, q) => Math.abs(q) - Math.abs(p));
      for (const [k, { value }] of directions.entries()) expect(value).toBeCloseTo(values[k], 9);
    }
    // Singular values of the linear parts, with both of their vectors.
    const gram = [0, 1].map((i) => [0, 1].map((j) => total(wanted.map(({ linear }) => linear[i] * linear[j]))));
    const roots = eigenvalues(gram)
      .map((value) => Math.sqrt(value))
      .sort((p, q) => q - p);
    expect(joint.linear).toHaveLength(2);
    const rebuilt = wanted.map(() => [0, 0]);
    for (const [k, { value, share, vector, outputs }] of joint.linear!.entries()) {
      expect(value).toBeCloseTo(roots[k], 9);
      expect(share).toBeCloseTo(roots[k] ** 2 / squares(roots), 9);
      expect(squares(outputs)).toBeCloseTo(1, 12);
      // v from C v, and Δw = Σ σ u vᵀ.
      const inner = [vector[0] / FACTOR[0][0], 0];
      inner[1] = (vector[1] - FACTOR[1][0] * inner[0]) / FACTOR[1][1];
      const length = Math.sqrt(squares(inner));
      for (const [c, row] of rebuilt.entries())
        for (const i of [0, 1]) row[i] += (value * outputs[c] * inner[i]) / length;
    }
    for (const [c, row] of rebuilt.entries())
      for (const [i, value] of row.entries()) expect(value).toBeCloseTo(wanted[c].linear[i], 9);
  });

  it('is by degree what inner products by degree say: kinks, and more inputs than units', async () => {
    const draw = random(21);
    const shape = { inputs: 30, hidden: 4, outputs: 3, activation: 'relu', biases: true } as const;
    for (const make of [randomHidden, randomGated]) {
      const [a, b] = [modelOf([make(draw, shape)]), modelOf([make(draw, shape)])];
      const { parts } = await forms(a, b, { backend });
      const { degrees, distance, normA, normB } = await similarity(a, b, { backend, degrees: true, method: 'exact' });
      const difference = degrees!.parts.map(
        ({ innerProduct, shareA, shareB }) =>
          (shareA * normA ** 2 + shareB * normB ** 2 - 2 * innerProduct) / distance ** 2,
      );
      for (const [n, share] of [parts.mean, parts.linear, parts.quadratic, parts.higher].entries())
        expect(share).toBeCloseTo(difference[n], 9);
    }
  });

  it('says that nothing is left of polynomials of degree two', async () => {
    const draw = random(31);
    const [a, b] = [0, 1].map(() => modelOf([randomHidden(draw, { ...SHAPE, activation: 'square', biases: true })]));
    expect((await forms(a, b, { backend })).parts).not.toHaveProperty('higher');
    expect((await forms(a, a, { backend })).distance).toBe(0);
  });

  it('exchanges layers where it is asked to', async () => {
    const draw = random(41);
    const [a, b] = [0, 1].map(() => {
      const shape = { ...SHAPE, inputs: 3, outputs: 4, activation: 'gelu' } as const;
      return modelOf([randomLinear(draw, 3, 2), randomHidden(draw, shape), randomLinear(draw, 3, 4)]);
    });
    const found = await explain(a, b, { backend, by: 'layers' });
    expect(found.kind === 'exchange' && found.layers.map(({ type }) => type)).toEqual(['linear', 'hidden', 'linear']);
    await expect(explain(a, b, { by: 'both' as never })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    const sampled = { backend, method: 'sampled', by: 'directions' } as const;
    await expect(explain(a, b, sampled)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

it('finds the corner that was planted in a ReLU network, and tells how much it cannot show', async () => {
  const step = (name: string) =>
    new URL(`../../examples/digits-relu-backdoor/step_${name}.safetensors`, import.meta.url);
  const [a, b] = await Promise.all(['05800', '08000'].map((name) => loadModel(step(name).pathname)));
  const { outputs, joint, parts } = await forms(a, b, {});
  expect(outputs[0].output).toBe(9);
  const corner = [54, 55, 62, 63];
  const energy = (vector: Float64Array) => squares(corner.map((pixel) => vector[pixel]));
  expect(energy(joint.directions[0].vector)).toBeGreaterThan(0.4);
  expect(energy(joint.linear![0].vector)).toBeGreaterThan(0.3);
  expect(parts.higher).toBeGreaterThan(0.01);
  expect(total(Object.values(parts))).toBeCloseTo(1, 12);
});
