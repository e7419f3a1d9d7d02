import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { bundledText } from './scripts/bundle.mjs';
import { LongestFirst } from './test/support/longest_first.js';

/**
 * Everything runs on the backends that are there. Suites about similarities go through all of them by themselves; the command line and
 * contractions, which take the backend they are given, run a second time with the fallback forced: all but those suites of them that name
 * their backends themselves or ask none.
 * Forks, not threads: the native addon is loaded in every test process, as a user's process would.
 */
export default defineConfig({
  plugins: [bundledText],
  test: {
    pool: 'forks',
    // Vitest would leave one core to itself, which has nothing to do while tests run.
    maxWorkers: availableParallelism(),
    sequence: { sequencer: LongestFirst },
    setupFiles: process.env.TENSIM_CAMPAIGN_RUNS === undefined ? [] : ['test/support/campaign.ts'],
    // A guard against what hangs: machines that run this are slow, and shared. Campaigns do many times as much in a test.
    testTimeout: process.env.TENSIM_CAMPAIGN_RUNS === undefined ? 120_000 : 3_600_000,
    hookTimeout: 120_000,
    projects: [
      { extends: true, test: { name: 'all', include: ['test/**/*.test.ts'] } },
      {
        extends: true,
        test: {
          name: 'on fallback',
          include: ['test/cli/**/*.test.ts', 'test/contraction/**/*.test.ts'],
          exclude: [
            'test/cli/{bin,gate,input_file,killed}.test.ts',
            'test/contraction/{memory_resident,path,plan,planning}.test.ts',
          ],
          env: { TENSIM_BACKEND: 'fallback' },
        },
      },
    ],
  },
});
