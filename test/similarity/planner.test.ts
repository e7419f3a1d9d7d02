import { describe, expect, it } from 'vitest';
import { TensimError } from '../../lib/errors.js';
import { FALLBACK } from '../../lib/fallback/backend.js';
import { memberOf } from '../../lib/similarity/members/members.js';
import { planComparison } from '../../lib/similarity/plan/comparison.js';
import { type ChainShape, chainShape, planRoute, type RouteMachine } from '../../lib/similarity/plan/gram_route.js';
import { settle } from '../../lib/similarity/terms/options.js';
import { blockModel, type ChainTraits, randomChain } from '../support/models.js';
import { random } from '../support/random.js';

const MACHINE = { flopsPerSecond: 1e11, bytesPerSecond: 1e10, pace: 1, routes: FALLBACK.grams.routes };

const shape = (inputs: number, hidden: number, outputs: number, embedding: number | null = null): ChainShape => {
  return { inputs, hidden, outputs, embedding, linear: false };
};
const alike = (count: number, chain: ChainShape) => ({ chains: Array(count).fill(chain), dtype: 'float64' as const });
const routeOf = (count: number, chain: ChainShape) => planRoute(alike(count, chain), MACHINE).route;

describe('the planner', () => {
  it('takes the dense route where a form is small beside the factors, or serves many pairs', () => {
    expect(routeOf(400, shape(64, 32, 10))).toBe('dense');
    expect(routeOf(41, shape(16, 64, 4))).toBe('dense');
  });

  it('takes the factor route where expanding a model costs more than its pairs', () => {
    expect(routeOf(41, shape(1024, 64, 10))).toBe('factor');
    expect(routeOf(2, shape(226, 64, 113))).toBe('factor');
  });

  it('keeps an embedding where it narrows the input', () => {
    expect(routeOf(41, shape(784, 256, 10, 128))).toBe('unfolded');
    expect(routeOf(41, shape(784, 256, 10, 784))).not.toBe('unfolded');
  });

  it('estimates only the routes that there are', () => {
    const routes = (chain: ChainShape) => planRoute(alike(3, chain), MACHINE).estimates.map(({ route }) => route);
    expect(routes(shape(8, 4, 2))).toEqual(['factor', 'dense']);
    expect(routes(shape(8, 4, 2, 3))).toEqual(['factor', 'unfolded', 'dense']);
    expect(routes(shape(8, 0, 2))).toEqual(['factor']);
  });

  it('counts the flops of MATH.md section 3', () => {
    const pairs = (count: number) => (count * (count + 1)) / 2;
    const perPair = (chain: ChainShape, route: string) => {
      const flops = (count: number) =>
        planRoute(alike(count, chain), MACHINE).estimates.find((estimate) => estimate.route === route)!.flops;
      // What is left when the preparation of every model is taken away.
      return (flops(3) - (3 / 2) * flops(2)) / (pairs(3) - (3 / 2) * pairs(2));
    };
    expect(perPair(shape(784, 256, 10, 128), 'factor')).toBeCloseTo(2 * 512 ** 2 * 784 + 2 * 256 ** 2 * 10, 0);
    expect(perPair(shape(784, 256, 10, 128), 'unfolded') / 2e6).toBeCloseTo(55.4, 0);
    expect(perPair(shape(64, 32, 10), 'dense')).toBeCloseTo(2 * 10 * ((64 * 65) / 2), 0);
  });

  it('leaves out what the memory cannot hold, and prepares again what it can hold in part', () => {
    const job = alike(400, shape(64, 32, 10));
    const { estimates } = planRoute(job, MACHINE);
    const dense = estimates.find(({ route }) => route === 'dense')!;
    const tight = planRoute({ ...job, memoryLimit: dense.memory / 300 }, MACHINE);
    expect(tight.route).toBe('factor');
    const half = planRoute({ ...job, memoryLimit: dense.memory / 2 }, MACHINE);
    const again = half.estimates.find(({ route }) => route === 'dense')!;
    expect(again.seconds).toBeGreaterThan(dense.seconds);
    expect(() => planRoute({ ...job, memoryLimit: 1 << 10 }, MACHINE)).toThrow(TensimError);
    expect(() => planRoute({ ...job, memoryLimit: 1 << 10 }, MACHINE)).toThrow(/a pair of models takes 0\.\d MiB/);
  });

  it('passes over a route that takes more memory than there is, unless all do', () => {
    const job = alike(400, shape(64, 32, 10));
    const [factor, dense] = planRoute(job, MACHINE).estimates;
    expect(planRoute({ ...job, memory: dense!.memory }, MACHINE).route).toBe('dense');
    expect(planRoute({ ...job, memory: factor!.memory }, MACHINE).route).toBe('factor');
    expect(planRoute({ ...job, memory: 1 }, MACHINE).route).toBe('dense');
  });

  it('does not choose by what was measured, and tells it in the seconds', () => {
    for (const count of [2, 3, 5, 8, 13, 21, 34]) {
      for (const inputs of [16, 24, 32, 48, 64, 96, 128]) {
        const job = alike(count, shape(inputs, 32, 10, 12));
        const plan = planRoute(job, MACHINE);
        for (const pace of [0.1, 0.97, 1.03, 40]) {
          const other = planRoute(job, { ...MACHINE, pace });
          expect(other.route).toBe(plan.route);
          for (const [i, { seconds }] of other.estimates.entries())
            expect((seconds * pace) / plan.estimates[i].seconds).toBeCloseTo(1, 1);
        }
      }
    }
  });

  it('does not count memory for large forms that are made in the one tile of all pairs', () => {
    const once = { ...MACHINE, once: true };
    const bytes = (machine: RouteMachine, count: number, more = {}) =>
      planRoute({ ...alike(count, shape(600, 64, 3)), ...more }, machine).estimates.find(
        ({ route }) => route === 'dense',
      )!.bytes;
    expect(bytes(once, 40)).toBeLessThan(bytes(MACHINE, 40) / 2);
    // More than one tile: many models, few pairs, or a limit.
    expect(bytes(once, 2000)).toBe(bytes(MACHINE, 2000));
    expect(bytes(once, 40, { pairs: 100 })).toBe(bytes(MACHINE, 40, { pairs: 100 }));
    expect(bytes(once, 40, { memoryLimit: 2 ** 25 })).toBe(bytes(MACHINE, 40, { memoryLimit: 2 ** 25 }));
    const small = planRoute(alike(40, shape(64, 32, 3)), once).estimates;
    expect(small).toEqual(planRoute(alike(40, shape(64, 32, 3)), MACHINE).estimates);
  });

  it('plans by the pairs that are asked for', () => {
    const chain = shape(64, 32, 10);
    const few = planRoute({ ...alike(400, chain), pairs: 800 }, MACHINE);
    const all = planRoute(alike(400, chain), MACHINE);
    expect(few.estimates[0].flops).toBeLessThan(all.estimates[0].flops / 50);
    expect(few.estimates[0].seconds).toBeLessThan(all.estimates[0].seconds / 5);
  });
});

describe('the shape of a chain', () => {
  const draw = random(3);
  const plain = { before: 0, after: 0, block: true, biases: false, residual: false, down: true };
  const chain = (traits: Partial<ChainTraits>) => randomChain(draw, 5, 4, { ...plain, ...traits }).layers;

  it('is read off its layers', () => {
    const bare = chainShape(chain({}), 5, false);
    expect(bare).toMatchObject({ inputs: 5, embedding: null, outputs: 4, linear: false });
    expect(bare.hidden).toBeGreaterThan(0);
    expect(chainShape(chain({ before: 2 }), 3, false)).toMatchObject({ inputs: 3, embedding: expect.any(Number) });
    expect(chainShape(chain({ block: false, before: 1 }), 5, false)).toMatchObject({ hidden: 0, linear: true });
    for (const part of [{ biases: true }, { residual: true }])
      expect(chainShape(chain(part), 5, false).linear).toBe(true);
    expect(chainShape(chain({}), 5, true).linear).toBe(true);
  });
});

describe('the memory that a route may take', () => {
  const models = Array(400).fill(memberOf(blockModel(random(1), { inputs: 64, hidden: 32, outputs: 10 })));
  const routeWith = async (freeMemory: number, totalMemory: number) => {
    const { info } = await planComparison(models, settle({ backend: 'fallback' }), {
      freeMemory,
      totalMemory,
    });
    return info.route;
  };

  it('is that of the machine, whatever is free of it', async () => {
    const { info } = await planComparison(models, settle({ backend: 'fallback' }));
    const needed = info.estimates.find(({ route }) => route === info.route)!.memory;
    for (const free of [needed, 1.5 * needed, 40 * needed]) expect(await routeWith(free, 40 * needed)).toBe(info.route);
  });

  it('is that which is free only where the route would not fit', async () => {
    const { info } = await planComparison(models, settle({ backend: 'fallback' }));
    const [larger, smaller] = [...info.estimates].sort((a, b) => b.memory - a.memory);
    const taken = info.estimates.find(({ route }) => route === info.route)!;
    const total = 2 * larger.memory;
    expect(taken).toBe(larger);
    expect(await routeWith(total, total)).toBe(larger.route);
    expect(await routeWith(larger.memory - 1, total)).toBe(smaller.route);
  });
});
