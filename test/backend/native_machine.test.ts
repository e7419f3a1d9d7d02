import { describe, expect, it } from 'vitest';
import { nativeMachine } from '../../lib/machines/native_machine.js';

/** An addon on a machine whose clock is never twice the same. */
const addon = (flops: number) => ({
  gemmWorkspace: () => 4096,
  speed: () => flops,
});

describe('the native machine, as planners see it', () => {
  it.each(['baseline', 'neon', 'avx2', 'avx512'])(
    'is the same on every %s processor, however it is measured',
    (set) => {
      for (const dtype of ['float64', 'float32'] as const) {
        for (const threads of [1, 2, 8]) {
          const { pace, workspaceBytes: _, ...rates } = nativeMachine(addon(1e11), set)(dtype, threads);
          const { pace: slower, workspaceBytes: __, ...same } = nativeMachine(addon(5e10), set)(dtype, threads);
          expect(same).toEqual(rates);
          expect(pace).toBe(2 * slower);
          expect(rates.flopsPerSecond).toBeGreaterThan(rates.bytesPerSecond / 8);
        }
      }
    },
  );

  it('counts for the baseline where the set of instructions is not known', () => {
    const rates = (set: string) => nativeMachine(addon(1e11), set)('float64', 2).flopsPerSecond;
    expect(rates('sve')).toBe(rates('baseline'));
    expect(rates('avx2')).toBeGreaterThan(rates('baseline'));
  });
});
