import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { evaluate } from '../../lib/evaluation/evaluate.js';
import { createModel, type LayerDefinition } from '../../lib/model/create.js';
import type { Model } from '../../lib/model/model.js';
import { loadModel } from '../../lib/model/reading/load.js';
import { tensor } from '../../lib/tensor/tensor.js';
import { availableBackends, fullBackend } from '../support/backends.js';
import { runs } from '../support/campaign.js';
import { hermite } from '../support/hermite.js';
import { randomAttention, randomBlock, randomLinear, randomTensor } from '../support/models.js';
import { evaluateSequence, type Rows } from '../support/oracles.js';
import { type Random, random } from '../support/random.js';

const golden = join(import.meta.dirname, '../golden');

/**
 * A chain of linear, bilinear and attention layers of random sizes, with and without biases, residuals, rotary and
 * mask.
 */
function randomModel(draw: Random): Model {
  const layers: LayerDefinition[] = [];
  const inputs = draw.integer(1, 5);
  let width = inputs;
  for (let left = draw.integer(1, 4); left > 0; left--) {
    // Two attention layers are of degree 25 already.
    const kind = draw.integer(0, layers.filter(({ type }) => type === 'attention').length < 2 ? 2 : 1);
    const residual = draw.integer(0, 1) === 1;
    const out = residual ? width : draw.integer(1, 5);
    const biases = draw.integer(0, 1) === 1;
    const factors: [number, number] = residual ? [0.75, -0.5] : [0, draw.integer(1, 2)];
    if (kind === 0) layers.push(randomLinear(draw, out, width, biases));
    else if (kind === 1) {
      const { down, ...block } = randomBlock(draw, {
        inputs: width,
        hidden: out,
        outputs: out,
        biases,
        residual: factors,
      });
      layers.push(draw.integer(0, 1) === 1 ? { ...block, down: down! } : block);
    } else {
      layers.push(
        randomAttention(draw, {
          inputs: width,
          outputs: out,
          heads: draw.integer(1, 3),
          size: 2 * draw.integer(1, 3),
          biases,
          residual: factors,
          mask: draw.integer(0, 1) === 1 ? 'causal' : 'none',
          rotaryBase: draw.integer(0, 1) === 1 ? 10 ** draw.integer(1, 4) : null,
        }),
      );
    }
    width = out;
  }
  return createModel({ layers, positions: draw.integer(1, 5) });
}

function rowsFrom(data: ArrayLike<number>, width: number): Rows {
  return Array.from({ length: data.length / width }, (_, i) =>
    Array.from({ length: width }, (_, j) => data[i * width + j]),
  );
}

/** The largest difference relative to the largest value. */
function difference(found: ArrayLike<number>, expected: readonly number[]): number {
  const scale = Math.max(...expected.map(Math.abs), Number.MIN_VALUE);
  return Math.max(...expected.map((value, i) => Math.abs(value - found[i]) / scale));
}

describe.each(availableBackends)('evaluate on %s', (backend) => {
  test('agrees with the formulas written out, whatever the chain', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.integer({ min: 1, max: 3 }), async (seed, batch) => {
        const draw = random(seed);
        const model = randomModel(draw);
        const [n, d] = model.inputShape;
        const inputs = randomTensor(draw, batch, n, d);
        const expected = rowsFrom(inputs.data, n * d).flatMap((input) =>
          evaluateSequence(model, rowsFrom(input, d)).flat(),
        );
        const found = await evaluate(model, inputs, { backend });
        expect(found.shape).toEqual([batch, ...model.outputShape]);
        // Cancellation in one layer is multiplied by the degree of those after it.
        expect(difference(found.data, expected)).toBeLessThan(1e-9);
      }),
      { numRuns: runs(60) },
    );
  });

  test('float32 gives the same to its precision', async () => {
    const draw = random(8);
    const layers = [
      randomLinear(draw, 12, 30),
      randomAttention(draw, {
        inputs: 12,
        outputs: 12,
        heads: 3,
        size: 4,
        biases: true,
        residual: [1, 0.5],
        mask: 'none',
        rotaryBase: 100,
      }),
      randomBlock(draw, { inputs: 12, hidden: 20, outputs: 5, biases: true }),
    ];
    const model = createModel({ layers, positions: 6 });
    const inputs = randomTensor(draw, 9, 6, 30);
    const exact = await evaluate(model, inputs, { backend });
    const found = await evaluate(model, inputs, { backend, dtype: 'float32' });
    expect(found.data).toBeInstanceOf(Float32Array);
    expect(found.data).not.toEqual(exact.data);
    expect(difference(found.data, Array.from(exact.data))).toBeLessThan(1e-5);
  });

  test('is the same for every batch and number of threads, to the bit, across chunks and blocks of queries', async () => {
    const draw = random(7);
    const layers = [
      randomLinear(draw, 12, 300),
      randomAttention(draw, {
        inputs: 12,
        outputs: 12,
        heads: 2,
        size: 6,
        residual: [1, 0.5],
        mask: 'causal',
        rotaryBase: 100,
      }),
      randomBlock(draw, { inputs: 12, hidden: 40, outputs: 3 }),
    ];
    const model = createModel({ layers, positions: 70 });
    const inputs = randomTensor(draw, 5, 70, 300);
    const all = await evaluate(model, inputs, { backend, threads: 2 });
    expect(await evaluate(model, inputs, { backend, threads: 1 })).toEqual(all);
    const last = await evaluate(model, tensor(inputs.data.slice(4 * 70 * 300), [1, 70, 300]), { backend });
    expect(last.data).toEqual(all.data.slice(4 * 70 * 3));
    const expected = rowsFrom(inputs.data, 70 * 300).flatMap((input) =>
      evaluateSequence(model, rowsFrom(input, 300)).flat(),
    );
    expect(difference(all.data, expected)).toBeLessThan(1e-12);
  });

  test('tokens are one-hot vectors', async () => {
    const draw = random(11);
    for (const biases of [false, true]) {
      const attention = randomAttention(draw, {
        inputs: 4,
        outputs: 4,
        heads: 2,
        size: 2,
        biases,
        mask: 'none',
        rotaryBase: null,
      });
      const model = createModel({ layers: [randomLinear(draw, 4, 6, biases), attention], positions: 3 });
      const tokens = [
        [0, 5, 2],
        [3, 3, 1],
      ];
      const onehot = new Float64Array(2 * 3 * 6);
      for (const [place, token] of tokens.flat().entries()) onehot[place * 6 + token] = 1;
      const expected = await evaluate(model, tensor(onehot, [2, 3, 6]), { backend });
      const found = await evaluate(model, tokens, { backend });
      expect(found.shape).toEqual([2, 3, 4]);
      expect(difference(found.data, Array.from(expected.data))).toBeLessThan(1e-14);
      expect(await evaluate(model, Int32Array.from(tokens.flat()), { backend })).toEqual(found);
    }
  });

  test('integers of the shape of vectors are vectors', async () => {
    const draw = random(12);
    const plain = createModel({ layers: [randomBlock(draw, { inputs: 3, hidden: 2, outputs: 2 })] });
    const pixels = { data: Int32Array.of(0, 255, 7, 3, 2, 1), shape: [2, 3] };
    const floats = tensor(Array.from(pixels.data), [2, 3]);
    expect(await evaluate(plain, pixels, { backend })).toEqual(await evaluate(plain, floats, { backend }));
    const sequence = createModel({ layers: [randomLinear(draw, 2, 3)], positions: 2 });
    const rows = { ...pixels, shape: [1, 2, 3] };
    const expected = await evaluate(sequence, { ...floats, shape: [1, 2, 3] }, { backend });
    expect(await evaluate(sequence, rows, { backend })).toEqual(expected);
    // Where both would do they are token ids.
    const single = createModel({ layers: [randomLinear(draw, 2, 1)] });
    const ids = { data: Int32Array.of(0, 0), shape: [2, 1] };
    expect(await evaluate(single, ids, { backend })).toEqual(await evaluate(single, [[0], [0]], { backend }));
  });

  test('takes (batch, d) for one position and keeps the form', async () => {
    const model = createModel({ layers: [randomLinear(random(3), 2, 4)] });
    const inputs = randomTensor(random(4), 3, 4);
    expect((await evaluate(model, inputs, { backend })).shape).toEqual([3, 2]);
    expect((await evaluate(model, { ...inputs, shape: [3, 1, 4] }, { backend })).shape).toEqual([3, 1, 2]);
    expect((await evaluate(model, { data: inputs.data, shape: [3, 4], strides: [1, 3] }, { backend })).data).toEqual(
      (
        await evaluate(
          model,
          tensor(
            Array.from({ length: 12 }, (_, i) => inputs.data[Math.floor(i / 4) + (i % 4) * 3]),
            [3, 4],
          ),
          { backend },
        )
      ).data,
    );
    expect((await evaluate(model, tensor([], [0, 4]), { backend })).shape).toEqual([0, 2]);
  });

  test('gives the golden inner products by quadrature: the layers of every family are the ones meant', async () => {
    interface Case {
      readonly a: string;
      readonly b: string;
      readonly gaussian_exact: { readonly ab: number; readonly aa: number; readonly bb: number } | null;
    }
    const cases: Case[] = JSON.parse(readFileSync(join(golden, 'small_models.json'), 'utf8'));
    let checked = 0;
    for (const { a, b, gaussian_exact } of cases) {
      const [f, g] = await Promise.all([a, b].map((name) => loadModel(join(golden, 'models', name))));
      const [n, d] = f.inputShape;
      const points = f.degree! + 1;
      if (gaussian_exact === null || points ** (n * d) > 3000) continue;
      const { inputs, weights } = grid(n * d, points);
      const batch = tensor(inputs, [weights.length, n, d]);
      const [x, y] = await Promise.all([f, g].map((model) => evaluate(model, batch, { backend })));
      const width = x.data.length / weights.length;
      const sum = (p: ArrayLike<number>, q: ArrayLike<number>) =>
        weights.reduce((total, weight, i) => {
          let dot = 0;
          for (let c = i * width; c < (i + 1) * width; c++) dot += p[c] * q[c];
          return total + weight * dot;
        }, 0);
      const { ab, aa, bb } = gaussian_exact;
      expect(Math.abs(sum(x.data, y.data) - ab) / Math.sqrt(aa * bb)).toBeLessThan(1e-11);
      expect(sum(x.data, x.data) / aa).toBeCloseTo(1, 10);
      expect(sum(y.data, y.data) / bb).toBeCloseTo(1, 10);
      checked++;
    }
    expect(checked).toBe(14);
  });

  test('stops with the reason of its signal and reports how far it is', async () => {
    const draw = random(5);
    const model = createModel({ layers: [randomBlock(draw, { inputs: 64, hidden: 2048, outputs: 8 })] });
    const inputs = randomTensor(draw, 40_000, 64);
    const reason = new Error('enough');
    await expect(evaluate(model, inputs, { backend, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 1);
    await expect(evaluate(model, inputs, { backend, signal: controller.signal })).rejects.toBe(reason);
    const reports: number[] = [];
    await evaluate(model, tensor(inputs.data.subarray(0, 64 * 1000), [1000, 64]), {
      backend,
      onProgress: (done, total) => reports.push(done / total),
    });
    expect(reports.at(-1)).toBe(1);
    expect(reports.every((part, i) => part >= (reports[i - 1] ?? 0) && part <= 1)).toBe(true);
  });

  test('a forward pass serves many batches until it is disposed of', async () => {
    const model = createModel({ layers: [randomLinear(random(1), 2, 3)] });
    const source = { layers: model.layers, positions: 1, features: 3, input: 'vectors' } as const;
    const pass = await fullBackend(backend).forward.prepare(source, 'float64');
    const first = await pass.evaluate(Float64Array.of(1, 2, 3));
    expect(await pass.evaluate(Float64Array.of(1, 2, 3, 1, 2, 3))).toEqual(Float64Array.of(...first, ...first));
    pass.dispose();
    pass.dispose();
    await expect(async () => pass.evaluate(Float64Array.of(1, 2, 3))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });
});

describe('inputs that do not fit', () => {
  const draw = random(2);
  const plain = createModel({ layers: [randomLinear(draw, 2, 3)], label: 'plain' });
  const sequence = createModel({ layers: [randomLinear(draw, 2, 3)], positions: 2 });
  const block = createModel({ layers: [randomBlock(draw, { inputs: 3, hidden: 2, outputs: 1 })] });

  test.each([
    ['another width', plain, tensor([1, 2], [1, 2]), 'SHAPE_MISMATCH'],
    ['one axis', plain, tensor([1, 2, 3], [3]), 'SHAPE_MISMATCH'],
    ['another number of positions', sequence, tensor([1, 2, 3], [1, 1, 3]), 'SHAPE_MISMATCH'],
    ['two axes for more positions', sequence, tensor([1, 2, 3, 4, 5, 6], [2, 3]), 'SHAPE_MISMATCH'],
    ['a short sequence', sequence, [[1]], 'SHAPE_MISMATCH'],
    ['half a sequence', sequence, Int32Array.of(1, 2, 0), 'SHAPE_MISMATCH'],
    ['a token beyond the vocabulary', plain, [[3]], 'INVALID_ARGUMENT'],
    ['a negative token', plain, Int32Array.of(-1), 'INVALID_ARGUMENT'],
    ['a fraction', plain, [[0.5]], 'INVALID_ARGUMENT'],
    ['a number that wraps around', plain, [[2 ** 32]], 'INVALID_ARGUMENT'],
    ['no sequences', plain, [1, 2] as never, 'INVALID_ARGUMENT'],
    ['tokens without an embedding', block, [[1]], 'UNSUPPORTED_LAYER'],
    ['a string', plain, 'inputs.npy' as never, 'INVALID_ARGUMENT'],
  ])('%s', async (_, model, inputs, code) => {
    await expect(evaluate(model, inputs)).rejects.toMatchObject({ name: 'TensimError', code });
  });

  test('integers that are neither token ids nor vectors are told what they are taken for', async () => {
    const inputs = { data: new Int32Array(8), shape: [2, 4] };
    const error = await evaluate(plain, inputs).catch((reason) => reason);
    expect(error).toMatchObject({ code: 'SHAPE_MISMATCH' });
    expect(error.message).toContain('the token ids have shape [2,4] instead of [batch, 1]');
    expect(error.hint).toContain('or for vectors where they have the shape [batch, 3]');
  });

  test('options are checked', async () => {
    await expect(evaluate(plain, [[1]], { dtype: 'int8' as never })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    await expect(evaluate(plain, [[1]], { batch: 3 } as never)).rejects.toThrow('"batch"');
  });
});

/** The points of the grid of Gauss–Hermite nodes, one after the other, and their weights. */
function grid(dimensions: number, points: number): { inputs: Float64Array; weights: number[] } {
  const rule = hermite(points);
  const inputs: number[] = [];
  const weights: number[] = [];
  for (let point = 0; point < points ** dimensions; point++) {
    const digits = Array.from({ length: dimensions }, (_, i) => Math.floor(point / points ** i) % points);
    inputs.push(...digits.map((digit) => rule.nodes[digit]));
    weights.push(digits.reduce((product, digit) => product * rule.weights[digit], 1));
  }
  return { inputs: Float64Array.from(inputs), weights };
}
