import { describe, expect, it } from 'vitest';
import type { Optimize } from '../../lib/contraction/path/find.js';
import { PairQueue } from '../../lib/contraction/path/queue.js';
import { mulberry32 } from '../../lib/contraction/random.js';
import { compileSteps } from '../../lib/contraction/running/compile.js';
import {
  compileContraction,
  compileContractionAsync,
  contract,
  contractionPath,
  contractionPathAsync,
} from '../../lib/contraction/running/contract.js';
import { tensor } from '../../lib/tensor/tensor.js';

interface Network {
  readonly equation: { readonly inputs: number[][]; readonly output: number[] };
  readonly shapes: number[][];
}

const networkOf = (inputs: number[][], output: number[], extent = 2): Network => ({
  equation: { inputs, output },
  shapes: inputs.map((labels) => labels.map(() => extent)),
});
const list = <T>(count: number, of: (i: number) => T) => Array.from({ length: count }, (_, i) => of(i));
const chain = (count: number) =>
  networkOf(
    list(count, (i) => [i, i + 1]),
    [0, count],
  );
const star = (count: number) =>
  networkOf(
    list(count, (i) => [0, i + 1]),
    [0],
  );
const apart = (count: number) =>
  networkOf(
    list(count, (i) => [i]),
    [],
  );
const joined = (count: number, each: number) =>
  networkOf(
    list(count, (i) => list(each + 1, (k) => i * each + k)),
    [],
  );
/** One operand with that many axes of extent 1. */
const wide = (count: number) => networkOf([list(count, (i) => i)], [], 1);
const fromTheLeft = ({ shapes }: Network) =>
  list(shapes.length - 1, (i) => (i === 0 ? [0, 1] : [0, shapes.length - 1 - i]));

const MOST = 50;
const largest = (times: readonly number[]) => times.reduce((most, time) => Math.max(most, time), 0);

/**
 * The longest that the planner goes without a pause, in milliseconds. Pauses depend on the work done alone, so that of
 * several runs the least time of each stretch is what it takes; the rest is other processes, which take no processor time
 * of this one, and garbage. It runs again as long as that could be what makes a stretch too long.
 */
function longestHold({ equation, shapes }: Network, optimize: Optimize, runs: number): number {
  const least: number[] = [];
  for (let run = 0; run < runs && !(run > 0 && largest(least) < MOST); run++) {
    const steps = compileSteps(equation, shapes, { optimize, backend: 'fallback' });
    for (let i = 0, done: boolean | undefined = false; !done; i++) {
      const [begun, before] = [performance.now(), process.cpuUsage()];
      done = steps.next().done;
      const { user, system } = process.cpuUsage(before);
      const held = Math.min(performance.now() - begun, (user + system) / 1000);
      least[i] = Math.min(least[i] ?? Number.POSITIVE_INFINITY, held);
    }
  }
  return largest(least);
}

describe('planning of many operands and labels never holds others up', { timeout: 240_000 }, () => {
  const cases: [string, Network, Optimize, number][] = [
    ['3,000 in a chain', chain(3000), 'greedy', 3],
    ['3,000 in a chain', chain(3000), 'random-greedy', 2],
    ['3,000 with a label in common', star(3000), 'greedy', 3],
    ['3,000 with nothing in common', apart(3000), 'greedy', 3],
    ['3,000 with nothing in common', apart(3000), 'auto', 2],
    ['100,000 labels of 1,000', joined(1000, 100), 'greedy', 6],
    ['100,000 labels of one', wide(100_000), 'auto', 8],
    ['100,000 labels of one', wide(100_000), 'optimal', 8],
    ['3,000 in a chain', chain(3000), fromTheLeft(chain(3000)), 3],
  ];
  it.each(cases)('%s', (_, network, optimize, runs) => {
    expect(longestHold(network, optimize, runs)).toBeLessThan(MOST);
  });

  it('100,000 in a chain, with timers served all along', async () => {
    const { equation, shapes } = chain(100_000);
    let [ticks, last, longest] = [0, performance.now(), 0];
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
      ticks++;
    }, 1);
    const begun = performance.now();
    const { steps, path } = await contractionPathAsync(equation, shapes, { optimize: 'greedy' });
    const taken = performance.now() - begun;
    clearInterval(timer);
    expect([steps.length, path.length]).toEqual([99_999, 99_999]);
    // How long other processes and the collection of garbage hold it is theirs; that it is a small part of the time is
    // ours.
    expect(ticks).toBeGreaterThan(100);
    expect(longest).toBeLessThan(taken / 4);
  });

  it('ends with the reason of an abort', async () => {
    const { equation, shapes } = chain(3000);
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error('enough')), 20);
    await expect(contractionPathAsync(equation, shapes, { signal: controller.signal })).rejects.toThrow('enough');
  });
});

describe('the two ways to plan', () => {
  const random = mulberry32(5);
  const networks = list(8, (t) => {
    const inputs = list(4 + 3 * t, () => [...new Set(list(3, () => Math.floor(random() * (6 + 3 * t))))]);
    return networkOf(inputs, inputs[0].slice(0, 1), 3);
  });

  it.each(['auto', 'greedy', 'random-greedy'] as const)('find the same path by %s', async (optimize) => {
    for (const [seed, { equation, shapes }] of networks.entries()) {
      const options = { optimize, seed, memoryLimit: 1e6, backend: 'fallback' } as const;
      expect(await contractionPathAsync(equation, shapes, options)).toEqual(contractionPath(equation, shapes, options));
    }
  });

  it('run the same', async () => {
    const [x, w] = [tensor([1, 2, 3, 4, 5, 6], [2, 3]), tensor([1, 0, 2, 1, 0, 1], [3, 2])];
    const options = { constants: { 1: w } };
    const shapes = [
      [2, 3],
      [3, 2],
    ];
    const compiled = [
      compileContraction('ij,jk->ik', shapes, options),
      await compileContractionAsync('ij,jk->ik', shapes, options),
    ];
    for (const { run, path } of compiled) {
      expect((await run([x])).data).toEqual((await contract('ij,jk->ik', [x, w])).data);
      // At once nothing is weighed.
      expect({ ...path, passedOver: undefined }).toEqual({ ...compiled[0].path, passedOver: undefined });
    }
  });

  it('at once has bounds, and names the other', () => {
    const [many, wider] = [chain(3000), wide(100_000)];
    const begun = performance.now();
    const message =
      '3,000 operands with 6,000 axes are too many to be planned at once. At most 1,024 operands and 16,384 axes';
    expect(() => contractionPath(many.equation, many.shapes)).toThrow(
      `${message} are; contractionPathAsync plans any number`,
    );
    expect(() => compileContraction(many.equation, many.shapes)).toThrow('compileContractionAsync plans any number');
    expect(() => contractionPath(wider.equation, wider.shapes)).toThrow('1 operands with 100,000 axes');
    expect(performance.now() - begun).toBeLessThan(1000);
    const most = chain(1024);
    expect(contractionPath(most.equation, most.shapes, { optimize: 'greedy' }).steps).toHaveLength(1023);
  });

  it('refuse an operand of more elements than a number can say, and an optimal path over too many labels', async () => {
    const { equation, shapes } = networkOf([list(2000, (i) => i)], []);
    expect(() => contractionPath(equation, shapes)).toThrow('operand 0 has 2,000 axes, and more elements than');
    // Each of 5,000 labels is in two of 16 operands: 65,536 subsets of them.
    const [first, ...rest] = list(16, () => list(5000, (i) => i));
    const shared = networkOf([first, ...rest], [], 1);
    const mixed = shared.shapes.map((shape, operand) =>
      shape.map((_, axis) => ([operand, (operand + 1) % 16].includes(axis % 16) ? 2 : 1)),
    );
    const found = contractionPathAsync(shared.equation, mixed, { optimize: 'optimal' });
    await expect(found).rejects.toThrow('an optimal path of 16 operands with 5000 labels is out of reach');
  });
});

describe('a queue of pairs', () => {
  it('gives them by their keys, of equal ones the first to come, and what is no number last', () => {
    const random = mulberry32(7);
    const queue = new PairQueue();
    const pairs = list(1000, (i) => ({ key: i % 97 === 0 ? Number.NaN : Math.floor(random() * 50), i }));
    for (const { key, i } of pairs) queue.push(key, i, 1000 - i);
    const order = pairs.toSorted((a, b) => (Number.isNaN(a.key) ? 1e9 : a.key) - (Number.isNaN(b.key) ? 1e9 : b.key));
    expect(list(1000, () => queue.pop())).toEqual(order.map(({ i }) => [i, 1000 - i]));
    expect(queue.pop()).toBeUndefined();
  });
});
