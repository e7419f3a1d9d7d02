import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { forNode } from '../../scripts/bundle.mjs';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { random } from '../support/random.js';
import { pairsIn } from '../support/state.js';

/** Within the package, where the imports that are not bundled are found. */
const folder = join('node_modules', '.cache', `tensim-killed-${process.pid}`);
const entry = join(folder, 'bin.js');
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

beforeAll(async () => {
  await build({ ...forNode, format: 'esm', entryPoints: ['lib/cli/bin.ts'], outfile: entry });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const sizeOf = (path: string) => (existsSync(path) ? statSync(path).size : 0);

/** Runs the program; `whileRunning` may kill it. */
async function run(args: readonly string[], whileRunning: (kill: () => void, ended: () => boolean) => Promise<void>) {
  const child = spawn(process.execPath, [entry, ...ARGS, ...args]);
  let stdout = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  const end = new Promise<string | null>((resolve) => child.on('close', (_, signal) => resolve(signal)));
  await whileRunning(
    () => child.kill('SIGKILL'),
    () => child.exitCode !== null,
  );
  return { killedBy: await end, stdout };
}

test.skipIf(process.platform === 'win32')(
  'a run killed at ten random moments goes on where it was, and ends with the same bits',
  { timeout: 120_000 },
  async () => {
    const uninterrupted = await run([], async () => {});
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
    const resumed = await run(['--state', state], async () => {});
    expect(resumed.stdout).toBe(uninterrupted.stdout);
    const all = await pairsIn(state);
    expect(all).toHaveLength(PAIRS);
    expect(new Set(all).size).toBe(PAIRS);
  },
);
