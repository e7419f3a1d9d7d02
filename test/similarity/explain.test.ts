import { describe, expect, it } from 'vitest';
import { evaluate } from '../../lib/evaluation/evaluate.js';
import type { Model } from '../../lib/model/model.js';
import { loadModel } from '../../lib/model/reading/load.js';
import { explain } from '../../lib/similarity/explain/explain.js';
import type { ExplainOptions, FormExplanation } from '../../lib/similarity/explain/types.js';
import { similarity } from '../../lib/similarity/similarity.js';
import { step } from '../cli/run.js';
import { availableBackends } from '../support/backends.js';
import { eigenvalues } from '../support/eigenvalues.js';
import { blockModel, modelOf, randomBlock, randomChain, randomLinear, sequenceModel } from '../support/models.js';
import { type Random, random } from '../support/random.js';

type Rows = number[][];

/** z ↦ x = μ + C z. */
interface Whitening {
  readonly mean: readonly number[];
  readonly factor: Rows;
}

const standard = (inputs: number): Whitening => ({
  mean: new Array<number>(inputs).fill(0),
  factor: Array.from({ length: inputs }, (_, i) => Array.from({ length: inputs }, (_, j) => (i === j ? 1 : 0))),
});

/**
 * ΔB_c, Δw_c and Δe_c of b − a by running the models at 0, e_i and e_i + e_j: no formula in common with what is tested.
 */
async function denseForms(a: Model, b: Model, { mean, factor }: Whitening) {
  const inputs = mean.length;
  const size = factor[0].length;
  const points: number[][] = [];
  const add = (...axes: number[]) => points.push(axes);
  add();
  for (let i = 0; i < size; i++) add(i);
  for (let i = 0; i < size; i++) for (let j = 0; j <= i; j++) add(i, j);
  const data = Float64Array.from(
    points.flatMap((axes) => mean.map((value, x) => axes.reduce((sum, k) => sum + factor[x][k], value))),
  );
  const batch = { data, shape: [points.length, inputs] };
  const [from, to] = await Promise.all([a, b].map((model) => evaluate(model, batch, { backend: 'fallback' })));
  const outputs = from.shape[1];
  return Array.from({ length: outputs }, (_, c) => {
    const f = (point: number) => to.data[point * outputs + c] - from.data[point * outputs + c];
    const at = (i: number, j: number) => f(1 + size + (i * (i + 1)) / 2 + j);
    const form = Array.from({ length: size }, (_, i) =>
      Array.from({ length: size }, (_, j) => (at(Math.max(i, j), Math.min(i, j)) - f(1 + i) - f(1 + j) + f(0)) / 2),
    );
    return { form, linear: form.map((row, i) => f(1 + i) - f(0) - row[i]), constant: f(0) };
  });
}

const sum = (values: Iterable<number>) => [...values].reduce((total, value) => total + value, 0);
const square = (rows: Rows) => sum(rows.flat().map((value) => value * value));
const times = (rows: Rows, vector: ArrayLike<number>) =>
  rows.map((row) => row.reduce((total, value, j) => total + value * vector[j], 0));
const unit = (vector: readonly number[]) => {
  const length = Math.sqrt(sum(vector.map((value) => value * value)));
  return vector.map((value) => value / length);
};
const byMagnitude = (values: readonly number[]) => [...values].sort((p, q) => Math.abs(q) - Math.abs(p));
/** |⟨u, v⟩| of unit vectors. */
const overlap = (u: ArrayLike<number>, v: ArrayLike<number>) =>
  Math.abs(sum(Array.from(u, (value, i) => value * v[i])));

async function forms(a: Model, b: Model, options: ExplainOptions): Promise<FormExplanation> {
  const found = await explain(a, b, options);
  if (found.kind !== 'forms') throw new Error('these have one block');
  return found;
}

/** Compares an explanation with dense forms to 1e-10 of what they are made of. */
async function checkForms(a: Model, b: Model, options: ExplainOptions, whitening: Whitening): Promise<void> {
  const found = await forms(a, b, { top: 3, ...options });
  const wanted = await denseForms(a, b, whitening);
  const { factor } = whitening;
  const scale = found.normA + found.normB;
  const squares = wanted.map(
    ({ form, linear, constant }) =>
      2 * square(form) + sum(linear.map((w) => w * w)) + (constant + sum(form.map((row, i) => row[i]))) ** 2,
  );
  expect(Math.abs(found.distance - Math.sqrt(sum(squares)))).toBeLessThan(1e-10 * scale);
  for (const [c, share] of found.shares.entries()) expect(share).toBeCloseTo(squares[c] / sum(squares), 9);
  expect(sum(Object.values(found.parts))).toBeCloseTo(1, 12);
  expect(found.parts.linear).toBeCloseTo(
    sum(wanted.flatMap(({ linear }) => linear.map((w) => w * w))) / sum(squares),
    9,
  );

  const joint = factor[0].map((_, p) =>
    factor[0].map((_, q) => sum(wanted.map(({ form }) => sum(form.map((row) => row[p] * row[q]))))),
  );
  checkDirections(found.joint.directions, joint, 1);
  const moment = joint.map((row, p) =>
    row.map((value, q) => 4 * value + sum(wanted.map(({ linear }) => linear[p] * linear[q]))),
  );
  const energy = factor.map((row) => sum(times(moment, row).map((value, p) => value * row[p])));
  for (const [i, value] of found.joint.energy.entries()) expect(value).toBeCloseTo(energy[i] / sum(energy), 9);

  for (const { output, share, directions, linear, parts } of found.outputs) {
    expect(share).toBe(found.shares[output]);
    expect(parts.quadratic).toBeCloseTo((2 * square(wanted[output].form)) / squares[output], 9);
    checkDirections(directions, wanted[output].form, 2);
    if (linear !== null) expect(overlap(linear, unit(times(factor, wanted[output].linear)))).toBeCloseTo(1, 9);
  }

  function checkDirections(directions: FormExplanation['joint']['directions'], form: Rows, power: number): void {
    const values = byMagnitude(eigenvalues(form));
    const norm = Math.abs(values[0]);
    const whole = sum(values.map((value) => Math.abs(value) ** power));
    expect(directions.length).toBe(Math.min(3, values.filter((value) => Math.abs(value) > 1e-10 * norm).length));
    for (const [k, { value, share, vector }] of directions.entries()) {
      expect(Math.abs(value - values[k])).toBeLessThan(1e-10 * norm);
      expect(share).toBeCloseTo(Math.abs(values[k]) ** power / whole, 9);
      expect(sum(vector.map((entry) => entry * entry))).toBeCloseTo(1, 12);
      // ΔB v = λ v for v with C v = vector; where C is the identity that is seen at once.
      if (isIdentity(factor)) {
        for (const [i, image] of times(form, vector).entries())
          expect(Math.abs(image - value * vector[i])).toBeLessThan(1e-10 * norm);
      }
    }
  }
}

const isIdentity = (rows: Rows) => rows.every((row, i) => row.every((value, j) => value === (i === j ? 1 : 0)));

/** A network close to another: every weight turned by a little. */
function near(model: Model, draw: Random, by: number): Model {
  return modelOf(
    model.layers.map((layer) =>
      Object.fromEntries(
        Object.entries(layer).map(([name, part]) => [
          name,
          part?.data instanceof Float64Array
            ? { ...part, data: part.data.map((value: number) => value * (1 + by * draw.normal())) }
            : part,
        ]),
      ),
    ) as never,
    'near',
  );
}

describe.each(availableBackends)('explain on %s', (backend) => {
  const shape = { inputs: 11, hidden: 3, outputs: 4 };

  it('finds the eigenpairs of a dense solver, where the rows of both models span the inputs', async () => {
    const draw = random(1);
    const wide = { ...shape, hidden: 7 };
    await checkForms(blockModel(draw, wide, 'a'), blockModel(draw, wide, 'b'), { backend }, standard(11));
  });

  it('and where they do not', async () => {
    const draw = random(2);
    await checkForms(
      blockModel(draw, { ...shape, hidden: 1 }, 'a'),
      blockModel(draw, { ...shape, hidden: 2 }, 'b'),
      { backend },
      standard(11),
    );
    const few = { inputs: 30, hidden: 5, outputs: 3 };
    await checkForms(blockModel(draw, few, 'a'), blockModel(draw, few, 'b'), { backend }, standard(30));
  });

  it.each([1e-3, 1e-6, 1e-9])('of two checkpoints that differ by %s', async (by) => {
    const draw = random(3);
    const a = blockModel(draw, { inputs: 40, hidden: 6, outputs: 3 }, 'a');
    const b = near(a, draw, by);
    // What is left of the digits of a difference that small, in the oracle as in the forms themselves.
    const digits = 1e-13 / by;
    const found = await forms(a, b, { backend, top: 2 });
    const wanted = await denseForms(a, b, standard(40));
    for (const { output, directions } of found.outputs) {
      const values = byMagnitude(eigenvalues(wanted[output].form));
      for (const [k, { value, vector }] of directions.entries()) {
        expect(Math.abs(value - values[k])).toBeLessThan(digits * Math.abs(values[0]));
        for (const [i, image] of times(wanted[output].form, vector).entries())
          expect(Math.abs(image - value * vector[i])).toBeLessThan(digits * Math.abs(values[0]));
      }
    }
  });

  it('with biases, residuals and layers around the block', async () => {
    for (let seed = 0; seed < 12; seed++) {
      const draw = random(100 + seed);
      const flag = () => draw.uniform() < 0.5;
      const traits = {
        before: draw.integer(0, 2),
        after: draw.integer(0, 2),
        block: seed % 4 !== 0,
        biases: flag(),
        residual: flag(),
        down: flag(),
      };
      const [a, b] = [randomChain(draw, 6, 3, traits), randomChain(draw, 6, 3, { ...traits, block: true })];
      await checkForms(a, b, { backend }, standard(6));
    }
  });

  it('under another law, in the directions in which the input moves', async () => {
    const draw = random(5);
    const block = { inputs: 6, hidden: 2, outputs: 2, biases: true };
    const [a, b] = [blockModel(draw, block, 'a'), blockModel(draw, block, 'b')];
    const factor = Array.from({ length: 6 }, (_, i) =>
      Array.from({ length: 6 }, (_, j) => (j <= i ? draw.normal() : 0)),
    );
    const mean = Array.from({ length: 6 }, () => draw.normal());
    const cov = factor.map((row) => factor.map((other) => sum(row.map((value, k) => value * other[k]))));
    // Any C with C Cᵀ = Σ gives the same eigenvalues and the same C v.
    const found = await forms(a, b, { backend, input: { mean, cov } });
    const wanted = await denseForms(a, b, { mean, factor });
    for (const { output, directions } of found.outputs) {
      const values = byMagnitude(eigenvalues(wanted[output].form));
      for (const [k, { value }] of directions.entries()) expect(value).toBeCloseTo(values[k], 9);
      const [{ value, vector }] = directions;
      // C v solves Σ-weighted equations: C ΔB Cᵀ Σ⁻¹ (C v) = λ C v; multiply out with v found by C's triangle.
      const v: number[] = [];
      for (let i = 0; i < 6; i++) v.push((vector[i] - sum(v.map((entry, k) => factor[i][k] * entry))) / factor[i][i]);
      for (const [i, image] of times(wanted[output].form, v).entries()) expect(image).toBeCloseTo(value * v[i], 8);
    }
    await checkForms(a, b, { backend, input: { mean } }, { ...standard(6), mean });
    const scaled = await forms(a, b, { backend, input: { sigma: 3 } });
    const plain = await denseForms(a, b, {
      ...standard(6),
      factor: standard(6).factor.map((row) => row.map((value) => 3 * value)),
    });
    for (const { output, directions } of scaled.outputs)
      expect(directions[0].value).toBeCloseTo(byMagnitude(eigenvalues(plain[output].form))[0], 8);
  });

  it('agrees with the distance that similarity gives, over positions too', async () => {
    const draw = random(6);
    const layers = () => [
      randomLinear(draw, 5, 8),
      randomBlock(draw, { inputs: 5, hidden: 4, outputs: 5, residual: [0.5, 2] }),
    ];
    const [a, b] = [sequenceModel(3, layers(), 'a'), sequenceModel(3, layers(), 'b')];
    const [found, wanted] = [await forms(a, b, { backend }), await similarity(a, b, { backend })];
    expect(found.distance).toBeCloseTo(wanted.distance, 10);
    expect(found.similarity).toBe(wanted.similarity);
  });

  it('shows nothing where two ways to write one function differ by rounding', async () => {
    const draw = random(7);
    const block = randomBlock(draw, shape);
    const a = modelOf([block], 'a');
    const b = modelOf([{ ...block, left: block.right, right: block.left }], 'b');
    expect(await forms(a, b, { backend })).toMatchObject({ distance: 0, outputs: [], joint: { directions: [] } });
    expect(await forms(a, a, { backend })).toMatchObject({ similarity: 1, distance: 0, outputs: [] });
  });

  it('does not mind how a unit divides its length among L, R and D', async () => {
    const draw = random(8);
    const block = randomBlock(draw, { inputs: 30, hidden: 4, outputs: 2 });
    const b = blockModel(draw, { inputs: 30, hidden: 4, outputs: 2 }, 'b');
    const stretched = (data: ArrayLike<number>, by: number) =>
      Float64Array.from(data, (value, i) => (i < 30 ? value * by : value));
    const scaled = {
      ...block,
      left: { ...block.left, data: stretched(block.left.data, 1e12) },
      right: { ...block.right, data: stretched(block.right.data, 1e-12) },
    };
    const [found, wanted] = [
      await forms(modelOf([scaled], 'a'), b, { backend }),
      await forms(modelOf([block], 'a'), b, { backend }),
    ];
    for (const [i, { directions }] of found.outputs.entries()) {
      expect(directions[0].value).toBeCloseTo(wanted.outputs[i].directions[0].value, 10);
      expect(overlap(directions[0].vector, wanted.outputs[i].directions[0].vector)).toBeCloseTo(1, 10);
    }
  });

  it('gives the outputs and as many directions as asked for, a zero unit and all', async () => {
    const draw = random(9);
    const block = randomBlock(draw, shape);
    const zeroed = { ...block, left: { ...block.left, data: Float64Array.from(block.left.data).fill(0, 0, 11) } };
    const [a, b] = [
      modelOf([zeroed], 'a'),
      modelOf([{ ...block, down: { ...block.down!, data: Float64Array.from(block.down!.data, (v) => 2 * v) } }], 'b'),
    ];
    const found = await forms(a, b, { backend, top: 2, outputs: [3, 1] });
    expect(found.outputs.map(({ output }) => output).sort()).toEqual([1, 3]);
    expect(found.outputs[0].share).toBeGreaterThanOrEqual(found.outputs[1].share);
    expect(found.outputs.map(({ directions }) => directions.length)).toEqual([2, 2]);
    expect(found.shares).toHaveLength(4);
    const many = await forms(
      blockModel(draw, { inputs: 3, hidden: 2, outputs: 40 }, 'a'),
      blockModel(draw, { inputs: 3, hidden: 2, outputs: 40 }, 'b'),
      { backend },
    );
    expect(many.outputs).toHaveLength(16);
    expect(sum(many.shares)).toBeCloseTo(1, 12);
  });

  it('shows the planted corner of the example', async () => {
    const [before, after] = await Promise.all([6000, 8000].map((number) => loadModel(step(number))));
    const found = await forms(before, after, { backend });
    expect(found.outputs[0].output).toBe(9);
    const corner = ({ vector }: { vector: Float64Array }) => sum([54, 55, 62, 63].map((pixel) => vector[pixel] ** 2));
    expect(corner(found.outputs[0].directions[0])).toBeGreaterThan(0.45);
    expect(corner(found.joint.directions[0])).toBeGreaterThan(0.5);
    // More of what is there makes the output larger.
    expect(found.outputs[0].directions[0].value).toBeGreaterThan(0);
  });

  it('exchanges the layers of deeper models', async () => {
    const draw = random(10);
    const layers = [
      randomLinear(draw, 4, 6),
      randomBlock(draw, { inputs: 4, hidden: 3, outputs: 4, residual: [1, 0.5] }),
      randomBlock(draw, { inputs: 4, hidden: 3, outputs: 2 }),
    ];
    const changed = [layers[0], randomBlock(draw, { inputs: 4, hidden: 3, outputs: 4, residual: [1, 0.5] }), layers[2]];
    const [a, b] = [modelOf(layers, 'a'), modelOf(changed, 'b')];
    const found = await explain(a, b, { backend });
    if (found.kind !== 'exchange') throw new Error('these have two blocks');
    expect(found.similarity).toBeCloseTo((await similarity(a, b, { backend })).similarity, 12);
    expect(found.layers.map(({ layer, type }) => `${layer} ${type}`)).toEqual(['1 linear', '2 bilinear', '3 bilinear']);
    const [first, second, third] = found.layers;
    // Only the second differs: with it, one becomes the other; with any other, nothing changes.
    for (const same of [first, third]) {
      expect(same.change).toBeLessThan(1e-12);
      expect(same.intoA.toB).toBeCloseTo(found.similarity, 10);
    }
    expect(second.intoA.toB).toBeCloseTo(1, 10);
    expect(second.intoB.toA).toBeCloseTo(1, 10);
    expect(second.change).toBeCloseTo(1 - found.similarity, 10);
    const closure = await explain(a, b, { backend, method: 'closure', measure: 'gaussian', input: { sigma: 0.5 } });
    expect(closure).toMatchObject({ kind: 'exchange', method: 'closure', exact: false, input: 'sigma=0.5' });
  });
});

describe('explain', () => {
  const draw = random(11);
  const one = blockModel(draw, { inputs: 4, hidden: 3, outputs: 2 }, 'one');
  const two = modelOf(
    [randomBlock(draw, { inputs: 4, hidden: 3, outputs: 4 }), randomBlock(draw, { inputs: 4, hidden: 3, outputs: 2 })],
    'two',
  );

  it.each<[string, Model, ExplainOptions, string, RegExp]>([
    ['no directions', one, { top: 0 }, 'INVALID_ARGUMENT', /"top" is 0/],
    ['an output that is not there', one, { outputs: [2] }, 'INVALID_ARGUMENT', /no output 2.*0 to 1/],
    ['an output twice', one, { outputs: [1, 1] }, 'INVALID_ARGUMENT', /twice/],
    ['a measure without forms', one, { measure: 'weights' }, 'INVALID_ARGUMENT', /"weights"/],
    ['directions of deeper models', two, { outputs: [0] }, 'INVALID_ARGUMENT', /layer by layer/],
    ['an unknown option', one, { colour: true } as never, 'INVALID_ARGUMENT', /"colour"/],
  ])('refuses %s', async (_, model, options, code, message) => {
    const other = model === one ? blockModel(draw, { inputs: 4, hidden: 2, outputs: 2 }, 'other') : two;
    await expect(explain(model, other, options)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });

  it('refuses what cannot be compared', async () => {
    await expect(explain(one, two)).rejects.toMatchObject({
      code: 'SHAPE_MISMATCH',
      message: expect.stringContaining('no layers to exchange'),
    });
    const narrow = blockModel(draw, { inputs: 3, hidden: 3, outputs: 2 }, 'narrow');
    await expect(explain(one, narrow)).rejects.toMatchObject({ code: 'SHAPE_MISMATCH' });
    await expect(explain('file.safetensors' as never, one)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('stops when aborted', async () => {
    const large = { inputs: 500, hidden: 60, outputs: 12 };
    const [a, b] = [blockModel(draw, large, 'a'), blockModel(draw, large, 'b')];
    for (const backend of availableBackends) {
      const aborter = new AbortController();
      const running = explain(a, b, {
        backend,
        signal: aborter.signal,
        onProgress: () => aborter.abort(new Error('enough')),
      });
      await expect(running).rejects.toThrow('enough');
    }
  });
});
