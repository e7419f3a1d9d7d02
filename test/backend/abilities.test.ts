// Which machine takes a task, with one before the fallback that can do little: the addon is replaced by a double.
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { ChainMethod } from '../../lib/backend/grams.js';
import { FALLBACK } from '../../lib/fallback/backend.js';
import { evaluate, explain, gaussian, similarity, similarityMatrix, tensor } from '../../lib/index.js';
import { backends, takeBackend } from '../../lib/machines/select.js';
import { step, tensim } from '../cli/run.js';
import { modelOf, randomBlock, randomLinear } from '../support/models.js';
import { random } from '../support/random.js';

const used = vi.hoisted(() => ({ prepared: 0, packed: 0 }));

vi.mock('../../lib/machines/native.js', () => {
  const { grams, forward } = FALLBACK;
  const backend = {
    name: 'native',
    grams: {
      ...grams,
      methods: new Set(['one-block', 'riddle']),
      kinds: new Set(['linear', 'bilinear']),
      dtypes: new Set(['float64']),
      prepare: (...given: Parameters<typeof grams.prepare>) => {
        used.prepared++;
        return grams.prepare(...given);
      },
    },
    forward: {
      ...forward,
      kinds: new Set(['linear']),
      prepare: (...given: Parameters<typeof forward.prepare>) => {
        used.packed++;
        return forward.prepare(...given);
      },
    },
  };
  return { loadNative: () => ({ backend, details: {} }) };
});

const draw = random(5);
const block = { inputs: 3, hidden: 4, outputs: 3 } as const;
const pair = [
  [0, 2],
  [2, 0],
];
const linear = () => modelOf([randomLinear(draw, 2, 3)]);
const shallow = () => modelOf([randomBlock(draw, block)]);
const deep = () => modelOf([randomBlock(draw, block), randomBlock(draw, block)]);

beforeEach(() => {
  vi.stubEnv('TENSIM_BACKEND', undefined);
  vi.stubEnv('TENSIM_CUDA_LIBRARY', '/nowhere/tensim_cuda.so');
  Object.assign(used, { prepared: 0, packed: 0 });
});

describe('a machine that can do little', () => {
  it('takes what it can, and leaves the rest to the next', async () => {
    expect((await similarity(shallow(), shallow())).backend).toBe('native');
    expect(used.prepared).toBeGreaterThan(0);
    expect((await similarity(shallow(), shallow(), { dtype: 'float32' })).backend).toBe('fallback');
    expect((await similarity(deep(), deep())).backend).toBe('fallback');
    expect((await similarityMatrix([shallow(), shallow()], { method: 'closure' })).backend).toBe('fallback');
    expect((await similarity(linear(), linear(), { measure: 'weights' })).backend).toBe('native');
  });

  it('is told of as passed over, and why', async () => {
    const { passedOver } = await similarity(deep(), deep());
    expect(passedOver).toEqual([{ name: 'native', reason: 'it does not know the method "two-block"' }]);
    expect(await similarity(shallow(), shallow())).not.toHaveProperty('passedOver');
    expect(await similarity(deep(), deep(), { backend: 'fallback' })).not.toHaveProperty('passedOver');
    const [a, b] = [step(0), step(200)];
    const { stderr } = await tensim(['compare', a, b, '--verbose', '--dtype', 'float32', '--json']);
    expect(stderr).toMatch(/^backend: fallback, not native: it does not know the type "float32"\nroute +predicted/);
  });

  it('is not told of others that come after it', async () => {
    // The fallback does not know this method, but is not asked.
    const task = { grams: { method: 'riddle' as ChainMethod } };
    const { backend, passedOver } = await takeBackend('auto', task);
    expect(backend.name).toBe('native');
    expect(passedOver).toEqual([]);
  });

  it('is asked for every ability of a task, and for every kind of layer in the models', async () => {
    const inputs = tensor([1, 2, 3], [1, 3]);
    await evaluate(linear(), inputs);
    expect(used.packed).toBe(1);
    await evaluate(shallow(), inputs);
    expect(used.packed).toBe(1);
    // It draws no random inputs, runs no contractions and knows no forms.
    const sampled = await similarity(linear(), linear(), { method: 'sampled', maxSamples: 1024 });
    expect(sampled.backend).toBe('fallback');
    expect((await similarity(linear(), linear(), { measure: 'behavioural', inputs })).backend).toBe('fallback');
    expect((await explain(shallow(), shallow())).backend).toBe('fallback');
    expect(await gaussian.hafnian(pair)).toBe(2);
  });

  it('says what it lacks where it is asked for by name', async () => {
    const options = { backend: 'native' } as const;
    const refusal = (reason: string) => ({ code: 'BACKEND_UNAVAILABLE', message: expect.stringContaining(reason) });
    await expect(similarity(deep(), deep(), options)).rejects.toMatchObject(refusal('the method "two-block"'));
    await expect(evaluate(shallow(), tensor([1, 2, 3], [1, 3]), options)).rejects.toMatchObject(
      refusal('"native" is not available: it does not know layers of the kind "bilinear"'),
    );
    await expect(similarity(shallow(), shallow(), { ...options, dtype: 'float32' })).rejects.toMatchObject(
      refusal('the type "float32"'),
    );
    await expect(gaussian.hafnian(pair, options)).rejects.toMatchObject(refusal('hafnians'));
  });

  it('tells so to the doctor', async () => {
    const { abilities } = (await backends()).find(({ name }) => name === 'native')!;
    expect(Object.keys(abilities)).toEqual(['grams', 'forward']);
    expect(abilities.forward).toMatchObject({ kinds: ['linear'] });
  });
});
