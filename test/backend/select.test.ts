import { afterEach, describe, expect, it, vi } from 'vitest';
import type { ChainMethod } from '../../lib/backend/grams.js';
import { kindsOf } from '../../lib/backend/task.js';
import { layerKinds } from '../../lib/layers/table.js';
import { chooseBackend } from '../../lib/machines/at_once.js';
import { backends, selectBackend } from '../../lib/machines/select.js';

afterEach(() => vi.unstubAllEnvs());

/** What every backend can do. */
const PRODUCTS = { grams: {} } as const;

describe('selectBackend', () => {
  it('takes native if it loads, else the fallback', async () => {
    vi.stubEnv('TENSIM_BACKEND', undefined);
    const native = (await backends()).find(({ name }) => name === 'native')!;
    const expected = native.available ? 'native' : 'fallback';
    expect((await selectBackend(undefined, PRODUCTS)).name).toBe(expected);
    expect((await selectBackend('auto', PRODUCTS)).name).toBe(expected);
    vi.stubEnv('TENSIM_BACKEND', '');
    expect((await selectBackend(undefined, PRODUCTS)).name).toBe(expected);
    vi.stubEnv('TENSIM_BACKEND', 'auto');
    expect((await selectBackend(undefined, PRODUCTS)).name).toBe(expected);
  });

  it('follows TENSIM_BACKEND, unless the option names another', async () => {
    vi.stubEnv('TENSIM_BACKEND', 'fallback');
    expect((await selectBackend(undefined, PRODUCTS)).name).toBe('fallback');
    vi.stubEnv('TENSIM_BACKEND', 'cuda');
    expect((await selectBackend('fallback', PRODUCTS)).name).toBe('fallback');
  });

  it('refuses a backend asked for by name that is not there, with the reason and the remedy', async () => {
    vi.stubEnv('TENSIM_CUDA_LIBRARY', '/nowhere/tensim_cuda.so');
    await expect(selectBackend('cuda', PRODUCTS)).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
    await expect(selectBackend('cuda', PRODUCTS)).rejects.toThrow(/"cuda".*(no library|native addon).*"auto"/);
    vi.stubEnv('TENSIM_BACKEND', 'cuda');
    await expect(selectBackend(undefined, PRODUCTS)).rejects.toThrow(/"cuda".*(no library|native addon).*unset/);
  });

  it('refuses names that are no backend, saying where they come from', async () => {
    const gpu = 'gpu' as 'cuda';
    await expect(selectBackend(gpu, PRODUCTS)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(selectBackend(gpu, PRODUCTS)).rejects.toThrow(
      /option "backend" is "gpu".*auto, native, cuda, fallback/,
    );
    vi.stubEnv('TENSIM_BACKEND', 'Native');
    await expect(selectBackend(undefined, PRODUCTS)).rejects.toThrow(/TENSIM_BACKEND is "Native"/);
  });
});

describe('selectBackend for a method', () => {
  // No backend has this method.
  const task = { grams: { method: 'riddle' as ChainMethod } };

  it('passes over backends that lack it, and says of each why', async () => {
    vi.stubEnv('TENSIM_BACKEND', undefined);
    await expect(selectBackend('auto', task)).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
    await expect(selectBackend('auto', task)).rejects.toThrow(
      /no backend can do this: native: .*; fallback: it does not know the method "riddle".*tensim doctor/,
    );
  });

  it('refuses one that lacks it by name, with the reason', async () => {
    vi.stubEnv('TENSIM_BACKEND', undefined);
    await expect(selectBackend('fallback', task)).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
    await expect(selectBackend('fallback', task)).rejects.toThrow(/"fallback".*does not know the method "riddle"/);
    vi.stubEnv('TENSIM_BACKEND', 'fallback');
    await expect(selectBackend('auto', task)).rejects.toThrow(/method "riddle".*TENSIM_BACKEND/);
    for (const method of ['one-block', 'two-block', 'closure', 'tensor'] as const) {
      expect((await selectBackend('fallback', { grams: { method } })).name).toBe('fallback');
    }
  });
});

describe('selectBackend for kinds of layers', () => {
  it('refuses a kind that is not known, wherever it stands', async () => {
    const { reason } = (await backends()).find(({ name }) => name === 'native')!;
    for (const task of [{ grams: { kinds: new Set(['linear', 'gate']) } }, { forward: { kinds: new Set(['gate']) } }]) {
      for (const name of ['native', 'fallback'] as const) {
        await expect(selectBackend(name, task)).rejects.toMatchObject({
          code: 'BACKEND_UNAVAILABLE',
          message: expect.stringContaining(
            name === 'native' && reason !== null ? reason : 'it does not know layers of the kind "gate"',
          ),
        });
      }
    }
    expect(kindsOf([{ layers: [{ type: 'linear' }, { type: 'gate' }] }, { layers: [{ type: 'linear' }] }])).toEqual(
      new Set(['linear', 'gate']),
    );
  });
});

describe('chooseBackend', () => {
  it('takes the same at once', async () => {
    vi.stubEnv('TENSIM_BACKEND', undefined);
    expect(chooseBackend('auto', PRODUCTS)).toBe(await selectBackend('auto', PRODUCTS));
    expect(() => chooseBackend('cuda', { hafnians: {} })).toThrow(
      expect.objectContaining({ code: 'BACKEND_UNAVAILABLE' }),
    );
    expect(() => chooseBackend('gpu' as 'cuda', PRODUCTS)).toThrow(/option "backend" is "gpu"/);
  });
});

describe('backends', () => {
  it('lists every backend, available or with a reason, and the one that auto takes', async () => {
    vi.stubEnv('TENSIM_BACKEND', undefined);
    const reports = await backends();
    expect(reports.map(({ name }) => name)).toEqual(['native', 'cuda', 'fallback']);
    for (const { available, reason } of reports) expect(reason === null).toBe(available);
    const { name } = await selectBackend(undefined, PRODUCTS);
    expect(reports.filter(({ selected }) => selected).map((report) => report.name)).toEqual([name]);
    expect(reports.at(-1)).toMatchObject({ available: true, details: { threads: 1 } });
  });

  it('tells what each can do', async () => {
    const { abilities } = (await backends()).at(-1)!;
    expect(Object.keys(abilities)).toEqual([
      ...['grams', 'forward', 'normals', 'forms', 'contractions', 'hafnians', 'lowRank', 'eigen'],
    ]);
    expect(abilities.grams).toEqual({
      methods: ['one-block', 'hidden', 'two-block', 'closure', 'tensor'],
      kinds: [...layerKinds.types],
      dtypes: ['float64', 'float32'],
      degrees: ['one-block', 'hidden'],
      routes: ['factor', 'unfolded', 'dense'],
    });
    for (const report of await backends()) if (!report.available) expect(report.abilities).toEqual({});
  });

  it('selects none if the environment asks for one that is not there', async () => {
    vi.stubEnv('TENSIM_CUDA_LIBRARY', '/nowhere/tensim_cuda.so');
    vi.stubEnv('TENSIM_BACKEND', 'cuda');
    expect((await backends()).some(({ selected }) => selected)).toBe(false);
    vi.stubEnv('TENSIM_BACKEND', 'none');
    await expect(backends()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
