import { afterEach, describe, expect, it, vi } from 'vitest';
import type { ChainMethod } from '../../lib/backend/backend.js';
import { backends, selectBackend } from '../../lib/machines/select.js';

afterEach(() => vi.unstubAllEnvs());

describe('selectBackend', () => {
  it('takes native if it loads, else the fallback', async () => {
    vi.stubEnv('TENSIM_BACKEND', undefined);
    const native = (await backends()).find(({ name }) => name === 'native')!;
    const expected = native.available ? 'native' : 'fallback';
    expect(selectBackend().name).toBe(expected);
    expect(selectBackend('auto').name).toBe(expected);
    vi.stubEnv('TENSIM_BACKEND', '');
    expect(selectBackend().name).toBe(expected);
    vi.stubEnv('TENSIM_BACKEND', 'auto');
    expect(selectBackend().name).toBe(expected);
  });

  it('follows TENSIM_BACKEND, unless the option names another', () => {
    vi.stubEnv('TENSIM_BACKEND', 'fallback');
    expect(selectBackend().name).toBe('fallback');
    vi.stubEnv('TENSIM_BACKEND', 'cuda');
    expect(selectBackend('fallback').name).toBe('fallback');
  });

  it('refuses a backend asked for by name that is not there, with the reason and the remedy', () => {
    vi.stubEnv('TENSIM_CUDA_LIBRARY', '/nowhere/tensim_cuda.so');
    expect(() => selectBackend('cuda')).toThrow(expect.objectContaining({ code: 'BACKEND_UNAVAILABLE' }));
    expect(() => selectBackend('cuda')).toThrow(/"cuda".*(no library|native addon).*"auto"/);
    vi.stubEnv('TENSIM_BACKEND', 'cuda');
    expect(() => selectBackend()).toThrow(/"cuda".*(no library|native addon).*unset/);
  });

  it('refuses names that are no backend, saying where they come from', () => {
    expect(() => selectBackend('gpu' as 'cuda')).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(() => selectBackend('gpu' as 'cuda')).toThrow(/option "backend" is "gpu".*auto, native, cuda, fallback/);
    vi.stubEnv('TENSIM_BACKEND', 'Native');
    expect(() => selectBackend()).toThrow(/TENSIM_BACKEND is "Native"/);
  });
});

describe('selectBackend for a method', () => {
  it('passes over a backend that lacks it, and refuses it by name, with the reason', () => {
    vi.stubEnv('TENSIM_BACKEND', undefined);
    // No backend has this method: the fallback is what is left, as it has them all.
    const unknown = 'riddle' as ChainMethod;
    expect(selectBackend('auto', unknown).name).toBe('fallback');
    expect(() => selectBackend('fallback', unknown)).toThrow(expect.objectContaining({ code: 'BACKEND_UNAVAILABLE' }));
    expect(() => selectBackend('fallback', unknown)).toThrow(/"fallback".*does not know the method "riddle"/);
    vi.stubEnv('TENSIM_BACKEND', 'fallback');
    expect(() => selectBackend('auto', unknown)).toThrow(/method "riddle".*TENSIM_BACKEND/);
    for (const method of ['one-block', 'two-block', 'closure', 'tensor'] as const) {
      expect(selectBackend('fallback', method).name).toBe('fallback');
    }
  });
});

describe('backends', () => {
  it('lists every backend, available or with a reason, and the one that auto takes', async () => {
    vi.stubEnv('TENSIM_BACKEND', undefined);
    const reports = await backends();
    expect(reports.map(({ name }) => name)).toEqual(['native', 'cuda', 'fallback']);
    for (const { available, reason } of reports) expect(reason === null).toBe(available);
    expect(reports.filter(({ selected }) => selected).map(({ name }) => name)).toEqual([selectBackend().name]);
    expect(reports.at(-1)).toMatchObject({ available: true, details: { threads: 1 } });
  });

  it('selects none if the environment asks for one that is not there', async () => {
    vi.stubEnv('TENSIM_BACKEND', 'cuda');
    expect((await backends()).some(({ selected }) => selected)).toBe(false);
    vi.stubEnv('TENSIM_BACKEND', 'none');
    await expect(backends()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
