import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

import type { ChainSource, FeatureSource } from '../../lib/backend/grams.js';
import { loadNative } from '../../lib/machines/native.js';
import type { LinearLayer } from '../../lib/model/model.js';

const native = loadNative();
const absent = 'reason' in native || process.env.TENSIM_BACKEND === 'fallback';

/** Runs one of the lives of lives.mjs in a process of its own. */
function live(name: string, delay: number): Promise<{ code: number | null; signal: string | null; output: string }> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('lives.mjs', import.meta.url)), name, String(delay)]);
  let output = '';
  child.stdout.on('data', (text) => (output += text));
  child.stderr.on('data', (text) => (output += text));
  return new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal, output })));
}

function linear(weight: readonly number[], inputs: number): LinearLayer {
  return { type: 'linear', weight: { data: Float64Array.from(weight), shape: [weight.length / inputs, inputs] } };
}

function chainOf(layers: ChainSource['layers'], inputs: number): ChainSource {
  return { kind: 'chain', inputs, positions: 1, method: 'one-block', law: { sigma: 1 }, layers };
}

describe.skipIf(absent)('the addon', () => {
  // The condition is for the type checker: where there is no backend, nothing here runs.
  const backend = 'reason' in native ? undefined! : native.backend;
  const gaussian = { measure: 'gaussian', symmetric: false, perOutput: false } as const;

  describe('ends cleanly', () => {
    for (const delay of [0, 5, 40]) {
      it.each([
        'exit in the middle of a call',
        'exit in the middle of a call whose arrays were transferred',
        'the main thread exits while a worker works',
      ])(`%s, after ${delay} ms`, async (name) => {
        expect(await live(name, delay)).toEqual({ code: 0, signal: null, output: '' });
      });
      it.each([
        'a worker is terminated in the middle of a call',
        'a worker is terminated in the middle of a call whose arrays were transferred',
      ])(`%s, after ${delay} ms`, async (name) => {
        expect(await live(name, delay)).toEqual({ code: 0, signal: null, output: 'settled\n' });
      });
    }
    it.each([
      'models are disposed of in the middle of a call, and twice',
      'a forward pass is disposed of in the middle of a call, and twice',
    ])('%s', async (name) => {
      expect(await live(name, 0)).toEqual({ code: 0, signal: null, output: 'INVALID_ARGUMENT 0 true\n' });
    });
    it('exit from a promise that a call resolves', async () => {
      const end = await live('exit from a promise that a call resolves', 0);
      expect(end).toEqual({ code: 0, signal: null, output: '' });
    });
    it.each([
      'the loop stays alive until a call has settled',
      'a worker exits by itself in the middle of a call',
      'workers and the main thread work at the same time',
    ])('%s', async (name) => {
      expect(await live(name, 10)).toEqual({ code: 0, signal: null, output: 'settled\n' });
    });
  });

  describe('checks its arguments', () => {
    const weight = { data: new Float64Array(6), shape: [2, 3] };
    const parallel = (...branches: object[][]) => ({ type: 'parallel', branches, alpha: 0, beta: 1 });
    const nested = (depth: number): object =>
      depth === 0 ? { type: 'linear', weight } : parallel([nested(depth - 1)]);
    const bad: readonly (readonly [string, unknown, string])[] = [
      [
        'data shorter than the shape',
        [{ type: 'linear', weight: { data: new Float64Array(5), shape: [2, 3] } }],
        'SHAPE_MISMATCH',
      ],
      [
        'a shape of three axes',
        [{ type: 'linear', weight: { data: new Float64Array(6), shape: [1, 2, 3] } }],
        'SHAPE_MISMATCH',
      ],
      [
        'a negative extent',
        [{ type: 'linear', weight: { data: new Float64Array(6), shape: [-2, -3] } }],
        'INVALID_ARGUMENT',
      ],
      [
        'a fractional extent',
        [{ type: 'linear', weight: { data: new Float64Array(6), shape: [1.5, 4] } }],
        'INVALID_ARGUMENT',
      ],
      [
        'extents whose product overflows',
        [{ type: 'linear', weight: { data: new Float64Array(0), shape: [2 ** 52, 2 ** 52] } }],
        'SHAPE_MISMATCH',
      ],
      [
        'another element type',
        [{ type: 'linear', weight: { data: new Int32Array(6), shape: [2, 3] } }],
        'INVALID_ARGUMENT',
      ],
      ['an array of numbers', [{ type: 'linear', weight: { data: [1, 2, 3], shape: [1, 3] } }], 'INVALID_ARGUMENT'],
      [
        'inputs that do not fit',
        [{ type: 'linear', weight: { data: new Float64Array(8), shape: [2, 4] } }],
        'SHAPE_MISMATCH',
      ],
      [
        'a bias of another length',
        [{ type: 'linear', weight, bias: { data: new Float64Array(3), shape: [3] } }],
        'SHAPE_MISMATCH',
      ],
      [
        'layers that do not fit each other',
        [
          { type: 'linear', weight },
          { type: 'linear', weight },
        ],
        'SHAPE_MISMATCH',
      ],
      ['an unknown layer', [{ type: 'softmax' }], 'UNSUPPORTED_LAYER'],
      [
        'a residual of another width',
        [{ type: 'bilinear', left: weight, right: weight, alpha: 1, beta: 1 }],
        'SHAPE_MISMATCH',
      ],
      ['a layer without a type', [{}], 'INVALID_ARGUMENT'],
      ['no branches', [parallel()], 'INVALID_ARGUMENT'],
      ['branches that are no list', [{ ...parallel(), branches: 3 }], 'INVALID_ARGUMENT'],
      ['an empty branch', [parallel([])], 'INVALID_ARGUMENT'],
      [
        'branches of different widths',
        [
          parallel(
            [{ type: 'linear', weight }],
            [{ type: 'linear', weight: { data: new Float64Array(3), shape: [1, 3] } }],
          ),
        ],
        'SHAPE_MISMATCH',
      ],
      ['nine layers within each other', [nested(9)], 'INVALID_ARGUMENT'],
      // Exact methods are given the layer that does the same.
      ['branches', [parallel([{ type: 'linear', weight }])], 'UNSUPPORTED_LAYER'],
    ];
    it.each(bad)('%s', async (_, layers, code) => {
      await expect(backend.grams.prepare(chainOf(layers as ChainSource['layers'], 3), 'float64')).rejects.toMatchObject(
        {
          code,
        },
      );
    });

    it('a detached array', async () => {
      const data = new Float64Array(6);
      structuredClone(data, { transfer: [data.buffer] });
      const layers = [{ type: 'linear', weight: { data, shape: [2, 3] } }] as const;
      await expect(backend.grams.prepare(chainOf(layers, 3), 'float64')).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
      });
    });

    it('objects that are not prepared models', async () => {
      for (const fake of [{}, null, 1, { outputs: 1, bytes: 1, dispose() {} }]) {
        const tile = backend.grams.tile(gaussian, [fake as never], []);
        await expect(tile).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
      }
    });

    it('symmetric matrices that are not there', async () => {
      const refused = async (matrices: object, wanted: unknown, code: string) => {
        await expect(backend.eigen.symmetricEigen(matrices as never, wanted as never)).rejects.toMatchObject({ code });
      };
      const data = new Float64Array(8);
      await refused({ data, count: 2, size: 3 }, 1, 'SHAPE_MISMATCH');
      await refused({ data, count: 0, size: 2 }, 1, 'SHAPE_MISMATCH');
      await refused({ data, count: 2 ** 40, size: 2 ** 40 }, 1, 'SHAPE_MISMATCH');
      await refused({ data, count: -1, size: 2 }, 1, 'INVALID_ARGUMENT');
      await refused({ data, count: 2, size: 2 }, 0.5, 'INVALID_ARGUMENT');
      await refused({ data: new Float32Array(8), count: 2, size: 2 }, 1, 'INVALID_ARGUMENT');
      const view = new Float64Array(9).fill(3).subarray(1, 5).fill(1);
      const { values } = await backend.eigen.symmetricEigen({ data: view, count: 1, size: 2 }, 1);
      expect(values[0]).toBeCloseTo(2, 14);
    });

    it('pairs of legs that do not fit, descend or repeat nothing', async () => {
      const legs = (repeats: number[], edges: number, loops: unknown = null) =>
        ({ repeats: Uint32Array.from(repeats), edges: new Float64Array(edges), loops }) as never;
      await expect(backend.hafnians.loopHafnian(legs([1], 3))).rejects.toMatchObject({ code: 'SHAPE_MISMATCH' });
      await expect(backend.hafnians.loopHafnian(legs([1], 4, new Float64Array(3)))).rejects.toMatchObject({
        code: 'SHAPE_MISMATCH',
      });
      const bad = [legs([0], 4), legs([2, 1], 16), legs(new Array(2000).fill(1), 0), legs([1], 4, new Float32Array(2))];
      for (const given of [...bad, {} as never, null as never]) {
        await expect(backend.hafnians.loopHafnian(given)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
      }
    });

    it('a constructor called from outside', async () => {
      const model = await backend.grams.prepare(chainOf([linear([1, 2], 2)], 2), 'float64');
      const Constructor = model.constructor as new (argument?: unknown) => unknown;
      expect(() => new Constructor()).toThrow(/prepare/);
      expect(() => new Constructor({})).toThrow(/prepare/);
    });

    it('models that have been disposed of, of mixed types, or of other sizes', async () => {
      const [a, b, c] = [
        await backend.grams.prepare(chainOf([linear([1, 2], 2)], 2), 'float64'),
        await backend.grams.prepare(chainOf([linear([1, 2], 2)], 2), 'float32'),
        await backend.grams.prepare(chainOf([linear([1, 2, 3], 3)], 3), 'float64'),
      ];
      await expect(backend.grams.tile(gaussian, [a], [b])).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
      await expect(backend.grams.tile(gaussian, [a], [c])).rejects.toMatchObject({ code: 'SHAPE_MISMATCH' });
      await expect(backend.grams.tile({ ...gaussian, symmetric: true }, [a], [c])).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
      });
      a.dispose();
      a.dispose();
      expect(a.bytes).toBe(0);
      await expect(backend.grams.tile(gaussian, [a], [a])).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    });
  });

  describe('checks what it evaluates', () => {
    const side = { data: new Float64Array(12), shape: [4, 3] };
    const attention = {
      type: 'attention',
      heads: 2,
      ...{ q1: side, k1: side, q2: side, k2: side, v: side },
      o: { data: new Float64Array(12), shape: [3, 4] },
      mask: 'causal',
      rotaryBase: 100,
      alpha: 1,
      beta: 1,
    };
    const source = (layer: object, others: object = {}) =>
      ({ layers: [layer], positions: 2, features: 3, input: 'vectors', ...others }) as never;
    const embedding = { type: 'linear', weight: { data: Float64Array.of(1, 2, 3), shape: [1, 3] } };

    it.each([
      ['no heads', { ...attention, heads: 0 }, 'INVALID_ARGUMENT'],
      ['heads that do not divide', { ...attention, heads: 3 }, 'SHAPE_MISMATCH'],
      ['odd heads that are rotated', { ...attention, heads: 4 }, 'SHAPE_MISMATCH'],
      ['a negative rotary base', { ...attention, rotaryBase: -1 }, 'INVALID_ARGUMENT'],
      ['a rotary base that is NaN', { ...attention, rotaryBase: Number.NaN }, 'INVALID_ARGUMENT'],
      ['missing keys', { ...attention, k2: undefined }, 'INVALID_ARGUMENT'],
      ['keys of another shape', { ...attention, k2: { data: new Float64Array(6), shape: [2, 3] } }, 'SHAPE_MISMATCH'],
      ['an output of other heads', { ...attention, o: side }, 'SHAPE_MISMATCH'],
      [
        'a bias of another length',
        { ...attention, vBias: { data: new Float64Array(3), shape: [3] } },
        'SHAPE_MISMATCH',
      ],
    ])('%s', async (_, layer, code) => {
      await expect(backend.forward.prepare(source(layer), 'float64')).rejects.toMatchObject({ code });
    });

    it.each([
      ['no positions', { positions: 0 }, 'INVALID_ARGUMENT'],
      ['no layers', { layers: [] }, 'INVALID_ARGUMENT'],
      ['tokens for attention', { input: 'tokens' }, 'UNSUPPORTED_LAYER'],
    ])('%s', async (_, others, code) => {
      await expect(backend.forward.prepare(source(attention, others), 'float64')).rejects.toMatchObject({ code });
    });

    it('attention in a chain to be compared', async () => {
      const chain = chainOf([attention] as never, 3);
      await expect(backend.grams.prepare(chain, 'float64')).rejects.toMatchObject({ code: 'UNSUPPORTED_LAYER' });
    });

    it('inputs of another length or type, and ids that are no tokens', async () => {
      const vectors = await backend.forward.prepare(source(embedding), 'float64');
      const tokens = await backend.forward.prepare(source(embedding, { input: 'tokens' }), 'float64');
      expect(await tokens.evaluate(Int32Array.of(2, 0))).toEqual(Float64Array.of(3, 1));
      for (const [pass, inputs, code] of [
        [vectors, new Float64Array(7), 'SHAPE_MISMATCH'],
        [vectors, Int32Array.of(1, 2), 'INVALID_ARGUMENT'],
        [vectors, 'x', 'INVALID_ARGUMENT'],
        [tokens, new Float64Array(2), 'INVALID_ARGUMENT'],
        [tokens, Int32Array.of(1), 'SHAPE_MISMATCH'],
        [tokens, Int32Array.of(1, 3), 'INVALID_ARGUMENT'],
        [tokens, Int32Array.of(-1, 0), 'INVALID_ARGUMENT'],
      ] as const)
        await expect(async () => pass.evaluate(inputs as never)).rejects.toMatchObject({ code });
    });

    it('lets a forward pass be disposed of while a batch still needs it', async () => {
      const pass = await backend.forward.prepare(source(embedding), 'float32');
      expect(pass.bytes).toBeGreaterThan(0);
      const pending = pass.evaluate(Float64Array.of(1, 0, 0, 0, 1, 1));
      pass.dispose();
      expect(await pending).toEqual(Float32Array.of(1, 5));
      expect(pass.bytes).toBe(0);
    });
  });

  describe('reads memory as JavaScript sees it', () => {
    const square = async (data: Float64Array | Float32Array) => {
      const source: FeatureSource = { kind: 'features', segments: [data] };
      const model = await backend.grams.prepare(source, 'float64');
      return (await backend.grams.tile(gaussian, [model], [model])).total[0];
    };

    it('honours byteOffset', async () => {
      expect(await square(Float64Array.of(1, 2, 3, 4, 5).subarray(1, 3))).toBe(13);
      expect(await square(Float32Array.of(1, 2, 3, 4, 5).subarray(3))).toBe(41);
    });
    it('takes shared memory', async () => {
      const data = new Float64Array(new SharedArrayBuffer(16));
      data.set([3, 4]);
      expect(await square(data)).toBe(25);
    });
    it('takes empty arrays', async () => {
      expect(await square(new Float64Array(0))).toBe(0);
    });
    it('keeps weights alive until a call has settled', async () => {
      const pending = Array.from({ length: 50 }, (_, i) => square(new Float64Array(20_000).fill(i)));
      expect(await Promise.all(pending)).toEqual(Array.from({ length: 50 }, (_, i) => 20_000 * i * i));
    });
    it('prepares many models at once as it does one by one, and none where one is refused', async () => {
      const sources = Array.from({ length: 40 }, (_, i) => chainOf([linear([i + 1, 4, 2, i], 2)], 2));
      const together = await backend.grams.prepareAll!(sources, 'float64', { threads: 2 });
      const apart = await Promise.all(sources.map((source) => backend.grams.prepare(source, 'float64')));
      expect(await backend.grams.tile({ ...gaussian, symmetric: true }, together, together)).toEqual(
        await backend.grams.tile({ ...gaussian, symmetric: true }, apart, apart),
      );
      expect(together.map(({ bytes }) => bytes)).toEqual(apart.map(({ bytes }) => bytes));
      expect(await backend.grams.prepareAll!([], 'float64')).toEqual([]);
      const wrong = chainOf([linear([1, 2, 3], 3)], 2);
      await expect(backend.grams.prepareAll!([...sources, wrong], 'float64')).rejects.toMatchObject({
        code: 'SHAPE_MISMATCH',
      });
    });
    it('lets a model be disposed of while a tile still needs it', async () => {
      const model = await backend.grams.prepare(chainOf([linear([3, 4], 2)], 2), 'float64');
      const tile = backend.grams.tile(gaussian, [model], [model]);
      model.dispose();
      expect((await tile).total[0]).toBe(25);
    });
  });

  describe('works beside the event loop', () => {
    const heavy = async () => {
      const data = Float64Array.from({ length: 200 * 300 }, (_, i) => Math.sin(i));
      const weight = { data, shape: [200, 300] };
      const model = await backend.grams.prepare(
        chainOf([{ type: 'bilinear', left: weight, right: weight, alpha: 0, beta: 1 }], 300),
        'float64',
      );
      return Array<typeof model>(60).fill(model);
    };

    it('timers go on and progress only grows', async () => {
      const models = await heavy();
      let turns = 0;
      const timer = setInterval(() => turns++, 1);
      const seen: number[] = [];
      await backend.grams.tile(gaussian, models, models, { onProgress: (done, total) => seen.push(done / total) });
      clearInterval(timer);
      expect(turns).toBeGreaterThan(20);
      expect(seen.length).toBeGreaterThan(0);
      expect(seen).toEqual([...seen].sort((a, b) => a - b));
      expect(seen.at(-1)).toBeLessThanOrEqual(1);
    });

    it('rejects with the signal’s reason, before and in the middle', async () => {
      const models = await heavy();
      const reason = new Error('enough');
      const tile = (signal: AbortSignal) => backend.grams.tile(gaussian, models, models, { signal });
      await expect(tile(AbortSignal.abort(reason))).rejects.toBe(reason);
      const controller = new AbortController();
      const running = tile(controller.signal);
      setTimeout(() => controller.abort(reason), 10);
      await expect(running).rejects.toBe(reason);
    });
  });
});
