import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { bundledText } from './scripts/bundle.mjs';
import { LongestFirst } from './test/support/longest_first.js';

/**
 * Everything runs on the backends that are there. Suites about similarities go through all of them by themselves; the command line and
 * contractions, which take the backend they are given, run a second time with the fallback forced: all but those suites of them that name
 * their backends themselves or ask none.
 * Forks, not threads: the native addon is loaded in every test process, as a user's process would.
 *
 * A process of its own for every suite takes most of a second to start and to read the library: a quarter of the whole time. So suites
 * that only call the library, read and compute share a few processes, as many calls share one in a program. Those that look at memory,
 * time, the environment or the process, put something in the place of a module or watch one, or load the addon under conditions, keep
 * their own.
 */
const TOGETHER = [
  'contraction',
  'evaluation',
  'formats',
  'gaussian',
  'layers',
  'model',
  'replay',
  'report',
  'tensor',
  'words',
];
const ALONE = [
  'test/**/*memory*.test.ts',
  'test/contraction/planning.test.ts',
  'test/formats/{replace_file,spoilt}.test.ts',
  'test/formats/pytorch/names.test.ts',
  'test/formats/safetensors/{malformed,read}.test.ts',
  'test/gaussian/sieve.test.ts',
  'test/layers/toy.test.ts',
  'test/model/{changed,read_once,walk}.test.ts',
  'test/report/{*client,many_outputs}.test.ts',
  'test/words/path_pattern.test.ts',
];
const OTHERS = readdirSync('test').filter((name) => !name.includes('.') && !TOGETHER.includes(name));
const suitesOf = (rooms: readonly string[]) => rooms.map((room) => `test/${room}/**/*.test.ts`);

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
      {
        extends: true,
        test: { name: 'all', include: ['test/*.test.ts', ...suitesOf(OTHERS), ...ALONE] },
      },
      { extends: true, test: { name: 'all, together', include: suitesOf(TOGETHER), exclude: ALONE, isolate: false } },
      {
        extends: true,
        test: {
          name: 'on fallback',
          include: ['test/cli/**/*.test.ts', 'test/contraction/**/*.test.ts'],
          exclude: [
            'test/cli/{bin,blocks_killed,gate,input_file,killed}.test.ts',
            'test/contraction/{memory_resident,path,plan,planning}.test.ts',
          ],
          isolate: false,
          env: { TENSIM_BACKEND: 'fallback' },
        },
      },
    ],
  },
});
