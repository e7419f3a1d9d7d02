import { describe, expect, it } from 'vitest';
import type { ContractionPlan } from '../../lib/contraction/plan.js';
import { executePlan } from '../../lib/fallback/contraction/execute.js';
import { BufferPool } from '../../lib/fallback/contraction/pool.js';
import { sizeOf, type Tensor } from '../../lib/tensor/tensor.js';
import { interpret } from './support/interpret.js';
import { errorInBounds, naiveContraction } from './support/naive.js';
import { planOf } from './support/plan_of.js';
import { randomCase, randomFrom, randomTensor } from './support/random_equations.js';

const zeros = (...shape: number[]): Tensor => ({ data: new Float64Array(sizeOf(shape)), shape });

describe('plans', () => {
  it('say everything an executor needs, within the memory they promise', () => {
    const random = randomFrom(99);
    let sliced = 0;
    for (let i = 0; i < 400; i++) {
      const made = randomCase(random);
      const expected = naiveContraction(made);
      const memoryLimit = i % 2 === 0 ? 8 * (expected.values.length + 8 + Math.floor(random() * 30)) : undefined;
      const stripExponent = i % 5 === 0;
      const plan = JSON.parse(JSON.stringify(planOf(made.equation, made.operands, { memoryLimit, stripExponent })));
      const { output, peak } = interpret(plan, made.operands);
      const where = JSON.stringify({ equation: made.equation, memoryLimit, plan });
      expect(
        errorInBounds({ data: Float64Array.from(output), shape: [] }, expected, made.operands.length),
        where,
      ).toBeLessThanOrEqual(1);
      expect(8 * peak, where).toBeLessThanOrEqual(plan.peakBytes);
      if (memoryLimit !== undefined) expect(plan.peakBytes, where).toBeLessThanOrEqual(memoryLimit);
      if (plan.slices.length > 0) sliced++;
    }
    expect(sliced).toBeGreaterThan(30);
  });

  it('fuse labels that are contiguous in every view into one loop', () => {
    const { steps } = planOf('abcd,cde->abe', [zeros(2, 3, 4, 5), zeros(4, 5, 6)]);
    expect(steps).toHaveLength(1);
    const [{ left, right, contracted }] = steps as [ContractionPlan['steps'][0]];
    expect(left).toEqual([{ size: 6, strideA: 20, strideB: 0, strideOut: 6, slice: -1 }]);
    expect(right).toEqual([{ size: 6, strideA: 0, strideB: 1, strideOut: 1, slice: -1 }]);
    expect(contracted).toEqual([{ size: 20, strideA: 1, strideB: 6, strideOut: 0, slice: -1 }]);
  });

  it('make the output contiguous along the right bundle', () => {
    const { steps } = planOf('ij,jk->ki', [zeros(40, 50), zeros(50, 60)]);
    expect(steps[0].right.map(({ strideOut }) => strideOut)).toEqual([1]);
    expect(steps[0].a.buffer).toBe(1);
  });

  it('take diagonals and permutations as views, without a copy', () => {
    expect(planOf('iij,jk->ki', [zeros(40, 40, 50), zeros(50, 60)]).steps.map(({ kernel }) => kernel)).toEqual([
      'gemm',
    ]);
    expect(planOf('ii->i', [zeros(5, 5)]).steps[0].batch[0].strideA).toBe(6);
  });

  it.each([
    [
      'ij,jk->ik',
      [
        [40, 40],
        [40, 40],
      ],
      ['gemm'],
    ],
    [
      'ij,jk->ik',
      [
        [32, 32],
        [32, 32],
      ],
      ['small'],
    ],
    ['ij,j->i', [[40, 40], [40]], ['gemv']],
    [
      'bi,bi->b',
      [
        [4, 40],
        [4, 40],
      ],
      ['dot'],
    ],
    ['i,j->ij', [[40], [40]], ['multiply']],
    ['ij->j', [[4, 4]], ['reduce']],
    ['ij->ji', [[4, 4]], ['copy']],
    ['ij,k->k', [[4, 4], [3]], ['reduce', 'multiply']],
    [
      'ij,jk->ik',
      [
        [4, 0],
        [0, 4],
      ],
      [],
    ],
  ] as [string, number[][], string[]][])('%s of %j is done by %j', (equation, shapes, kernels) => {
    const { steps } = planOf(
      equation,
      shapes.map((shape) => zeros(...shape)),
    );
    expect(steps.map(({ kernel }) => kernel)).toEqual(kernels);
  });

  it('do once what no slice changes', async () => {
    const operands = [zeros(50, 20), zeros(20, 20), zeros(20, 20), zeros(50, 20)];
    const plan = planOf('hi,ij,jk,gk->gh', operands, {
      memoryLimit: 8 * 3400,
      optimize: [
        [1, 2],
        [0, 2],
        [0, 1],
      ],
    });
    expect(plan.slices.length).toBeGreaterThan(0);
    expect(plan.once.map(({ text }) => text)).toContain('ij,jk->ik');
  });

  it('never run past the end of a shorter last part', () => {
    const random = randomFrom(17);
    let ragged = 0;
    for (const [x, y] of [
      [7, 11],
      [11, 7],
      [11, 13],
      [13, 11],
      [5, 17],
      [17, 5],
    ] as const) {
      const inputs = [
        [0, 2],
        [0, 3],
        [1, 2],
        [1, 3],
      ];
      const operands = [
        [3, x],
        [3, y],
        [4, x],
        [4, y],
      ].map((shape) => randomTensor(random, shape));
      const expected = naiveContraction({ inputs, output: [], operands });
      const optimize = [
        [0, 1],
        [0, 1],
        [0, 1],
      ];
      for (const memoryLimit of [300, 500, 700, 900, 1100]) {
        const plan = planOf({ inputs, output: [] }, operands, { memoryLimit, optimize });
        ragged += plan.slices.filter(({ size, chunk }) => size % chunk > 0).length;
        const output = Float64Array.from(interpret(plan, operands).output);
        expect(errorInBounds({ data: output, shape: [] }, expected, 4)).toBeLessThanOrEqual(1);
      }
    }
    expect(ragged).toBeGreaterThan(10);
  });

  it('are executed by the fallback within the bytes they promise', async () => {
    const operands = [zeros(90, 40), zeros(80, 40), zeros(90, 50), zeros(80, 50)];
    for (const memoryLimit of [Number.MAX_SAFE_INTEGER, 60_000, 20_000, 5_000, 1_000]) {
      const plan = planOf('hi,ki,hj,kj->', operands, {
        memoryLimit,
        optimize: [
          [0, 1],
          [0, 1],
          [0, 1],
        ],
      });
      const pool = new BufferPool('float64', plan.peakBytes);
      await executePlan(plan, operands, {}, pool);
      expect(pool.peakBytes).toBeLessThanOrEqual(Math.min(memoryLimit, plan.peakBytes));
    }
  });
});
