// Contractions of the CUDA backend above its kernels: with a library whose device is the host, and where there is a GPU
// with it as well.
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { compileContraction, contract, contractionPath, tensor } from '../../lib/index.js';
import { loadAddon } from '../../lib/machines/addon.js';
import { backends } from '../../lib/machines/select.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { checkRandomEquations } from '../contraction/support/agreement.js';
import { randomFrom, randomTensor } from '../contraction/support/random_equations.js';
import { buildEmulatedLibrary } from '../support/emulated_library.js';

const addon = loadAddon();
const emulated = 'addon' in addon && process.platform === 'linux' ? buildEmulatedLibrary() : undefined;
const gpu = (await backends()).some(({ name, available }) => name === 'cuda' && available);
const places = [...(emulated === undefined ? [] : ['an emulated device']), ...(gpu ? ['a GPU'] : [])];

const random = randomFrom(7);
const matrix = (rows: number, columns: number, single = false) => randomTensor(random, [rows, columns], single);

function largestDifference(found: Tensor, wanted: Tensor): number {
  expect(found.shape).toEqual(wanted.shape);
  return [...found.data].reduce((most, x, i) => Math.max(most, Math.abs(x - wanted.data[i])), 0);
}

beforeEach(() => vi.stubEnv('TENSIM_BACKEND', undefined));
afterEach(() => vi.unstubAllEnvs());
afterAll(() => emulated?.dispose());

describe.each(places)('contractions on %s', (place) => {
  const CUDA = { backend: 'cuda' } as const;
  const libraries = new Map<string, string>();

  /** One library for all tests of a place, which a process opens once. */
  beforeEach(() => {
    if (place !== 'an emulated device') return;
    const path = libraries.get(place) ?? emulated!.copy();
    libraries.set(place, path);
    vi.stubEnv('TENSIM_CUDA_LIBRARY', path);
  });

  it.each([0, 1, 2])('agree with a naive evaluation on random equations, seed %i', (seed) =>
    checkRandomEquations(seed, 150, CUDA),
  );

  it.each([
    ['float64', 1e-12],
    ['float32', 1e-5],
  ] as const)('agree with the other backends in %s', async (dtype, tolerance) => {
    const single = dtype === 'float32';
    const equations: [string, Tensor[]][] = [
      [
        'hi,ki,hj,kj->hk',
        [matrix(70, 33, single), matrix(150, 33, single), matrix(70, 9, single), matrix(150, 9, single)],
      ],
      ['mk,nk->nm', [matrix(40, 900, single), matrix(36, 900, single)]],
      ['ij,j->i', [matrix(200, 300, single), randomTensor(random, [300], single)]],
      ['ij->ji', [matrix(77, 130, single)]],
      ['ij->', [matrix(77, 130, single)]],
    ];
    for (const [equation, operands] of equations) {
      for (const strategy of ['blocked', 'ttgt', 'loops'] as const) {
        const [found, wanted] = await Promise.all([
          contract(equation, operands, { ...CUDA, strategy }),
          contract(equation, operands, { backend: 'fallback', strategy: 'loops' }),
        ]);
        expect(largestDifference(found, wanted)).toBeLessThan(tolerance * 100);
      }
    }
  });

  it('slice to fit a memory limit, with constants and exponents', async () => {
    const operands = [matrix(60, 6), matrix(60, 6), matrix(60, 5), matrix(60, 5)] as const;
    const equation = 'hi,ki,hj,kj->';
    const wanted = await contract(equation, operands, { backend: 'fallback' });
    const sliced = await contract(equation, operands, { ...CUDA, memoryLimit: 12_000, optimize: 'greedy' });
    expect(sliced.data[0]).toBeCloseTo(wanted.data[0], 9);
    const shapes = operands.map(({ shape }) => shape);
    const compiled = compileContraction(equation, shapes, {
      ...CUDA,
      constants: { 1: operands[1] },
      stripExponent: true,
    });
    for (let run = 0; run < 2; run++) {
      const scaled = (await compiled.run([operands[0], operands[2], operands[3]])) as Tensor & { exponent: number };
      expect(scaled.data[0] * 2 ** scaled.exponent).toBeCloseTo(wanted.data[0], 9);
    }
  });

  it('keep values in range that no double holds', async () => {
    const large = tensor([1e300, -1e300], [2]);
    const result = await contract('i,i,i->i', [large, large, large], { ...CUDA, stripExponent: true });
    expect(Math.log10(Math.abs(result.data[1])) + result.exponent * Math.log10(2)).toBeCloseTo(900, 9);
    expect(Math.sign(result.data[1])).toBe(-1);
  });

  it('report progress and end with the reason of an abort', async () => {
    const operands = [matrix(300, 200), matrix(200, 300)];
    const reports: [number, number][] = [];
    await contract('ij,jk', operands, { ...CUDA, onProgress: (done, total) => reports.push([done, total]) });
    expect(reports.at(-1)![0]).toBe(reports.at(-1)![1]);
    const controller = new AbortController();
    const reason = new Error('enough');
    const during = contract('ij,jk', operands, { ...CUDA, signal: controller.signal });
    controller.abort(reason);
    await expect(during).rejects.toBe(reason);
  });

  it.skipIf(place !== 'an emulated device').each([
    ['ik,kj->ij', [50, 700, 40], 'blocked'], // in parts along the depth
    ['ik,jk->ji', [50, 700, 40], 'ttgt'],
    ['ik,kj->ij', [50, 700, 40], 'loops'],
    ['ik,k->i', [40, 40_000, 1], 'blocked'], // sums in parts
  ] as const)(
    'take the memory that the plan of %s of %j says, by the strategy %s',
    async (equation, sizes, strategy) => {
      const extent = { i: sizes[0], k: sizes[1], j: sizes[2] };
      const [inputs] = equation.split('->');
      const shapes = inputs.split(',').map((term) => [...term].map((label) => extent[label as 'i' | 'j' | 'k']));
      const operands = shapes.map((shape) =>
        tensor(new Float64Array(shape.reduce<number>((size, n) => size * n, 1)), shape),
      );
      const { peakBytes } = contractionPath(equation, shapes, { ...CUDA, strategy });
      const bytes = operands.reduce((sum, { data }) => sum + data.byteLength, 0);
      vi.stubEnv('TENSIM_CUDA_LIBRARY', emulated!.copy());
      vi.stubEnv('TENSIM_TEST_FAULT', `memory of ${bytes + peakBytes}`);
      await contract(equation, operands, { ...CUDA, strategy });
      // Another seed: a plan that was made lately goes on with the library it was made for.
      vi.stubEnv('TENSIM_CUDA_LIBRARY', emulated!.copy());
      vi.stubEnv('TENSIM_TEST_FAULT', `memory of ${bytes + peakBytes * 0.9}`);
      await expect(contract(equation, operands, { ...CUDA, strategy, seed: 1 })).rejects.toMatchObject({
        code: 'MEMORY_LIMIT',
      });
    },
  );

  it.skipIf(place !== 'an emulated device')('tell of too little memory', async () => {
    vi.stubEnv('TENSIM_CUDA_LIBRARY', emulated!.copy());
    vi.stubEnv('TENSIM_TEST_FAULT', 'small memory');
    await expect(contract('ij,jk', [matrix(1200, 1000), matrix(1000, 3)], CUDA)).rejects.toMatchObject({
      code: 'MEMORY_LIMIT',
      message: expect.stringContaining('out of device memory'),
    });
  });
});
