import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { random } from '../support/random.js';
import { pairsIn } from '../support/state.js';
import { killableProgram, sizeOf, toTheEnd } from './killable.js';

const state = join(temporaryFolder(), 'killed.state');
/** A memory limit that makes every pair a tile of its own. */
const ARGS = [
  'matrix',
  'examples/grokking',
  '--json',
  '--backend',
  'fallback',
  '--route',
  'factor',
  '--memory-limit',
  '4MB',
];
const PAIRS = (16 * 17) / 2;

const program = killableProgram('tensim-killed');
const run = (args: readonly string[], whileRunning = toTheEnd) => program([...ARGS, ...args], whileRunning);

test.skipIf(process.platform === 'win32')(
  'a run killed at ten random moments goes on where it was, and ends with the same bits',
  { timeout: 120_000 },
  async () => {
    const uninterrupted = await run([]);
    const draw = random(Date.now());
    let kept = 0;
    let kills = 0;
    for (let attempt = 0; attempt < 10; attempt++) {
      const before = sizeOf(state);
      const { killedBy } = await run(['--state', state], async (kill, ended) => {
        while (sizeOf(state) <= before && !ended()) await wait(1);
        await wait(60 * draw.uniform());
        kill();
      });
      if (killedBy === 'SIGKILL') kills++;
      // Looked at in a copy, as what was not written to the end is cut off.
      copyFileSync(state, `${state}.copy`);
      const finished = await pairsIn(`${state}.copy`);
      expect(new Set(finished).size).toBe(finished.length);
      expect(finished.length).toBeGreaterThanOrEqual(kept);
      kept = finished.length;
    }
    expect(kills).toBeGreaterThan(0);
    const resumed = await run(['--state', state]);
    expect(resumed.stdout).toBe(uninterrupted.stdout);
    const all = await pairsIn(state);
    expect(all).toHaveLength(PAIRS);
    expect(new Set(all).size).toBe(PAIRS);
  },
);
