import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Model } from '../../lib/model/model.js';
import { similarity } from '../../lib/similarity/similarity.js';
import type { SimilarityOptions, SimilarityResult } from '../../lib/similarity/terms/types.js';
import { availableBackends } from '../support/backends.js';
import { runs } from '../support/campaign.js';
import { type ChainTraits, modelOf, randomChain } from '../support/models.js';
import { covarianceOf, type OracleLaw, quadrature, standardLaw, tensorRecursion } from '../support/oracles.js';
import { type Random, random } from '../support/random.js';

const traits: fc.Arbitrary<ChainTraits> = fc.record({
  before: fc.integer({ min: 0, max: 2 }),
  after: fc.integer({ min: 0, max: 2 }),
  block: fc.boolean(),
  biases: fc.boolean(),
  residual: fc.boolean(),
  down: fc.boolean(),
});
const seed = fc.integer({ min: 0, max: 2 ** 31 });
const inputs = fc.integer({ min: 1, max: 3 });
const outputs = fc.integer({ min: 1, max: 6 });

/** A law of `rank` independent sources: singular for rank < inputs. */
function randomLaw(draw: Random, size: number, rank: number): OracleLaw {
  const normals = (count: number) => Array.from({ length: count }, () => draw.normal());
  return { mean: normals(size), factor: Array.from({ length: size }, () => normals(rank)) };
}

/** Every inner product of a result, in all and per output, against those of an oracle. */
function expectProducts(result: SimilarityResult, ab: number[], aa: number[], bb: number[], tolerance = 1e-10): void {
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
  const norms = (x: number, y: number) => Math.sqrt(Math.abs(x)) * Math.sqrt(Math.abs(y));
  const scale = norms(sum(aa), sum(bb));
  expect(Math.abs(result.innerProduct - sum(ab))).toBeLessThanOrEqual(tolerance * scale);
  expect(Math.abs(result.normA ** 2 - sum(aa))).toBeLessThanOrEqual(tolerance * sum(aa));
  expect(Math.abs(result.normB ** 2 - sum(bb))).toBeLessThanOrEqual(tolerance * sum(bb));
  for (const [c, slice] of result.perOutput!.entries()) {
    expect(Math.abs(slice.innerProduct - ab[c])).toBeLessThanOrEqual(tolerance * scale);
  }
}

describe.each(availableBackends)('inner products on %s', (backend) => {
  const compare = (a: Model, b: Model, options: SimilarityOptions) =>
    similarity(a, b, { backend, perOutput: true, ...options });

  it('`gaussian` is the expectation under any law, singular ones included, of any two chains', async () => {
    await fc.assert(
      fc.asyncProperty(seed, inputs, outputs, traits, traits, fc.integer({ min: 1, max: 3 }), async (...drawn) => {
        const [start, d, o, first, second, rank] = drawn;
        const draw = random(start);
        const [a, b] = [randomChain(draw, d, o, first), randomChain(draw, d, o, second)];
        const law = randomLaw(draw, d, Math.min(d, rank));
        const input = { mean: law.mean, cov: covarianceOf(law) };
        const expected = [quadrature(a, b, law), quadrature(a, a, law), quadrature(b, b, law)] as const;
        expectProducts(await compare(a, b, { input }), ...expected, 1e-8);
      }),
      { numRuns: runs(150) },
    );
  });

  it('`gaussian` without an input law is the expectation under N(0, I)', async () => {
    await fc.assert(
      fc.asyncProperty(seed, inputs, outputs, traits, traits, async (start, d, o, first, second) => {
        const draw = random(start);
        const [a, b] = [randomChain(draw, d, o, first), randomChain(draw, d, o, second)];
        const law = standardLaw(d);
        expectProducts(await compare(a, b, {}), quadrature(a, b, law), quadrature(a, a, law), quadrature(b, b, law));
      }),
      { numRuns: runs(150) },
    );
  });

  it('`gaussian` under { sigma } is the expectation under N(0, σ²I)', async () => {
    const draw = random(7);
    const shape = { before: 1, after: 1, block: true, biases: true, residual: true, down: true };
    const [a, b] = [randomChain(draw, 3, 2, shape), randomChain(draw, 3, 2, shape)];
    const { mean, factor } = standardLaw(3);
    const law = { mean, factor: factor.map((row) => row.map((value) => 1.7 * value)) };
    const expected = [quadrature(a, b, law), quadrature(a, a, law), quadrature(b, b, law)] as const;
    expectProducts(await compare(a, b, { input: { sigma: 1.7 } }), ...expected);
  });

  it('`tensor` is the recursion over padded layers', async () => {
    await fc.assert(
      fc.asyncProperty(seed, inputs, outputs, traits, fc.boolean(), async (start, d, o, shape, withLaw) => {
        const draw = random(start);
        // Models of one architecture: the recursion goes through both layer by layer.
        const sizes = draw.integer(0, 2 ** 31);
        const a = randomChain(random(sizes), d, o, shape);
        const b = reweighted(draw, a);
        const law = withLaw ? randomLaw(draw, d, d) : standardLaw(d);
        const input = withLaw ? { mean: law.mean, cov: covarianceOf(law) } : ('standard' as const);
        const result = await compare(a, b, { measure: 'tensor', input });
        const expected = [tensorRecursion(a, b, law), tensorRecursion(a, a, law), tensorRecursion(b, b, law)] as const;
        // Relative to the norms, in which biases and weights may cancel.
        expectProducts(result, ...expected, withLaw ? 1e-8 : 1e-9);
      }),
      { numRuns: runs(150) },
    );
  });
});

/** The same architecture with new weights. */
function reweighted(draw: Random, model: Model): Model {
  const fresh = <T>(value: T): T => {
    if (typeof value !== 'object' || value === null || !('data' in value)) return value;
    return { ...value, data: (value.data as Float64Array).map(() => draw.normal()) };
  };
  const layers = model.layers.map((layer) =>
    Object.fromEntries(Object.entries(layer).map(([name, value]) => [name, fresh(value)])),
  );
  return modelOf(layers as unknown as Model['layers']);
}
