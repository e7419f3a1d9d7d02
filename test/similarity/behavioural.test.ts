import { describe, expect, test } from 'vitest';
import { createModel } from '../../lib/model/create.js';
import type { Model } from '../../lib/model/model.js';
import { compareJson, matrixJson, matrixJsonText } from '../../lib/report/json.js';
import { matrixText } from '../../lib/report/matrix_text.js';
import { compareText } from '../../lib/report/text.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import { similarity } from '../../lib/similarity/similarity.js';
import { tensor } from '../../lib/tensor/tensor.js';
import { availableBackends } from '../support/backends.js';
import { modelOf, randomAttention, randomBlock, randomLinear, randomTensor } from '../support/models.js';
import { evaluateSequence, product, type Rows, transposed } from '../support/oracles.js';
import { random } from '../support/random.js';

const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, value, i) => sum + value * b[i], 0);
const cosineOf = (a: readonly number[], b: readonly number[]) => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
const largest = (row: readonly number[]) => row.indexOf(Math.max(...row));
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

function cka(x: Rows, y: Rows): number {
  const centre = (rows: Rows) => {
    const means = rows[0].map((_, c) => mean(rows.map((row) => row[c])));
    return rows.map((row) => row.map((value, c) => value - means[c]));
  };
  const squares = (a: Rows, b: Rows) =>
    mean(
      product(transposed(a), b)
        .flat()
        .map((value) => value ** 2),
    );
  const [a, b] = [centre(x), centre(y)];
  const size = (rows: Rows) => rows[0].length;
  return (squares(a, b) * size(a) * size(b)) / Math.sqrt(squares(a, a) * size(a) ** 2 * squares(b, b) * size(b) ** 2);
}

/** Two token models with attention, of `outputs` outputs. */
function pair(outputs: number) {
  const draw = random(outputs);
  const make = () =>
    createModel({
      layers: [
        randomLinear(draw, 4, 6, false),
        randomAttention(draw, {
          inputs: 4,
          outputs: 4,
          heads: 2,
          size: 4,
          biases: true,
          residual: [1, 0.5],
          mask: 'causal',
          rotaryBase: 100,
        }),
        randomBlock(draw, { inputs: 4, hidden: 5, outputs: 4, residual: [0.5, 0.5] }),
        randomLinear(draw, outputs, 4),
      ],
      positions: 3,
      label: `model ${draw.integer(0, 999)}`,
    });
  const inputs = Array.from({ length: 9 }, () => [draw.integer(0, 5), draw.integer(0, 5), draw.integer(0, 5)]);
  return { a: make(), b: make(), inputs };
}

describe.each(availableBackends)('behavioural on %s', (backend) => {
  // 27 places: fewer outputs, then more, which CKA computes by another form.
  test.each([5, 40])('is the mean cosine, the agreement and CKA as defined, with %s outputs', async (outputs) => {
    const { a, b, inputs } = pair(outputs);
    const onehot = (token: number) => Array.from({ length: 6 }, (_, i) => (i === token ? 1 : 0));
    const [x, y] = [a, b].map((model) => inputs.map((tokens) => evaluateSequence(model, tokens.map(onehot))));
    const result = await similarity(a, b, { measure: 'behavioural', inputs, backend });
    const cosines = x.map((rows, i) => cosineOf(rows.flat(), y[i].flat()));
    expect(result.similarity).toBeCloseTo(mean(cosines), 12);
    expect(result.innerProduct).toBeCloseTo(mean(cosines), 12);
    expect(result.normA).toBeCloseTo(1, 12);
    expect(result).toMatchObject({ measure: 'behavioural', input: '9 inputs', behaviour: { inputs: 9 } });
    const [p, q] = [x.flat(), y.flat()];
    expect(result.behaviour?.agreement).toBe(mean(p.map((row, i) => (largest(row) === largest(q[i]) ? 1 : 0))));
    expect(result.behaviour?.cka).toBeCloseTo(cka(p, q), 11);
    const single = await similarity(a, b, { measure: 'behavioural', inputs, backend, dtype: 'float32' });
    expect(single.similarity).toBeCloseTo(mean(cosines), 4);
    expect(single.behaviour?.cka).toBeCloseTo(cka(p, q), 4);
  });

  test('a matrix holds the same for every pair, 1 on the diagonal and symmetric to the bit', async () => {
    const { a, b, inputs } = pair(5);
    const options = { measure: 'behavioural', inputs: { values: inputs, name: 'sequences' }, backend } as const;
    const digestOf = async (values: number[][]) =>
      (await similarity(a, b, { ...options, inputs: { values, name: 'sequences' } })).inputDigest;
    expect(await digestOf(inputs)).toMatch(/^[0-9a-f]{64}$/);
    expect(await digestOf(inputs.map((row) => [...row]))).toBe(await digestOf(inputs));
    expect(await digestOf([...inputs].reverse())).not.toBe(await digestOf(inputs));
    const matrix = await similarityMatrix([a, b, a], options);
    const two = await similarity(a, b, options);
    expect(matrix.input).toBe('sequences');
    const { agreement, cka: alignment } = matrix.behaviour!;
    for (const values of [matrix.cosine, agreement, alignment]) {
      for (let i = 0; i < 3; i++) for (let j = 0; j < 3; j++) expect(values[i][j]).toBe(values[j][i]);
      expect([values[0][0], values[1][1], values[2][2], values[0][2]]).toEqual([1, 1, 1, 1]);
    }
    expect(matrix.cosine[0][1]).toBeCloseTo(two.similarity, 14);
    expect(agreement[0][1]).toBe(two.behaviour?.agreement);
    expect(alignment[0][1]).toBe(two.behaviour?.cka);
  });

  test('takes no notice of a positive factor on a model, nor of the size of its numbers', async () => {
    const draw = random(9);
    const layer = randomLinear(draw, 3, 4, false);
    const scaled = { ...layer, weight: { ...layer.weight, data: layer.weight.data.map((value) => value * 1e200) } };
    const inputs = randomTensor(draw, 20, 4);
    const result = await similarity(modelOf([layer]), modelOf([scaled]), { measure: 'behavioural', inputs, backend });
    expect(result.similarity).toBeCloseTo(1, 14);
    expect(result.behaviour?.agreement).toBe(1);
    expect(result.behaviour?.cka).toBeCloseTo(1, 13);
  });

  test('what is undefined is null: agreement for one output, CKA for outputs that do not vary', async () => {
    const draw = random(10);
    const [a, b] = [modelOf([randomLinear(draw, 1, 2)]), modelOf([randomLinear(draw, 1, 2)])];
    const inputs = randomTensor(draw, 5, 2);
    const one = await similarity(a, b, { measure: 'behavioural', inputs, backend });
    expect(one.behaviour?.agreement).toBeNull();
    expect(one.behaviour?.cka).not.toBeNull();
    const constant = modelOf([{ type: 'linear', weight: tensor([0, 0], [1, 2]), bias: tensor([0.1], [1]) }]);
    const flat = await similarity(a, constant, { measure: 'behavioural', inputs, backend });
    expect(flat.behaviour?.cka).toBeNull();
    expect(compareText(flat)).toContain('undefined (constant outputs)');
    expect(compareJson(flat)).toMatchObject({ behaviour: { inputs: 5, agreement: null, cka: null } });
  });

  test.each([0, 1e3, 1e4, 1e5, 1e6])(
    'a constant of %s leaves what outputs vary by alone, in float32 too',
    async (constant) => {
      const draw = random(12);
      const make = () => {
        const layer = randomLinear(draw, 3, 4, false);
        return modelOf([{ ...layer, bias: tensor([constant, constant, constant], [3]) }]);
      };
      const [a, b] = [make(), make()];
      const inputs = randomTensor(draw, 200, 4);
      const of = (dtype: 'float64' | 'float32') => similarity(a, b, { measure: 'behavioural', inputs, backend, dtype });
      const [double, single] = [await of('float64'), await of('float32')];
      const plain = (model: Model) => modelOf(model.layers.map((layer) => ({ ...layer, bias: undefined })) as never);
      const without = await similarity(plain(a), plain(b), { measure: 'behavioural', inputs, backend });
      expect(single.behaviour!.cka).toBeCloseTo(double.behaviour!.cka!, 6);
      expect(double.behaviour!.cka).toBeCloseTo(without.behaviour!.cka!, 6);
      expect(single.behaviour!.agreement).toBe(double.behaviour!.agreement);
      expect(single.similarity).toBeCloseTo(double.similarity, 5);
    },
  );

  test('outputs that are zero on an input count for neither model; always zero is an error', async () => {
    const identity = modelOf([{ type: 'linear', weight: tensor([1, 0, 0, 1], [2, 2]) }]);
    const first = modelOf([{ type: 'linear', weight: tensor([1, 0, 0, 0], [2, 2]) }]);
    const inputs = tensor([2, 0, 0, 3], [2, 2]);
    const result = await similarity(identity, first, { measure: 'behavioural', inputs, backend });
    expect(result.innerProduct).toBeCloseTo(1 / 2, 14);
    expect(result.normB ** 2).toBeCloseTo(1 / 2, 14);
    const nothing = modelOf([{ type: 'linear', weight: tensor([0, 0, 0, 0], [2, 2]) }]);
    const compared = similarity(identity, nothing, { measure: 'behavioural', inputs, backend });
    await expect(compared).rejects.toMatchObject({ code: 'ZERO_NORM' });
  });

  test('outputs beyond the range of numbers are refused by the name of the model', async () => {
    const large = modelOf([randomBlock(random(1), { inputs: 2, hidden: 2, outputs: 2 })], 'large');
    const inputs = tensor([1e200, 1e200, 1, 1], [2, 2]);
    const compared = similarity(large, large, { measure: 'behavioural', inputs, backend });
    await expect(compared).rejects.toMatchObject({ code: 'NOT_FINITE', message: expect.stringContaining('"large"') });
    // Inputs that are all so large are in range in units of their own.
    const alike = tensor([1e200, 2e200, 2e200, 1e200], [2, 2]);
    const small = tensor([1, 2, 2, 1], [2, 2]);
    const other = modelOf([randomBlock(random(2), { inputs: 2, hidden: 2, outputs: 2 })], 'other');
    const found = await similarity(large, other, { measure: 'behavioural', inputs: alike, backend });
    const plain = await similarity(large, other, { measure: 'behavioural', inputs: small, backend });
    expect(found.similarity).toBeCloseTo(plain.similarity, 12);
  });
});

describe('what behavioural needs', () => {
  const { a, b, inputs } = pair(5);
  test.each([
    ['inputs', { measure: 'behavioural' }],
    ['at least one input', { measure: 'behavioural', inputs: [] }],
    ['no slices', { measure: 'behavioural', inputs, perOutput: true }],
    ['to be the measure if there are inputs', { measure: 'weights', inputs }],
  ])('%s', async (_, options) => {
    await expect(similarity(a, b, options as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  test('models of the same sizes', async () => {
    const options = { measure: 'behavioural', inputs } as const;
    await expect(similarity(a, pair(6).b, options)).rejects.toMatchObject({ code: 'SHAPE_MISMATCH' });
    const longer = createModel({ ...a, positions: 4 });
    await expect(similarity(a, longer, options)).rejects.toThrow('positions');
  });

  test('reports of it name the inputs and say what was measured', async () => {
    const matrix = await similarityMatrix([a, b], {
      measure: 'behavioural',
      inputs: { values: inputs, name: 'x.npy' },
    });
    expect([...matrixJsonText(matrix)].join('')).toBe(`${JSON.stringify(matrixJson(matrix))}\n`);
    expect(matrixJson(matrix)).toMatchObject({
      behaviour: { inputs: 9, agreement: [[1], [expect.anything()]].map(() => expect.any(Array)) },
    });
    const text = matrixText(matrix);
    expect(text).toMatch(/On 9 inputs the share of equal largest outputs is [\d.]+, linear CKA is [\d.]+\./);
    expect(text).toContain('inputs x.npy');
  });
});
