import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileContraction, contract, contractionPath } from '../../lib/contraction/running/contract.js';
import { type Tensor, tensor } from '../../lib/tensor/tensor.js';
import { campaignSeed, runs } from '../support/campaign.js';
import { errorInBounds, naiveContraction } from './support/naive.js';
import { randomFrom, randomTensor } from './support/random_equations.js';

const random = randomFrom(2024);
const values = (...shape: number[]) => randomTensor(random, shape);
const maxDifference = (a: Tensor, b: Tensor) =>
  [...a.data].reduce((most, value, i) => Math.max(most, Math.abs(value - b.data[i])), 0);

const contiguous = ({ shape }: Tensor) => ({
  data: Float64Array.from({ length: shape[0] * shape[1] }, () => random() + 0.5),
  shape,
});

describe('operands', () => {
  it('may be reversed, repeated and transposed by their strides', async () => {
    const data = Float64Array.of(1, 2, 3, 4, 5, 6);
    expect([...(await contract('i', [{ data, shape: [6], strides: [-1] }])).data]).toEqual([6, 5, 4, 3, 2, 1]);
    expect([...(await contract('ij->i', [{ data, shape: [2, 3], strides: [1, 0] }])).data]).toEqual([3, 6]);
    expect([...(await contract('ij', [{ data, shape: [3, 2], strides: [1, 3] }])).data]).toEqual([1, 4, 2, 5, 3, 6]);
  });

  it('decide the compute type: float32 if all are, else float64, or as asked for', async () => {
    const single = { data: Float32Array.of(1, 2), shape: [2] };
    const double = { data: Float64Array.of(1 / 3, 2), shape: [2] };
    expect((await contract('i,i', [single, single])).data).toBeInstanceOf(Float32Array);
    expect((await contract('i,i', [single, double])).data).toEqual(Float64Array.of(1 / 3 + 4));
    expect((await contract('i,i->i', [single, double], { dtype: 'float32' })).data).toEqual(Float32Array.of(1 / 3, 4));
    expect((await contract('i,i', [single, single], { dtype: 'float64' })).data).toBeInstanceOf(Float64Array);
  });

  it('are never changed', async () => {
    const operands = [values(5, 4), values(4, 3), tensor([2e200], [])];
    const before = structuredClone(operands);
    await contract('ij,jk,->', operands, { stripExponent: true });
    expect(operands).toEqual(before);
  });
});

describe('blocks', () => {
  // Extents on either side of the panels, the blocks and the 32 below which nothing is packed.
  const extents = [
    [1, 1, 700],
    [5, 3, 257],
    [33, 7, 40],
    [129, 4, 33],
    [130, 259, 3],
    [127, 257, 258],
    [4, 600, 1],
    [260, 1, 300],
  ];
  for (const strategy of ['blocked', 'ttgt'] as const) {
    for (const dtype of ['float64', 'float32'] as const) {
      it.each(extents)(`%i × %i × %i in ${dtype} by ${strategy}`, async (m, n, k) => {
        const batch = 2;
        const a = randomTensor(random, [m, batch, k], dtype === 'float32');
        const b = randomTensor(random, [batch, k, n], dtype === 'float32');
        const expected = naiveContraction({
          inputs: [
            [0, 1, 2],
            [1, 2, 3],
          ],
          output: [3, 0, 1],
          operands: [a, b],
        });
        const result = await contract('mbk,bkn->nmb', [a, b], { strategy, dtype });
        expect(result.data.BYTES_PER_ELEMENT).toBe(dtype === 'float64' ? 8 : 4);
        expect(errorInBounds(result, expected, 2)).toBeLessThanOrEqual(1);
      });
    }
  }

  it('agree on large element-wise steps, transposes and sums, in every layout', async () => {
    const a = values(130, 70, 9);
    const b = values(9, 130);
    const cases: [string, number[][], number[], Tensor[]][] = [
      [
        'abc,ca->bac',
        [
          [0, 1, 2],
          [2, 0],
        ],
        [1, 0, 2],
        [a, b],
      ],
      ['abc->cba', [[0, 1, 2]], [2, 1, 0], [a]],
      ['abc->b', [[0, 1, 2]], [1], [a]],
      ['abc->ac', [[0, 1, 2]], [0, 2], [a]],
      ['abc->', [[0, 1, 2]], [], [a]],
      [
        'abc,abc->',
        [
          [0, 1, 2],
          [0, 1, 2],
        ],
        [],
        [a, a],
      ],
      [
        'abc,abc->c',
        [
          [0, 1, 2],
          [0, 1, 2],
        ],
        [2],
        [a, a],
      ],
    ];
    for (const [equation, inputs, output, operands] of cases) {
      const expected = naiveContraction({ inputs, output, operands });
      expect(
        errorInBounds(await contract(equation, operands), expected, operands.length),
        equation,
      ).toBeLessThanOrEqual(1);
    }
  });
});

describe('stripExponent', () => {
  const chain = 'ab,bc,cd,de->ae';
  const scaled = (factor: number, operand: Tensor) => ({
    ...operand,
    data: operand.data.map((value) => value * factor),
  });

  it.each([
    [1e200, 'overflows'],
    [1e-200, 'underflows'],
    [1e-310, 'underflows and which are subnormal themselves'],
  ])('keeps factors of %s, whose product %s, in range', async (factor) => {
    const operands = [values(4, 5), values(5, 6), values(6, 3), values(3, 2)];
    const plain = await contract(chain, operands);
    for (const memoryLimit of [undefined, 1300]) {
      const options = { stripExponent: true, memoryLimit } as const;
      const result = await contract(
        chain,
        operands.map((operand) => scaled(factor, operand)),
        options,
      );
      const largest = Math.max(...result.data.map(Math.abs));
      expect(largest).toBeGreaterThanOrEqual(0.5);
      expect(largest).toBeLessThan(1);
      const shift = 4 * Math.log2(factor);
      for (const [i, value] of plain.data.entries()) {
        const exact = result.data[i] * 2 ** (result.exponent - shift);
        expect(Math.abs(exact - value)).toBeLessThan(factor === 1e-310 ? 1e-3 : 1e-10);
      }
    }
  });

  it.each([20, -20])('adds up slices whose sizes differ by a factor of 2^%i each', async (step) => {
    const [h, k] = [23, 29];
    const operands = [values(h, 3), values(k, 3), values(h, 2), values(k, 2)].map((operand) => contiguous(operand));
    for (const side of [0, 1]) {
      const { data, shape } = operands[side];
      for (let i = 0; i < data.length; i++) data[i] *= 2 ** (step * Math.floor(i / shape[1]));
    }
    const equation = 'hi,ki,hj,kj->';
    const options = {
      stripExponent: true,
      memoryLimit: 2500,
      optimize: [
        [0, 1],
        [0, 1],
        [0, 1],
      ],
    } as const;
    const { path } = compileContraction(
      equation,
      operands.map(({ shape }) => shape),
      options,
    );
    expect(path.slices[0].count).toBeGreaterThan(2);
    const plain = (await contract(equation, operands)).data[0];
    const result = await contract(equation, operands, options);
    expect(result.data[0] * 2 ** result.exponent).toBeCloseTo(plain, 10 - Math.ceil(Math.log10(Math.abs(plain))));
  });

  it('has exponent 0 where everything is zero, and passes NaN on', async () => {
    const zero = await contract('i,j->ij', [tensor([0, 0], [2]), tensor([1, 2], [2])], { stripExponent: true });
    expect(zero).toEqual({ data: new Float64Array(4), shape: [2, 2], exponent: 0 });
    const nan = await contract('i,i->i', [tensor([Number.NaN, 1], [2]), tensor([1, 2], [2])], { stripExponent: true });
    expect(nan.data[0]).toBeNaN();
    expect(nan.data[1] * 2 ** nan.exponent).toBe(2);
  });
});

describe('compiled contractions', () => {
  const shapes = [
    [6, 5],
    [5, 4],
    [4, 7],
    [7, 3],
  ];
  const operands = shapes.map((shape) => values(...shape));
  const equation = 'ab,bc,cd,de->ae';

  it('run again and again, with any strides', async () => {
    const compiled = compileContraction(equation, shapes);
    for (let i = 0; i < 3; i++) {
      const fresh = shapes.map((shape) => values(...shape));
      expect(maxDifference(await compiled.run(fresh), await contract(equation, fresh))).toBeLessThan(1e-13);
    }
  });

  it('contract constants once', async () => {
    const expected = await contract(equation, operands);
    const constants = { 1: operands[1], 2: operands[2], 3: structuredClone(operands[3]) };
    const compiled = compileContraction(equation, shapes, { constants });
    expect(compiled.path.steps.filter(({ constant }) => constant).map(({ text }) => text)).toHaveLength(2);
    expect(compiled.path.flops).toBe(2 * 6 * 5 * 3);
    expect(maxDifference(await compiled.run([operands[0]]), expected)).toBeLessThan(1e-13);
    // What is folded in is not read again.
    constants[3].data.fill(0);
    expect(maxDifference(await compiled.run([operands[0]]), expected)).toBeLessThan(1e-13);
  });

  it('may be constant in all operands or in lone sums', async () => {
    const all = compileContraction('ab,bc->ca', shapes.slice(0, 2), {
      constants: { 0: operands[0], 1: operands[1] },
    });
    expect(maxDifference(await all.run([]), await contract('ab,bc->ca', operands.slice(0, 2)))).toBeLessThan(1e-13);
    const lone = compileContraction('ab,bc->b', shapes.slice(0, 2), { constants: { 0: operands[0] } });
    expect(maxDifference(await lone.run([operands[1]]), await contract('ab,bc->b', operands.slice(0, 2)))).toBeLessThan(
      1e-13,
    );
  });

  it('refuse other shapes, other numbers of operands and constants that are not there', async () => {
    const compiled = compileContraction(equation, shapes, { constants: { 1: operands[1] } });
    await expect(compiled.run(operands)).rejects.toMatchObject({ code: 'SHAPE_MISMATCH' });
    await expect(compiled.run([operands[0], operands[0], operands[3]])).rejects.toThrow('was compiled for [4, 7]');
    expect(() => compileContraction('i', [[2]], { constants: { 1: values(2) } })).toThrow('constants name operand 1');
    expect(() => compileContraction('i', [[2]], { constants: { 0: values(3) } })).toThrow('was compiled for [2]');
  });
});

describe('running work', () => {
  const large = [values(700, 300), values(300, 600)];
  /** Some milliseconds of plain loops natively, some tenths of a second on the fallback. */
  const medium = [values(300, 200), values(200, 200)];

  it('lets the event loop turn', async () => {
    let turns = 0;
    let running = true;
    const tick = () => {
      turns++;
      if (running) setImmediate(tick);
    };
    setImmediate(tick);
    // Long enough that other work on the machine does not decide how many turns there are.
    await contract('ij,jk', [values(400, 300), values(300, 400)], { strategy: 'loops' });
    running = false;
    expect(turns).toBeGreaterThan(2);
  });

  it('reports progress up to the end, never backwards', async () => {
    const reports: [number, number][] = [];
    await contract('ij,jk', large, { onProgress: (done, total) => reports.push([done, total]) });
    const total = 700 * 300 * 600;
    expect(reports.at(-1)).toEqual([total, total]);
    for (const [i, [done, of]] of reports.entries()) {
      expect(of).toBe(total);
      expect(done).toBeGreaterThanOrEqual(reports[i - 1]?.[0] ?? 0);
    }
  });

  it('counts exactly the points of sliced plans', async () => {
    const reports: number[] = [];
    const shapes = [
      [37, 9],
      [41, 9],
      [37, 8],
      [41, 8],
    ];
    const options = {
      memoryLimit: 13_000,
      optimize: [
        [0, 1],
        [0, 1],
        [0, 1],
      ],
    };
    const operands = shapes.map((shape) => values(...shape));
    await contract('hi,ki,hj,kj->', operands, { ...options, onProgress: (done) => reports.push(done) });
    expect(contractionPath('hi,ki,hj,kj->', shapes, options).slices.some(({ size, chunk }) => size % chunk > 0)).toBe(
      true,
    );
    // Where it takes longer than a moment, there are others before the last.
    expect(reports.at(-1)).toBe(37 * 41 * (9 + 8 + 1));
  });

  it('stops with the reason of the abort', async () => {
    const reason = new Error('enough');
    const before = contract('ij,jk', large, { signal: AbortSignal.abort(reason) });
    await expect(before).rejects.toBe(reason);
    const controller = new AbortController();
    const during = contract('ij,jk', large, { signal: controller.signal, strategy: 'loops' });
    setImmediate(() => controller.abort(reason));
    await expect(during).rejects.toBe(reason);
  });

  it('can be repeated after an abort while constants were contracted', async () => {
    const compiled = compileContraction(
      'ij,jk',
      [
        [300, 200],
        [200, 200],
      ],
      { constants: { 0: medium[0], 1: medium[1] }, strategy: 'loops' }, // slow enough to be aborted in the middle
    );
    const controller = new AbortController();
    const first = compiled.run([], { signal: controller.signal });
    setImmediate(() => controller.abort());
    await expect(first).rejects.toMatchObject({ name: 'AbortError' });
    expect(maxDifference(await compiled.run([]), await contract('ij,jk', medium))).toBeLessThan(1e-10);
  });

  it.each([
    [{ strategy: 'fast' }, 'strategy must be one of blocked, ttgt, loops, not fast'],
    [{ cost: 'money' }, 'cost must be one of time, flops'],
    [{ dtype: 'int8' }, 'dtype must be one of float64, float32'],
    [{ backend: 'gpu' }, 'the option "backend" is "gpu"'],
    [{ seed: 0.5 }, 'seed must be an integer'],
  ])('refuses the options %j', async (options, message) => {
    await expect(contract('i', [values(2)], options as never)).rejects.toThrow(message);
  });
});

describe('properties', () => {
  const equation = 'abc,bd,dca->';
  const shapes = [
    [3, 4, 2],
    [4, 5],
    [5, 2, 3],
  ];
  const operand = (shape: number[]) =>
    fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 60, maxLength: 60 }).map((numbers) =>
      tensor(
        numbers.slice(
          0,
          shape.reduce((a, b) => a * b, 1),
        ),
        shape,
      ),
    );
  const three = fc.tuple(operand(shapes[0]), operand(shapes[1]), operand(shapes[2]));

  it('is linear in every operand', async () => {
    await fc.assert(
      fc.asyncProperty(
        three,
        operand(shapes[1]),
        fc.double({ min: -2, max: 2, noNaN: true }),
        async ([a, b, c], other, s) => {
          const mixed = { ...b, data: b.data.map((value, i) => value + s * other.data[i]) };
          const [whole, first, second] = await Promise.all([b, other, mixed].map((x) => contract(equation, [a, x, c])));
          expect(second!.data[0]).toBeCloseTo(whole!.data[0] + s * first!.data[0], 10);
        },
      ),
      { numRuns: runs(50), seed: 3 + campaignSeed },
    );
  });

  it('does not depend on the order of the operands or of the search', async () => {
    await fc.assert(
      fc.asyncProperty(three, fc.constantFrom('optimal', 'greedy', 'random-greedy'), async ([a, b, c], optimize) => {
        const one = await contract(equation, [a, b, c]);
        const two = await contract('dca,abc,bd->', [c, a, b], { optimize: optimize as 'greedy' });
        expect(two.data[0]).toBeCloseTo(one.data[0], 10);
      }),
      { numRuns: runs(50), seed: 4 + campaignSeed },
    );
  });
});
