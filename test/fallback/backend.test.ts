import { describe, expect, it } from 'vitest';
import type { ChainSource, GramJob, PreparedModel } from '../../lib/backend/grams.js';
import { FALLBACK } from '../../lib/fallback/backend.js';
import { blockModel, modelOf, randomAttention, randomBlock, randomLinear } from '../support/models.js';
import { random } from '../support/random.js';

const backend = FALLBACK;
const job: GramJob = { measure: 'gaussian', symmetric: false, perOutput: true };

const chain = (inputs: number, hidden: number, outputs: number, seed = 1): ChainSource => {
  const { layers } = blockModel(random(seed), { inputs, hidden, outputs, biases: true });
  return { kind: 'chain', layers, inputs, positions: 1, method: 'one-block', law: { sigma: 1 } };
};
const deepChain = (inputs: number, hidden: number): ChainSource => {
  const block = (seed: number) => randomBlock(random(seed), { inputs, hidden, outputs: inputs, biases: true });
  return { ...chain(inputs, 1, 1), layers: [block(1), block(2)] };
};
const prepare = (source: ChainSource) => backend.grams.prepare(source, 'float64');

describe('the fallback', () => {
  it('reports the memory of a model, half in float32', async () => {
    const source = chain(1000, 40, 1);
    const [double, single] = [await prepare(source), await backend.grams.prepare(source, 'float32')];
    expect(double.bytes).toBeGreaterThan(8 * 80 * 1000);
    expect(single.bytes).toBeLessThan(double.bytes - 4 * 80 * 1000 + 1);
    expect(double.outputs).toBe(1);
  });

  it('refuses a model after dispose(), which may be called twice', async () => {
    const model = await prepare(chain(3, 2, 1));
    model.dispose();
    model.dispose();
    await expect(backend.grams.tile(job, [model], [model])).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('owns its features', async () => {
    const segment = Float64Array.from([1, 2]);
    const model = await backend.grams.prepare({ kind: 'features', segments: [segment] }, 'float64');
    segment.fill(100);
    expect((await backend.grams.tile(job, [model], [model])).total).toEqual(Float64Array.from([5]));
  });

  it('compares models with different numbers of hidden units', async () => {
    const models = await Promise.all([chain(3, 5, 2, 1), chain(3, 8, 2, 2), chain(3, 1, 2, 3)].map(prepare));
    const { total } = await backend.grams.tile(job, models, models);
    expect(total.every(Number.isFinite)).toBe(true);
    expect(total[1]).toBeCloseTo(total[3], 12);
  });

  it('gives a symmetric tile the numbers of a full one', async () => {
    const models = await Promise.all([1, 2, 3].map((seed) => prepare(chain(4, 3, 2, seed))));
    const full = await backend.grams.tile(job, models, models);
    const half = await backend.grams.tile({ ...job, symmetric: true }, models, models);
    for (let i = 0; i < 3; i++) {
      for (let j = 0; j < 3; j++) {
        const upper = Math.min(i, j) * 3 + Math.max(i, j);
        expect(half.total[i * 3 + j]).toBe(full.total[upper]);
        for (let c = 0; c < 2; c++) expect(half.perOutput![2 * (i * 3 + j) + c]).toBe(full.perOutput![2 * upper + c]);
      }
    }
    expect(await backend.grams.tile({ ...job, perOutput: false }, models, models)).toEqual({ total: full.total });
  });

  it('refuses to mix what cannot be compared', async () => {
    const model = await prepare(chain(3, 2, 2));
    const refusal = async (other: PreparedModel, measure: GramJob['measure'] = 'gaussian') =>
      backend.grams.tile({ ...job, measure }, [model], [other]).then(
        () => null,
        ({ code }) => code,
      );
    const linear: ChainSource = { ...chain(3, 2, 2), layers: [randomLinear(random(1), 2, 3)] };
    expect(await refusal(await prepare(linear))).toBeNull();
    expect(await refusal(await prepare(linear), 'tensor')).toBe('SHAPE_MISMATCH');
    expect(await refusal(await prepare(chain(4, 2, 2)))).toBe('SHAPE_MISMATCH');
    expect(await refusal(await prepare(chain(3, 2, 1)))).toBe('SHAPE_MISMATCH');
    expect(await refusal(await backend.grams.prepare(chain(3, 2, 2), 'float32'))).toBe('INVALID_ARGUMENT');
    expect(await refusal({ outputs: 2, bytes: 0, dispose: () => {} })).toBe('INVALID_ARGUMENT');
    const segments = [new Float64Array(1), new Float64Array(1)];
    expect(await refusal(await backend.grams.prepare({ kind: 'features', segments }, 'float64'))).toMatch(
      /SHAPE|ARGUMENT/,
    );
  });

  it('refuses to mix models prepared for different methods', async () => {
    const methods = ['one-block', 'two-block', 'closure', 'tensor'] as const;
    const models = await Promise.all(methods.map((method) => prepare({ ...chain(3, 2, 2), method })));
    for (const [i, a] of models.entries()) {
      for (const [j, b] of models.entries()) {
        const tile = backend.grams.tile(job, [a], [b]);
        if (i !== j) await expect(tile).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
        else expect((await tile).total[0]).toBeGreaterThan(0);
      }
    }
  });

  it.each(['two-block', 'tensor'] as const)(
    'refuses attention for the method %s, and one-block for it',
    async (method) => {
      const layers = [randomAttention(random(1), { inputs: 3, heads: 1, size: 2 })];
      for (const unable of [method, 'one-block'] as const) {
        const source = { ...chain(3, 1, 1), layers, method: unable };
        await expect(prepare(source)).rejects.toMatchObject({ code: 'UNSUPPORTED_LAYER' });
      }
      const blocks = [1, 2, 3].map((seed) => randomBlock(random(seed), { inputs: 3, hidden: 2, outputs: 3 }));
      const deep = prepare({ ...chain(3, 1, 1), layers: blocks, method });
      if (method === 'tensor') expect((await deep).outputs).toBe(3);
      else await expect(deep).rejects.toMatchObject({ code: 'UNSUPPORTED_LAYER' });
    },
  );

  it('refuses attention with rotary positions on heads of odd size', async () => {
    const layers = [randomAttention(random(1), { inputs: 3, heads: 1, size: 3, rotaryBase: 10 })];
    const source = { ...chain(3, 1, 1), layers, method: 'closure' } as const;
    await expect(prepare(source)).rejects.toMatchObject({ code: 'SHAPE_MISMATCH' });
  });

  it('gives a model with itself the numbers that a copy of it gives', async () => {
    for (const method of ['two-block', 'closure', 'tensor'] as const) {
      const source = { ...chain(3, 4, 2), method };
      const [model, copy] = [await prepare(source), await prepare(source)];
      const { total } = await backend.grams.tile(job, [model, copy], [model, copy]);
      expect(new Set(total).size).toBe(1);
    }
  });

  it('refuses to fold two blocks', async () => {
    const draw = random(1);
    const { layers } = modelOf([0, 1].map(() => randomBlock(draw, { inputs: 3, hidden: 2, outputs: 3 })));
    await expect(prepare({ ...chain(3, 1, 1), layers })).rejects.toMatchObject({ code: 'UNSUPPORTED_LAYER' });
  });

  it('passes NaN and infinity on, to be refused by name above', async () => {
    const layers = [{ type: 'linear', weight: { data: Float64Array.from([1e300]), shape: [1, 1] } }] as const;
    const model = await prepare({ ...chain(1, 1, 1), layers });
    expect((await backend.grams.tile(job, [model], [model])).total[0]).toBe(Number.POSITIVE_INFINITY);
  });

  it.each([
    ['one-block', chain(1024, 96, 10)],
    ['closure', { ...chain(300, 96, 10), method: 'closure' }],
    ['two-block', { ...deepChain(24, 40), method: 'two-block' }],
    ['tensor', { ...chain(300, 96, 10), method: 'tensor' }],
  ] as [string, ChainSource][])('settles an abort at the end of the slice, not of the tile: %s', async (_, source) => {
    const models = await Promise.all([1, 2, 3, 4, 5, 6].map(() => prepare(source)));
    const turnsOf = async (controller: AbortController, abortAt: number) => {
      let turns = 0;
      let running = true;
      const count = () => {
        turns++;
        if (turns === abortAt) controller.abort('stop');
        if (running) setImmediate(count);
      };
      setImmediate(count);
      const { signal } = controller;
      const outcome = await backend.grams.tile(job, models, models, { signal }).catch((reason) => reason);
      running = false;
      return { turns, outcome };
    };
    const whole = await turnsOf(new AbortController(), Number.POSITIVE_INFINITY);
    const aborted = await turnsOf(new AbortController(), 2);
    expect(aborted.outcome).toBe('stop');
    expect(aborted.turns).toBeLessThanOrEqual(4);
    expect(whole.turns).toBeGreaterThan(10);
  });
});
