import { describe, expect, it } from 'vitest';
import type { GramRoute } from '../../lib/backend/grams.js';
import type { Model } from '../../lib/model/model.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import type { Matrix, MatrixOptions } from '../../lib/similarity/terms/types.js';
import { availableBackends } from '../support/backends.js';
import { blockModel, modelOf, randomBlock, randomLinear } from '../support/models.js';
import { random } from '../support/random.js';

const ROUTES: readonly GramRoute[] = ['factor', 'unfolded', 'dense'];
const numbers = (matrix: Matrix) => matrix.map((row) => Array.from(row));

/** Behind an embedding, so that every route applies; of more than one hidden size. */
function embedded(count: number): Model[] {
  const draw = random(count);
  return Array.from({ length: count }, (_, i) =>
    modelOf(
      [randomLinear(draw, 5, 7, false), randomBlock(draw, { inputs: 5, hidden: 9 + (i % 2), outputs: 3 })],
      `model ${i}`,
    ),
  );
}

describe.each(availableBackends)('the numbers on %s', (backend) => {
  const ways: [string, readonly Model[], MatrixOptions][] = [
    ...ROUTES.map((route): [string, readonly Model[], MatrixOptions] => [
      `by the route ${route}`,
      embedded(37),
      { route },
    ]),
    ['in float32', embedded(37), { dtype: 'float32', route: 'factor' }],
    ['in float32 by the route dense', embedded(37), { dtype: 'float32', route: 'dense' }],
    ['of the measure tensor', embedded(37), { measure: 'tensor', route: 'factor' }],
    ['of the measure weights', embedded(37).filter((_, i) => i % 2 === 0), { measure: 'weights' }],
    ['by the method closure', embedded(9), { method: 'closure' }],
    [
      'of two blocks',
      Array.from({ length: 20 }, (_, i) => {
        const draw = random(100 + i);
        const block = () => randomBlock(draw, { inputs: 3, hidden: 4, outputs: 3, biases: true });
        return modelOf([block(), block()], `deep ${i}`);
      }),
      {},
    ],
  ];

  it.each(ways)('%s are the same with any threads, memory limit, tiles and neighbours', async (_, models, options) => {
    const whole = await similarityMatrix(models, { backend, perOutput: true, ...options, columns: undefined });
    const prepared = new Set<number>();
    for (const [threads, memoryLimit] of [
      [1, undefined],
      [3, 60_000],
      [2, 25_000],
      [1, 14_000],
      [1, 4_000],
      [2, 2_000],
    ] as const) {
      const part = await similarityMatrix(models, {
        backend,
        perOutput: true,
        threads,
        memoryLimit,
        ...options,
        columns: undefined,
      }).catch((error) => error);
      // The smallest limits are too small for some of the ways.
      if (part.code === 'MEMORY_LIMIT') continue;
      expect(numbers(part.gram)).toEqual(numbers(whole.gram));
      expect(part.perOutput.gram.map(numbers)).toEqual(whole.perOutput!.gram.map(numbers));
      prepared.add(part.work.prepared);
    }
    expect(prepared.size).toBeGreaterThan(1);
    const band = await similarityMatrix(models, {
      backend,
      perOutput: true,
      window: 2,
      ...options,
      columns: undefined,
    });
    for (const [i, row] of band.gram.entries()) {
      for (let j = Math.max(0, i - 2); j <= i + 2 && j < models.length; j++) expect(row[j]).toBe(whole.gram[i][j]);
    }
    const [rows, columns] = [models.slice(0, 4), models.slice(3)];
    const cross = await similarityMatrix(models, { backend, perOutput: true, ...options, rows, columns });
    for (const [r, row] of cross.gram.entries()) expect(Array.from(row)).toEqual(Array.from(whole.gram[r].slice(3)));
  });
});

it.each(availableBackends)('the numbers on %s are the same whether large forms are kept or not', async (backend) => {
  const models = Array.from({ length: 9 }, (_, i) =>
    blockModel(random(i), { inputs: 425, hidden: 3 + (i % 2), outputs: 3 }, `model ${i}`),
  );
  for (const dtype of ['float64', 'float32'] as const) {
    const options = { backend, dtype, route: 'dense', perOutput: true } as const;
    // All pairs are one tile, which makes the forms; the others keep them.
    const whole = await similarityMatrix(models, options);
    const turns = await similarityMatrix(models, { ...options, memoryLimit: '12MB' });
    expect(numbers(turns.gram)).toEqual(numbers(whole.gram));
    expect(turns.perOutput.gram.map(numbers)).toEqual(whole.perOutput.gram.map(numbers));
    const band = await similarityMatrix(models, { ...options, window: 1 });
    for (const [i, row] of band.gram.entries()) if (i > 0) expect(row[i - 1]).toBe(whole.gram[i][i - 1]);
  }
});

describe('what a memory limit allows', () => {
  const models = Array.from({ length: 30 }, (_, i) =>
    blockModel(random(i), { inputs: 20, hidden: 16, outputs: 4 }, `model ${i}`),
  );

  it('prepares models again where not all fit, about as often as it must', async () => {
    for (const backend of availableBackends) {
      const whole = await similarityMatrix(models, { backend, route: 'factor' });
      expect(whole.work.prepared).toBe(30);
      const counts: number[] = [];
      for (const memoryLimit of ['1MB', '200kB', '100kB']) {
        const { gram, work } = await similarityMatrix(models, { backend, route: 'factor', memoryLimit });
        expect(gram).toEqual(whole.gram);
        counts.push(work.prepared);
      }
      expect(counts[0]).toBe(30);
      expect(counts[1]).toBeGreaterThan(30);
      expect(counts[2]).toBeGreaterThan(counts[1]);
      expect(counts[2]).toBeLessThan(30 * 31);
    }
  });

  it('is refused where two models do not fit', async () => {
    const error = await similarityMatrix(models, { route: 'factor', memoryLimit: 1000 }).catch((reason) => reason);
    expect(error).toMatchObject({ code: 'MEMORY_LIMIT' });
    expect(error.message).toMatch(/limit/);
  });
});
