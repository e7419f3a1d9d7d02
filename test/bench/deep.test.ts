import { describe, expect, it } from 'vitest';
import { headPairWork } from '../../bench/deep/chain_flops.js';
import { forwardFlops, pairFlops } from '../../bench/deep/flops.js';
import { type AttentionShape, type DeepShape, INSTANCES, type Instance } from '../../bench/deep/instances.js';
import { measure, type Outcome } from '../../bench/deep/measure.js';
import { forwardTable, leftOutLines, pairsTable } from '../../bench/deep/results.js';
import { type Task, tasksOf } from '../../bench/deep/tasks.js';
import { takeTurns } from '../../bench/turns.js';
import type { Grams } from '../../lib/backend/grams.js';
import { FALLBACK } from '../../lib/fallback/backend.js';
import { loadNative } from '../../lib/machines/native.js';

const loaded = loadNative();
const native = 'reason' in loaded ? undefined : loaded.backend;
const deep: DeepShape = { family: 'deep', inputs: 40, width: 12, hidden: 24, outputs: 5, blocks: 2 };
const attention: AttentionShape = { family: 'attention', tokens: 30, width: 16, heads: 2, layers: 2, positions: 3 };
const small: Instance[] = [
  { name: 'small deep', shape: deep, methods: ['two-block', 'closure', 'tensor'] },
  { name: 'small one', shape: { ...deep, blocks: 1 }, methods: ['one-block', 'closure', 'tensor'] },
  { name: 'small attention', shape: attention, methods: ['closure'] },
];

/** What the addon counts for a pair. */
async function ownCount(task: Task): Promise<number> {
  let count = 0;
  const onProgress = (_: number, total: number) => {
    count = total;
  };
  const grams: Grams = {
    ...native!.grams,
    tile: (job, rows, columns, control) => native!.grams.tile(job, rows, columns, { ...control, onProgress }),
  };
  const ready = await task.prepare({ ...native!, grams }, 'float64', 1, 0);
  await ready.run(1);
  ready.dispose();
  return count;
}

describe('the flops of a pair', () => {
  const pairs = small.flatMap(tasksOf).filter(({ unit }) => unit === 'pair');

  it.skipIf(native === undefined).each(pairs.filter(({ instance }) => instance !== 'small attention'))(
    'are those that the addon counts, but for small terms: $instance, $what',
    async (task) => {
      const ratio = (await ownCount(task)) / task.flops;
      expect(ratio).toBeGreaterThan(0.8);
      expect(ratio).toBeLessThan(1.2);
    },
  );

  it.skipIf(native === undefined)('are fewer than the addon counts for attention, where it skips zeros', async () => {
    const task = pairs.find(({ instance }) => instance === 'small attention')!;
    const count = await ownCount(task);
    expect(task.flops).toBeLessThan(count);
    expect(task.flops).toBeGreaterThan(count / 10);
  });

  it('are more for more blocks, hidden units and positions', () => {
    for (const method of ['closure', 'tensor'] as const) {
      expect(pairFlops({ ...deep, blocks: 3 }, method)).toBeGreaterThan(pairFlops(deep, method));
      expect(pairFlops({ ...deep, hidden: 48 }, method)).toBeGreaterThan(2 * pairFlops(deep, method));
    }
    expect(pairFlops({ ...attention, positions: 6 }, 'closure')).toBeGreaterThan(4 * pairFlops(attention, 'closure'));
    expect(forwardFlops(attention, 'tokens')).toBeLessThan(forwardFlops(attention, 'vectors'));
  });
});

describe('the work of a pair of heads', () => {
  const dense = { positions: 1, causal: true, independent: false, last: true };

  it('is that of the whole recursion at one position, where nothing is zero', () => {
    // Blocks D, two products each: of 4 items from v to 6 halves and w, from 6 halves to w, and 4 blocks in each of the
    // 7 sides of rings. Then, for every one of 24 ways from v through an item into a second one, 4 links to the end and
    // the product with the beginning.
    expect(headPairWork(dense).products).toBe(2 * (4 * 7 + 4 * 6 + 7 * 4) + 24 * (4 + 1));
  });

  it('is the same for independent positions where there is one', () => {
    expect(headPairWork({ ...dense, independent: true })).toEqual(headPairWork(dense));
  });

  it('is less than that of every pair of positions by itself', () => {
    const { products } = headPairWork({ ...dense, positions: 4 });
    const pairs = 1 + 4 + 9 + 16;
    expect(products).toBeLessThan(pairs * 280);
    expect(headPairWork({ ...dense, positions: 4, causal: false }).products).toBeGreaterThan(products);
    expect(headPairWork({ ...dense, positions: 4, independent: true }).products).toBeLessThan(products / 2);
  });
});

describe('a measurement', () => {
  const field = { native, fallback: FALLBACK, threads: 2, rounds: 1 };

  it.each(small.flatMap(tasksOf))('compares the backends: $instance, $what', async (task) => {
    const { results, leftOut } = await measure(task, 'float64', field);
    expect(leftOut).toEqual([]);
    const expected = native ? ['native 1', 'native 2', 'fallback 1'] : ['fallback 1'];
    expect(results.map(({ backend, threads }) => `${backend} ${threads}`)).toEqual(expected);
    for (const { seconds, gflops } of results) expect(gflops).toBeCloseTo(task.flops / seconds / 1e9, 9);
  });

  it('leaves out what would take minutes, and says so', async () => {
    const [task] = small.flatMap(tasksOf) as [Task];
    const outcome = await measure({ ...task, flops: 1e15 }, 'float64', field);
    expect(outcome.results).toEqual([]);
    expect(leftOutLines([outcome]).join('\n')).toMatch(/small deep, two-block, float64 on fallback/);
  });

  it('fails where a result is wrong', async () => {
    const [task] = small.flatMap(tasksOf) as [Task];
    const prepare: typeof task.prepare = async (...given) => ({
      ...(await task.prepare(...given)),
      check: async () => Float64Array.of(Number.NaN),
    });
    await expect(measure({ ...task, prepare }, 'float64', field)).rejects.toThrow(/small deep.*differ by NaN/);
  });

  it('lets one that takes long sit out the remaining rounds', async () => {
    const slow = { time: () => new Promise<number>((resolve) => setTimeout(() => resolve(1), 20)) };
    const quick = { time: async () => 2 };
    const { turns } = await takeTurns([slow, quick], { rounds: 3, turn: 0, patience: 0.01 });
    expect(turns).toEqual([[1], [2, 2, 2]]);
  });
});

describe('the tables', () => {
  const result = {
    backend: 'native',
    threads: 1,
    seconds: 0.004,
    turns: [0.004],
    gflops: 50,
    percentOfPeak: 40,
  } as const;
  const pair: Outcome = {
    instance: 'a network',
    what: 'closure',
    unit: 'pair',
    flops: 2e8,
    dtype: 'float64',
    results: [result, { ...result, threads: 2, seconds: 0.002 }],
    leftOut: ['fallback'],
  };
  const forward: Outcome = { ...pair, what: 'tokens', unit: 'input', results: [{ ...result, seconds: 1e-5 }] };

  it('have times of pairs and rates of inputs, without columns that nobody took part in', () => {
    const [head, , row, ...others] = pairsTable([pair, forward]).split('\n');
    expect(others).toEqual([]);
    expect(head).toMatch(/network +method +dtype +flop +native +of peak +2 threads +of peak$/);
    expect(row).toMatch(/a network +closure +float64 +200 M +4\.00 ms +40\.0 % +2\.00 ms/);
    expect(forwardTable([pair, forward])).toMatch(/tokens +float64 +200 M +100 k\/s +40\.0 %/);
  });
});

describe('the instances', () => {
  it('have distinct names, and tasks that know their cost', () => {
    expect(new Set(INSTANCES.map(({ name }) => name)).size).toBe(INSTANCES.length);
    for (const { flops, instance } of INSTANCES.flatMap(tasksOf)) expect(flops, instance).toBeGreaterThan(1e3);
  });
});
