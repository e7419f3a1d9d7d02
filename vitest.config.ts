import { defineConfig } from 'vitest/config';
import { bundledText } from './scripts/bundle.mjs';

/**
 * Everything runs on the backends that are there. Suites about similarities go through all of them by themselves; the command line and
 * contractions, which take the backend they are given, run a second time with the fallback forced.
 * Forks, not threads: the native addon is loaded in every test process, as a user's process would.
 */
export default defineConfig({
  plugins: [bundledText],
  test: {
    pool: 'forks',
    // A guard against what hangs: machines that run this are slow, and shared.
    testTimeout: 120_000,
    projects: [
      { extends: true, test: { name: 'all', include: ['test/**/*.test.ts'] } },
      {
        extends: true,
        test: {
          name: 'on fallback',
          include: ['test/cli/**/*.test.ts', 'test/contraction/**/*.test.ts'],
          env: { TENSIM_BACKEND: 'fallback' },
        },
      },
    ],
  },
});
