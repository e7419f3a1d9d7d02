import { describe, expect, it, test } from 'vitest';
import { Pacer } from '../../lib/cooperate.js';
import { asWhitened, onehotInputs, underLaw } from '../../lib/similarity/law/onehot.js';
import { similarity } from '../../lib/similarity/similarity.js';
import { tensor } from '../../lib/tensor/tensor.js';
import { availableBackends } from '../support/backends.js';
import { modelOf, randomAttention, randomBlock, randomLinear, sequenceModel } from '../support/models.js';
import { random } from '../support/random.js';

const TOKENS = 7;
/** The same law by its moments, which takes the way of any other covariance. */
const MOMENTS = {
  mean: new Array(TOKENS).fill(1 / TOKENS),
  cov: Array.from({ length: TOKENS }, (_, i) =>
    Array.from({ length: TOKENS }, (_, j) => (i === j ? 1 / TOKENS : 0) - 1 / TOKENS ** 2),
  ),
};

function bilinear(start: number, embedded: boolean) {
  const draw = random(start);
  const inputs = embedded ? 4 : TOKENS;
  const block = randomBlock(draw, { inputs, hidden: 5, outputs: 3, residual: [0, 1] });
  return modelOf(embedded ? [randomLinear(draw, 4, TOKENS), block] : [block]);
}

function attention(start: number) {
  const draw = random(start);
  const layer = randomAttention(draw, { inputs: 4, outputs: 3, heads: 2, size: 2, biases: true, residual: [0, 1] });
  return sequenceModel(3, [randomLinear(draw, 4, TOKENS, false), layer], `attention ${start}`);
}

describe.each(availableBackends)('the law of tokens on %s', (backend) => {
  test.each([
    ['networks with an embedding', bilinear(1, true), bilinear(2, true)],
    ['networks without one', bilinear(3, false), bilinear(4, false)],
    ['one with and one without', bilinear(5, true), bilinear(6, false)],
    ['attention', attention(7), attention(8)],
  ])('is the Gaussian with its moments: %s', async (_, a, b) => {
    for (const method of ['exact', 'closure'] as const) {
      const [found, wanted] = [
        await similarity(a, b, { backend, method, input: 'onehot' }),
        await similarity(a, b, { backend, method, input: MOMENTS }),
      ];
      expect(found.input).toBe('onehot');
      for (const number of ['innerProduct', 'normA', 'normB'] as const) {
        const scale = number === 'innerProduct' ? wanted.normA * wanted.normB : wanted[number];
        expect(Math.abs(found[number] - wanted[number])).toBeLessThan(1e-12 * scale);
      }
    }
  });

  it('takes a vocabulary whose covariance would not fit into memory', async () => {
    const size = 60_000;
    const draw = random(9);
    const [u, v] = [0, 1].map(() => Float64Array.from({ length: size }, () => draw.normal()));
    const model = (row: Float64Array) => modelOf([{ type: 'linear', weight: tensor(row, [1, size]) }]);
    const { innerProduct } = await similarity(model(u!), model(v!), { backend, input: 'onehot' });
    // E (u·x)(v·x) over one-hot x is the mean of u_i v_i.
    const wanted = u!.reduce((sum, value, i) => sum + value * v![i], 0) / size;
    expect(Math.abs(innerProduct - wanted)).toBeLessThan(1e-12);
  });
});

describe('inputs of the law of tokens', () => {
  it('are μ + C z', async () => {
    const draw = random(10);
    const z = Float64Array.from({ length: 2 * TOKENS }, () => draw.normal());
    const { mean, factor } = await asWhitened({ onehot: TOKENS }, new Pacer());
    const x = await onehotInputs(z, { onehot: TOKENS }, new Pacer());
    for (const [at, value] of x.entries()) {
      const [row, i] = [Math.floor(at / TOKENS), at % TOKENS];
      let wanted = mean![i];
      for (let j = 0; j < TOKENS; j++) wanted += factor!.data[i * TOKENS + j] * z[row * TOKENS + j];
      expect(Math.abs(value - wanted)).toBeLessThan(1e-14);
    }
  });

  it('leave other laws and the layers of a model as they are', async () => {
    const { layers } = bilinear(1, true);
    const law = { sigma: 2 };
    expect(await underLaw(law)(layers, new Pacer())).toEqual({ layers, law });
    const weights = structuredClone(layers);
    await underLaw({ onehot: TOKENS })(layers, new Pacer());
    expect(layers).toEqual(weights);
  });

  it('have one matrix for all models without an embedding', async () => {
    const chainOf = underLaw({ onehot: TOKENS });
    const [a, b] = [
      await chainOf(bilinear(3, false).layers, new Pacer()),
      await chainOf(bilinear(4, false).layers, new Pacer()),
    ];
    expect(a.law.factor!.columns).toBe(TOKENS);
    expect(b.law).toBe(a.law);
  });
});
