import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ChainSource, GramRoute } from '../../lib/backend/grams.js';
import type { Model } from '../../lib/model/model.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import { similarity } from '../../lib/similarity/similarity.js';
import type { SimilarityMatrix, SimilarityOptions } from '../../lib/similarity/terms/types.js';
import { availableBackends, fullBackend } from '../support/backends.js';
import { runs } from '../support/campaign.js';
import { type ChainTraits, modelOf, randomBlock, randomChain, randomLinear } from '../support/models.js';
import { covarianceOf } from '../support/oracles.js';
import { random } from '../support/random.js';

const ROUTES: readonly GramRoute[] = ['factor', 'unfolded', 'dense'];

const traits: fc.Arbitrary<ChainTraits> = fc.record({
  before: fc.integer({ min: 0, max: 3 }),
  after: fc.integer({ min: 0, max: 2 }),
  block: fc.boolean(),
  biases: fc.boolean(),
  residual: fc.boolean(),
  down: fc.boolean(),
});

/** The largest difference of two results, in all and per output, on the scale of the norms. */
function difference(found: SimilarityMatrix, expected: SimilarityMatrix): number {
  let most = 0;
  const matrices = (result: SimilarityMatrix) => [result.gram, ...(result.perOutput?.gram ?? [])];
  const norms = expected.gram.map((row, i) => Math.sqrt(row[i]));
  for (const [m, matrix] of matrices(found).entries()) {
    for (const [i, row] of matrix.entries()) {
      for (const [j, value] of row.entries()) {
        const scale = norms[i] * norms[j];
        most = Math.max(most, Math.abs(value - matrices(expected)[m][i][j]) / scale);
      }
    }
  }
  return most;
}

/** Networks with an embedding narrower than the input, of different hidden sizes. */
function embedded(count: number, size = 1): Model[] {
  const draw = random(11);
  return Array.from({ length: count }, (_, i) =>
    modelOf(
      [
        randomLinear(draw, 7 * size, 13 * size),
        randomLinear(draw, 5 * size, 7 * size),
        randomLinear(draw, 6 * size, 5 * size),
        randomBlock(draw, { inputs: 6 * size, hidden: 3 * size + i, outputs: 4, biases: true }),
        randomLinear(draw, 3, 4),
      ],
      `model ${i}`,
    ),
  );
}

describe.each(availableBackends)('routes on %s', (backend) => {
  const matrix = (models: readonly Model[], options: SimilarityOptions) =>
    similarityMatrix(models, { backend, perOutput: true, ...options });

  it('give the same numbers for any chains of one block under any law', async () => {
    const seed = fc.integer({ min: 0, max: 2 ** 31 });
    const measure = fc.constantFrom('gaussian' as const, 'tensor' as const);
    const inputs = fc.integer({ min: 1, max: 6 });
    await fc.assert(
      fc.asyncProperty(seed, inputs, traits, traits, measure, fc.boolean(), async (start, d, one, two, kind, plain) => {
        const draw = random(start);
        const other = kind === 'tensor' ? { ...two, block: one.block } : two;
        const models = [randomChain(draw, d, 3, one), randomChain(draw, d, 3, other), randomChain(draw, d, 3, other)];
        const normals = (count: number) => Array.from({ length: count }, () => draw.normal());
        const factor = Array.from({ length: d }, () => normals(Math.min(d, 2)));
        const law = { mean: normals(d), factor };
        const input = plain ? ({ sigma: 1.5 } as const) : { mean: law.mean, cov: covarianceOf(law) };
        const results = await Promise.all(ROUTES.map((route) => matrix(models, { route, input, measure: kind })));
        for (const result of results) expect(difference(result, results[0])).toBeLessThan(1e-10);
      }),
      { numRuns: runs(120) },
    );
  });

  it('agree to 1e-12 with each other and with pairs on their own where there is an embedding', async () => {
    const models = embedded(5, 4);
    const pair = await similarity(models[1], models[3], { backend, route: 'factor' });
    const expected = await matrix(models, { route: 'factor' });
    for (const route of ROUTES) {
      const result = await matrix(models, { route });
      expect(result.route).toBe(route);
      expect(difference(result, expected)).toBeLessThan(1e-12);
      expect(Math.abs(result.cosine[1][3] - pair.similarity)).toBeLessThan(1e-12);
      const reversed = await matrix([...models].reverse(), { route });
      expect(Math.abs(reversed.cosine[3][1] - result.cosine[1][3])).toBeLessThan(1e-12);
    }
  });

  it('agree to 1e-5 in float32', async () => {
    const models = embedded(4, 4);
    const expected = await matrix(models, { route: 'factor' });
    for (const route of ROUTES) {
      const found = difference(await matrix(models, { route, dtype: 'float32' }), expected);
      expect(found).toBeLessThan(1e-5);
      expect(found).toBeGreaterThan(0);
    }
  });

  it('give the same bits on any number of threads and in any tile', async () => {
    const engine = fullBackend(backend);
    const models = embedded(6, 3);
    for (const dtype of ['float64', 'float32'] as const) {
      for (const route of ROUTES) {
        const source = ({ layers }: Model): ChainSource => {
          return { kind: 'chain', layers, inputs: 39, positions: 1, method: 'one-block', route, law: { sigma: 1 } };
        };
        const job = { measure: 'gaussian', symmetric: true, perOutput: true } as const;
        const prepared = await Promise.all(
          models.map((model) => engine.grams.prepare(source(model), dtype, { threads: 2 })),
        );
        const whole = await engine.grams.tile(job, prepared, prepared, { threads: 1 });
        const again = await engine.grams.tile({ ...job, perOutput: false }, prepared, prepared, { threads: 3 });
        expect(again.total).toEqual(whole.total);
        const part = await engine.grams.tile({ ...job, symmetric: false }, prepared.slice(0, 2), prepared.slice(2));
        for (const i of [0, 1]) {
          for (const j of [2, 3, 4, 5]) expect(part.total[i * 4 + j - 2]).toBe(whole.total[i * 6 + j]);
        }
        const [one] = (await engine.grams.tile({ ...job, symmetric: false }, [prepared[1]], [prepared[4]])).total;
        expect(one).toBe(whole.total[10]);
        for (const model of prepared) model.dispose();
      }
    }
  });

  it('refuse to be mixed in a tile', async () => {
    const engine = fullBackend(backend);
    const [model] = embedded(1) as [Model];
    const prepared = ROUTES.map((route) =>
      engine.grams.prepare(
        {
          kind: 'chain',
          layers: model.layers,
          inputs: 13,
          positions: 1,
          method: 'one-block',
          route,
          law: { sigma: 1 },
        },
        'float64',
      ),
    );
    const [factor, unfolded, dense] = await Promise.all(prepared);
    const job = { measure: 'gaussian', symmetric: false, perOutput: false } as const;
    for (const other of [unfolded!, dense!]) {
      await expect(engine.grams.tile(job, [factor!], [other])).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
  });

  it('are chosen by their estimates, which the result carries', async () => {
    const models = embedded(3);
    const { route, estimates } = await matrix(models, {});
    expect(estimates.map((estimate) => estimate.route)).toEqual(ROUTES);
    const least = Math.min(...estimates.map(({ seconds }) => seconds));
    expect(estimates.find((estimate) => estimate.route === route)!.seconds).toBe(least);
    for (const measure of ['weights', 'behavioural'] as const) {
      const inputs = measure === 'behavioural' ? new Float64Array(26).fill(1) : undefined;
      const alike = [models[0], models[0]];
      const options = { measure, perOutput: false, inputs: inputs && { data: inputs, shape: [2, 13] } };
      expect(await matrix(alike, options)).toMatchObject({ route: null, estimates: [] });
      await expect(matrix(alike, { ...options, route: 'dense' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
  });

  it('are refused where memory cannot hold the forms of a model', async () => {
    const size = 1_000_000;
    const side = () => ({ data: new Float32Array(size).fill(0.01), shape: [1, size] });
    const wide = modelOf([{ type: 'bilinear', left: side(), right: side(), alpha: 0, beta: 1 }]);
    await expect(matrix([wide], { route: 'dense' })).rejects.toMatchObject({ code: 'MEMORY_LIMIT' });
  });

  it('are for models of at most one block', async () => {
    const draw = random(2);
    const block = () => randomBlock(draw, { inputs: 3, hidden: 2, outputs: 3 });
    const deep = [modelOf([block(), block()]), modelOf([block(), block()])];
    expect(await matrix(deep, {})).toMatchObject({ route: null, estimates: [] });
    await expect(matrix(deep, { route: 'factor' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('the route "factor" was asked for'),
    });
    await expect(matrix(deep, { route: 'fast' as 'dense' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
