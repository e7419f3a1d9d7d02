import { inspect } from 'node:util';
import { describe, expect, it, vi } from 'vitest';
import { TensimError } from '../lib/errors.js';

describe('an error', () => {
  it('has the details that were given, and no others', () => {
    const bare = new TensimError('INTERNAL', 'so it is');
    expect(Object.keys(bare).sort()).toEqual(['code', 'name']);
    expect(JSON.parse(JSON.stringify(bare))).toEqual({ name: 'TensimError', code: 'INTERNAL' });
    expect(inspect(bare)).not.toContain('undefined');
    expect('cause' in bare).toBe(false);

    const cause = new Error('below');
    const full = new TensimError('INVALID_FILE', 'it is cut short', {
      file: 'a.pt',
      tensor: 'w',
      hint: 'Fetch it anew',
      cause,
    });
    expect(Object.keys(full).sort()).toEqual(['code', 'file', 'hint', 'name', 'tensor']);
    expect(full).toMatchObject({ file: 'a.pt', tensor: 'w', hint: 'Fetch it anew', cause });
    expect(full.message).toBe('a.pt: tensor "w": it is cut short. Fetch it anew');
  });

  it('has no cause where that is not known', () => {
    const error = new TensimError('INVALID_ARGUMENT', 'so it is', { cause: undefined });
    expect('cause' in error).toBe(false);
  });

  it('is an instance of every copy of its class, and of a class that extends it only where it was made by that', async () => {
    vi.resetModules();
    const copy = await import('../lib/errors.js');
    expect(copy.TensimError).not.toBe(TensimError);
    const own = new TensimError('INTERNAL', 'so it is');
    const other = new copy.TensimError('INTERNAL', 'so it is');
    for (const error of [own, other]) {
      expect(error instanceof TensimError).toBe(true);
      expect(error instanceof copy.TensimError).toBe(true);
    }
    class Special extends TensimError {}
    expect(own instanceof Special).toBe(false);
    expect(new Special('INTERNAL', 'so it is') instanceof Special).toBe(true);
    expect(new Special('INTERNAL', 'so it is') instanceof copy.TensimError).toBe(true);
    for (const nothing of [new Error('so it is'), null, undefined, 'INTERNAL', { code: 'INTERNAL' }])
      expect(nothing instanceof TensimError).toBe(false);
  });
});
