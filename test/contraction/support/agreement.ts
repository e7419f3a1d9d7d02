import { expect } from 'vitest';
import { contract } from '../../../lib/contraction/running/contract.js';
import type { ContractOptions } from '../../../lib/contraction/running/options.js';
import { dtypeOf } from '../../../lib/tensor/tensor.js';
import { errorInBounds, naiveContraction } from './naive.js';
import { choose, type Random, randomCase, randomFrom } from './random_equations.js';

function randomOptions(random: Random, resultBytes: number): ContractOptions {
  const optimize = choose(random, ['auto', 'optimal', 'greedy', 'random-greedy'] as const);
  const strategy = choose(random, ['blocked', 'blocked', 'ttgt', 'loops'] as const);
  const cost = choose(random, ['time', 'flops'] as const);
  const stripExponent = random() < 0.15;
  const memoryLimit = random() < 0.3 ? resultBytes + 2000 + random() * 20_000 : undefined;
  return { optimize, strategy, cost, memoryLimit, stripExponent, seed: Math.floor(random() * 1000) };
}

/** Random equations with random options, against the naive evaluation. */
export async function checkRandomEquations(seed: number, count: number, more: ContractOptions = {}): Promise<void> {
  const random = randomFrom(seed);
  for (let i = 0; i < count; i++) {
    const made = randomCase(random);
    const expected = naiveContraction(made);
    const options = { ...randomOptions(random, 8 * expected.values.length), ...more };
    const where = () =>
      JSON.stringify({
        equation: made.equation,
        operands: made.operands.map(({ data: _, ...rest }) => rest),
        options,
      });
    const result = await contract(made.equation, made.operands, options).catch((error: Error) => {
      // A limit close to the size of the result may be too small for the workspace of the smallest slice.
      if (options.memoryLimit !== undefined && 'code' in error && error.code === 'MEMORY_LIMIT') return undefined;
      throw new Error(where(), { cause: error });
    });
    if (result === undefined) continue;
    const exponent = 'exponent' in result ? (result.exponent as number) : 0;
    expect(result.shape, where()).toEqual(expected.shape);
    const single = made.operands.every(({ data }) => dtypeOf(data) === 'float32');
    expect(dtypeOf(result.data), where()).toBe(single ? 'float32' : 'float64');
    expect(errorInBounds(result, expected, made.operands.length, exponent), where()).toBeLessThanOrEqual(1);
  }
}
