import { describe, expect, it } from 'vitest';
import { contract, contractionPath } from '../../lib/contraction/running/contract.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { bytesText } from '../../lib/words/bytes.js';
import { errorInBounds } from './support/naive.js';
import { randomFrom, randomTensor } from './support/random_equations.js';

const MIB = 2 ** 20;

describe('memoryLimit', () => {
  // The product of rows first: the table over h and k is what must never exist whole.
  const explicit = [
    [0, 1],
    [0, 1],
    [0, 1],
  ];

  it('slices an intermediate of 100 GB in large parts and leaves little to do twice', () => {
    const shapes = [
      [112_000, 8],
      [112_000, 8],
      [112_000, 4],
      [112_000, 4],
    ];
    const whole = contractionPath('hi,ki,hj,kj->', shapes, { optimize: explicit });
    expect(whole.largestIntermediate * 8).toBeGreaterThan(100e9);
    const sliced = contractionPath('hi,ki,hj,kj->', shapes, { optimize: explicit, memoryLimit: 256 * MIB });
    expect(sliced.peakBytes).toBeLessThanOrEqual(256 * MIB);
    expect(sliced.flops).toBeLessThanOrEqual(whole.flops * 1.01);
    expect(sliced.seconds).toBeLessThan(whole.seconds * 1.1);
    expect(sliced.slices[0].chunk).toBeGreaterThan(50);
  });

  it('gives the right answer where the naive intermediate is many times the limit', async () => {
    const [h, k, i, j] = [1501, 1400, 6, 5];
    const random = randomFrom(5);
    const operands = [
      [h, i],
      [k, i],
      [h, j],
      [k, j],
    ].map((shape): Tensor => randomTensor(random, shape));
    const limit = MIB;
    const options = { optimize: explicit, memoryLimit: limit };
    const info = contractionPath(
      'hi,ki,hj,kj->',
      operands.map(({ shape }) => shape),
      options,
    );
    expect(h * k * 8).toBeGreaterThan(10 * limit);
    expect(info.peakBytes).toBeLessThanOrEqual(limit);
    // The other order: two small tables over i and j.
    const small = await contract('hi,ki,hj,kj->', operands);
    const sliced = await contract('hi,ki,hj,kj->', operands, options);
    const absolute = await contract(
      'hi,ki,hj,kj->',
      operands.map((operand) => ({ ...operand, data: operand.data.map(Math.abs) })),
    );
    const expected = {
      values: small.data as Float64Array,
      magnitudes: absolute.data as Float64Array,
      shape: [],
      terms: h,
    };
    expect(errorInBounds(sliced, expected, 4)).toBeLessThanOrEqual(1);
  });

  it('slices labels of the output, and of several intermediates at once', async () => {
    const random = randomFrom(6);
    const shapes = [
      [30, 31],
      [31, 32],
      [32, 33],
      [33, 3],
    ];
    const operands = shapes.map((shape) => randomTensor(random, shape));
    const optimize = [
      [0, 1],
      [0, 2],
      [0, 1],
    ];
    const whole = await contract('ab,bc,cd,de->ae', operands, { optimize });
    for (const memoryLimit of [40_000, 20_000, 10_000, 4_000, 1_500]) {
      for (const strategy of ['blocked', 'ttgt', 'loops'] as const) {
        const sliced = await contract('ab,bc,cd,de->ae', operands, { optimize, memoryLimit, strategy });
        for (const [i, value] of whole.data.entries()) expect(sliced.data[i]).toBeCloseTo(value, 10);
      }
    }
  });

  it('refuses a result larger than the limit, with the numbers', () => {
    expect(() => contractionPath('i,j->ij', [[1000], [1000]], { memoryLimit: MIB })).toThrow(
      'the contraction does not fit into 1.00 MiB: the result alone takes 7.63 MiB',
    );
  });

  it('refuses what does not fit even in single indices, before allocating', async () => {
    const operands = [
      { data: new Float64Array(1e6), shape: [1e3, 1e3] },
      { data: new Float64Array(1e6), shape: [1e3, 1e3] },
    ];
    await expect(contract('ij,jk->', operands, { memoryLimit: 10, optimize: [[0, 1]] })).rejects.toMatchObject({
      code: 'MEMORY_LIMIT',
      message: expect.stringMatching(/does not fit into 10 B: it takes \d+ B at least/),
    });
  });

  it.each([0, -1, Number.NaN])('refuses the limit %s', (memoryLimit) => {
    expect(() => contractionPath('i->', [[2]], { memoryLimit })).toThrow('memoryLimit must be a positive number');
  });

  it('prints bytes with three digits', () => {
    expect([0, 1023, 1536, 256 * MIB, 1e11].map(bytesText)).toEqual([
      '0 B',
      '1023 B',
      '1.50 KiB',
      '256 MiB',
      '93.1 GiB',
    ]);
  });
});
