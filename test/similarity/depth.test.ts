import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LayerDefinition } from '../../lib/model/create.js';
import type { Model } from '../../lib/model/model.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import type { SimilarityOptions } from '../../lib/similarity/terms/types.js';
import { backendsWith } from '../support/backends.js';
import { runs } from '../support/campaign.js';
import { eigenvalues } from '../support/eigenvalues.js';
import { modelOf, randomAttention, randomBlock, randomLinear, sequenceModel } from '../support/models.js';
import { covarianceOf, type OracleLaw, standardLaw, tensorRecursion } from '../support/oracles.js';
import { closureProducts, exactProducts, type Products, sampledProducts } from '../support/quadrature.js';
import { type Random, random } from '../support/random.js';

const seed = fc.integer({ min: 0, max: 2 ** 31 });

/** A law of `rank` independent sources: singular for rank < inputs. */
function randomLaw(draw: Random, inputs: number, rank: number): OracleLaw {
  const normals = (count: number) => Array.from({ length: count }, () => draw.normal());
  return { mean: normals(inputs), factor: Array.from({ length: inputs }, () => normals(rank)) };
}

const inputOf = (law: OracleLaw) => ({ mean: law.mean, cov: covarianceOf(law) });

/** A random network of blocks with linear layers, biases and residuals here and there, of inner sizes up to 3. */
function randomDeep(draw: Random, inputs: number, outputs: number, blocks: number): Model {
  const layers: LayerDefinition[] = [];
  let size = inputs;
  const sometimes = () => draw.uniform() < 0.5;
  const linear = (width: number) => {
    layers.push(randomLinear(draw, width, size, sometimes()));
    size = width;
  };
  for (let i = 0; i < blocks; i++) {
    if (sometimes()) linear(draw.integer(1, 3));
    const residual = sometimes();
    const width = residual ? size : draw.integer(1, 3);
    const shape = { inputs: size, hidden: draw.integer(1, 4), outputs: width, biases: sometimes() };
    layers.push(randomBlock(draw, { ...shape, residual: residual ? [draw.normal(), draw.normal()] : [0, 1] }));
    size = width;
  }
  if (size !== outputs || layers.length === 0 || sometimes()) linear(outputs);
  return modelOf(layers, `of ${blocks} blocks`);
}

/** Every inner product of models, in all and per output, against those of an oracle, relative to the norms. */
async function expectProducts(
  models: readonly Model[],
  options: SimilarityOptions,
  expected: Products,
  tolerance = 1e-9,
): Promise<void> {
  const { gram, perOutput } = await similarityMatrix(models, { perOutput: true, ...options });
  const total = (cell: readonly number[]) => cell.reduce((sum, value) => sum + value, 0);
  for (const [i, row] of expected.entries()) {
    for (const [j, cell] of row.entries()) {
      const scale = Math.sqrt(total(expected[i][i]) * total(expected[j][j]));
      expect(Math.abs(gram[i][j] - total(cell))).toBeLessThanOrEqual(tolerance * scale);
      for (const [c, value] of cell.entries()) {
        expect(Math.abs(perOutput!.gram[c][i][j] - value)).toBeLessThanOrEqual(tolerance * scale);
      }
    }
  }
}

describe.each(backendsWith('two-block'))('two blocks on %s', (backend) => {
  it('are compared exactly under any law, singular ones included, with networks of fewer blocks as well', async () => {
    await fc.assert(
      fc.asyncProperty(seed, fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 2 }), async (start, d, rank) => {
        const draw = random(start);
        const outputs = draw.integer(1, 3);
        const models = [2, 2, 1, 0].map((blocks) => randomDeep(draw, d, outputs, blocks));
        const law = randomLaw(draw, d, Math.min(d, rank));
        await expectProducts(models, { backend, input: inputOf(law) }, exactProducts(models, law, 5), 1e-8);
      }),
      { numRuns: runs(60) },
    );
  });

  it('are compared exactly in three dimensions, under N(0, I) and wider laws', async () => {
    const draw = random(8);
    const models = [2, 2, 2].map((blocks) => randomDeep(draw, 3, 2, blocks));
    await expectProducts(models, { backend }, exactProducts(models, standardLaw(3), 5));
    const { mean, factor } = standardLaw(3);
    const wide = { mean, factor: factor.map((row) => row.map((value) => 1.5 * value)) };
    await expectProducts(models, { backend, input: { sigma: 1.5 } }, exactProducts(models, wide, 5));
  });

  it('agree with sampling in many dimensions', async () => {
    const draw = random(12);
    const deep = () =>
      modelOf([
        randomLinear(draw, 4, 8),
        randomBlock(draw, { inputs: 4, hidden: 6, outputs: 4, biases: true, residual: [0.5, 0.5] }),
        randomBlock(draw, { inputs: 4, hidden: 6, outputs: 4, biases: true, residual: [0.5, 0.5] }),
        randomLinear(draw, 2, 4),
      ]);
    await expectWithinErrors([deep(), deep()], { backend }, standardLaw(8), 400);
  });
});

describe.each(backendsWith('one-block', 'closure'))('the closure on %s', (backend) => {
  it('is what it says: normals with the moments of what every block gives', async () => {
    await fc.assert(
      fc.asyncProperty(seed, fc.integer({ min: 1, max: 2 }), async (start, d) => {
        const draw = random(start);
        const models = [3, 2, 1].map((blocks) => randomNarrow(draw, d, blocks));
        const law = randomLaw(draw, d, d);
        const options = { backend, method: 'closure', input: inputOf(law) } as const;
        await expectProducts(models, options, closureProducts(models, law), 1e-7);
      }),
      { numRuns: runs(25) },
    );
  });

  it('is exact for one block and for none', async () => {
    await fc.assert(
      fc.asyncProperty(seed, fc.integer({ min: 1, max: 3 }), async (start, d) => {
        const draw = random(start);
        const models = [1, 1, 0].map((blocks) => randomDeep(draw, d, 2, blocks));
        const law = randomLaw(draw, d, d);
        const options = { backend, method: 'closure', input: inputOf(law) } as const;
        await expectProducts(models, options, exactProducts(models, law, 3), 1e-8);
      }),
      { numRuns: runs(40) },
    );
  });

  it('takes an output wider than the stream, whose layer is left for the end', async () => {
    const draw = random(30);
    const block = () => randomBlock(draw, { inputs: 2, hidden: 3, outputs: 2, biases: true });
    const models = [
      modelOf([block(), randomLinear(draw, 3, 2), randomLinear(draw, 5, 3)]),
      modelOf([block(), randomLinear(draw, 5, 2)]),
      modelOf([randomLinear(draw, 5, 2)]),
    ];
    await expectProducts(models, { backend, method: 'closure' }, exactProducts(models, standardLaw(2), 3));
    const deeper = models.map((model, i) => (i === 0 ? modelOf([block(), ...model.layers]) : model));
    await expectProducts(deeper, { backend, method: 'closure' }, closureProducts(deeper, standardLaw(2)), 1e-8);
  });
});

/** Blocks of one or two features with biases and residuals: what the quadrature of the closure can afford. */
function randomNarrow(draw: Random, d: number, blocks: number): Model {
  const block = () => randomBlock(draw, { inputs: d, hidden: 2, outputs: d, biases: true, residual: [0.6, 0.5] });
  return modelOf([...Array.from({ length: blocks }, block), randomLinear(draw, 2, d)]);
}

describe.each(backendsWith('tensor'))('the measure tensor on %s', (backend) => {
  it('is the recursion over padded layers at any depth', async () => {
    await fc.assert(
      fc.asyncProperty(seed, fc.integer({ min: 2, max: 4 }), async (start, blocks) => {
        const draw = random(start);
        const shape = () => randomBlock(draw, { inputs: 3, hidden: 4, outputs: 3, biases: true, residual: [0.4, 0.7] });
        const models = [0, 1].map(() =>
          modelOf([randomLinear(draw, 3, 2), ...Array.from({ length: blocks }, shape), randomLinear(draw, 2, 3)]),
        );
        const law = randomLaw(draw, 2, 2);
        const expected = models.map((a) => models.map((b) => tensorRecursion(a, b, law)));
        await expectProducts(models, { backend, measure: 'tensor', input: inputOf(law) }, expected, 1e-8);
      }),
      { numRuns: runs(25) },
    );
  });
});

describe.each(backendsWith('closure'))('one attention block on %s', (backend) => {
  const cases = [
    { positions: 2, inputs: 2, heads: 2, size: 1, biases: true },
    { positions: 2, inputs: 2, heads: 1, size: 2, biases: true, rotaryBase: 10, mask: 'none' },
    { positions: 3, inputs: 1, heads: 1, size: 2, biases: true, rotaryBase: 100, residual: [1, 0.3] },
    { positions: 4, inputs: 1, heads: 3, size: 1, residual: [0.5, -2], mask: 'none' },
    { positions: 1, inputs: 3, heads: 2, size: 2, biases: true, residual: [1, 1] },
    { positions: 2, inputs: 2, heads: 1, size: 3, outputs: 3 },
  ] as const;

  it.each(cases)('is exact: %o', async ({ positions, ...shape }) => {
    const draw = random(positions + 10 * shape.inputs);
    const outputs = 'outputs' in shape ? shape.outputs : shape.inputs;
    const models = [0, 1].map(() =>
      sequenceModel(positions, [randomAttention(draw, shape), randomLinear(draw, 2, outputs)]),
    );
    // Another number of heads, and none at all.
    models.push(
      sequenceModel(positions, [
        randomAttention(draw, { inputs: shape.inputs, heads: 1, size: 1 }),
        randomLinear(draw, 2, shape.inputs),
      ]),
    );
    models.push(sequenceModel(positions, [randomLinear(draw, 2, shape.inputs)]));
    const law = randomLaw(draw, shape.inputs, shape.inputs);
    const options = { backend, input: inputOf(law) };
    await expectProducts(models, options, exactProducts(models, law, 6), 1e-8);
    await expectProducts(models, { backend }, exactProducts(models, standardLaw(shape.inputs), 6));
    const { exact, method } = await similarityMatrix(models, { backend });
    expect({ exact, method }).toEqual({ exact: true, method: 'exact' });
  });

  it('is exact under a singular law', async () => {
    const draw = random(77);
    const shape = { inputs: 3, heads: 2, size: 2, biases: true, rotaryBase: 50, residual: [1, 0.5] } as const;
    const models = [0, 1].map(() => sequenceModel(3, [randomAttention(draw, shape), randomLinear(draw, 2, 3)]));
    const law = randomLaw(draw, 3, 1);
    await expectProducts(models, { backend, input: inputOf(law) }, exactProducts(models, law, 6), 1e-8);
  });

  it('agrees with sampling in nine dimensions', async () => {
    const draw = random(5);
    const shape = { inputs: 3, heads: 2, size: 2, biases: true, rotaryBase: 50, residual: [1, 0.5] } as const;
    const models = [0, 1].map(() => sequenceModel(3, [randomAttention(draw, shape), randomLinear(draw, 2, 3)]));
    await expectWithinErrors(models, { backend }, standardLaw(3), 300);
  });

  it('may stand among bilinear blocks under the closure, where waiting changes nothing', async () => {
    const draw = random(6);
    const attention = () => randomAttention(draw, { inputs: 2, heads: 1, size: 2, biases: true, residual: [0.5, 0.5] });
    const block = () => randomBlock(draw, { inputs: 2, hidden: 3, outputs: 2, biases: true, residual: [0.5, 0.5] });
    const nothing = randomBlock(draw, { inputs: 2, hidden: 1, outputs: 2, residual: [1, 0] });
    const [first, second] = [
      [attention(), block()],
      [attention(), block()],
    ].map((layers) => sequenceModel(2, layers));
    const short = sequenceModel(2, [attention()]);
    const padded = sequenceModel(2, [...short.layers, nothing]);
    const models = [first, second, short, padded];
    const { gram, cosine, exact } = await similarityMatrix(models, { backend, method: 'closure' });
    expect(exact).toBe(false);
    expect(cosine[2][3]).toBeCloseTo(1, 12);
    for (const i of [0, 1]) expect(gram[i][2]).toBeCloseTo(gram[i][3], 10);
  });
});

describe.each(backendsWith('one-block', 'two-block', 'closure', 'tensor'))(
  'positions that do not meet, on %s,',
  (backend) => {
    it.each([
      ['one block', 1, {}],
      ['two blocks', 2, {}],
      ['the closure', 3, { method: 'closure' }],
      ['tensor', 1, { measure: 'tensor' }],
      ['tensor at depth', 3, { measure: 'tensor' }],
    ] as [string, number, SimilarityOptions][])('each add the same: %s', async (_, blocks, options) => {
      const draw = random(50 + blocks);
      const models = [0, 1].map(() => randomNarrow(draw, 2, blocks));
      const sequences = models.map(({ layers }) => sequenceModel(3, layers));
      const input = inputOf(randomLaw(draw, 2, 2));
      const one = await similarityMatrix(models, { backend, input, ...options });
      const all = await similarityMatrix(sequences, { backend, input, ...options });
      for (const [i, row] of one.gram.entries()) {
        for (const [j, value] of row.entries()) expect(all.gram[i][j] / (3 * value)).toBeCloseTo(1, 12);
      }
    });

    it('a network with attention compares with one without', async () => {
      const draw = random(60);
      const plain = sequenceModel(2, randomNarrow(draw, 2, 0).layers);
      const attentive = sequenceModel(2, [
        randomAttention(draw, { inputs: 2, heads: 1, size: 1, biases: true, residual: [1, 1] }),
        randomLinear(draw, 2, 2),
      ]);
      await expectProducts([plain, attentive], { backend }, exactProducts([plain, attentive], standardLaw(2), 6));
    });
  },
);

const FAMILIES: Record<string, { options: SimilarityOptions; make: (draw: Random) => Model }> = {
  'of up to two blocks, exactly': { options: {}, make: (draw) => randomDeep(draw, 3, 2, draw.integer(0, 2)) },
  'of up to four blocks by the closure': {
    options: { method: 'closure' },
    make: (draw) => randomDeep(draw, 3, 2, draw.integer(0, 4)),
  },
  'of one attention block, exactly': { options: {}, make: (draw) => randomAttentive(draw, 1) },
  'of up to two attention blocks by the closure': {
    options: { method: 'closure' },
    make: (draw) => randomAttentive(draw, draw.integer(0, 2)),
  },
};

function randomAttentive(draw: Random, blocks: number): Model {
  const attention = () => {
    const heads = draw.integer(1, 2);
    const residual = [1, draw.normal()] as const;
    return randomAttention(draw, {
      inputs: 2,
      heads,
      size: 2,
      biases: draw.uniform() < 0.5,
      residual,
      rotaryBase: 100,
    });
  };
  return sequenceModel(2, [...Array.from({ length: blocks }, attention), randomLinear(draw, 2, 2)]);
}

describe.each(backendsWith('two-block', 'closure'))('the Gram matrix of twelve networks on %s', (backend) => {
  it.each(Object.keys(FAMILIES))('%s is symmetric and positive semi-definite, its cosines within 1', async (name) => {
    const { options, make } = FAMILIES[name];
    const draw = random(40);
    const models = Array.from({ length: 12 }, () => make(draw));
    const { gram, cosine } = await similarityMatrix(models, { ...options, backend });
    for (const [i, row] of gram.entries()) {
      for (const [j, value] of row.entries()) {
        expect(value).toBe(gram[j][i]);
        // Not by being cut off there.
        expect(value ** 2).toBeLessThanOrEqual(gram[i][i] * gram[j][j] * (1 + 1e-10));
      }
      expect(cosine[i][i]).toBe(1);
    }
    const normalised = cosine.map((row) => Array.from(row));
    for (const matrix of [normalised, gram.map((row) => Array.from(row))]) {
      const values = eigenvalues(matrix);
      expect(Math.min(...values)).toBeGreaterThanOrEqual(-1e-10 * Math.max(...values));
    }
  });
});

/** Samples agree with what is computed within four of their own standard errors, in all and per output. */
async function expectWithinErrors(
  models: readonly Model[],
  options: SimilarityOptions,
  law: OracleLaw,
  perBatch: number,
): Promise<void> {
  const { perOutput } = await similarityMatrix(models, { perOutput: true, ...options });
  const { average, error } = sampledProducts(models, law, perBatch, random(1));
  for (const [i, row] of average.entries()) {
    for (const [j, cell] of row.entries()) {
      for (const [c, value] of cell.entries()) {
        expect(Math.abs(perOutput!.gram[c][i][j] - value)).toBeLessThanOrEqual(4 * error[i][j][c]);
      }
    }
  }
}
