import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bytesOf, SHAPES, writeLlama } from '../../bench/blocks/llama.js';
import { forNode } from '../../scripts/bundle.mjs';
import { temporaryFolder } from '../formats/safetensors/helpers.js';

const folder = temporaryFolder();
/** Within the package, where the imports that are not bundled are found. */
const programs = join('node_modules', '.cache', `tensim-blocks-${process.pid}`);
const program = join(programs, 'blocks.mjs');

beforeAll(async () => {
  await build({ ...forNode, format: 'esm', entryPoints: ['bench/blocks.ts'], outfile: program });
  for (const [name, noise] of [
    ['a', 0],
    ['b', 0.02],
  ] as const) {
    mkdirSync(join(folder, name));
    await writeLlama(join(folder, name), SHAPES.small, noise);
  }
}, 60_000);
afterAll(() => rmSync(programs, { recursive: true, force: true }));

describe.skipIf(!existsSync('/proc/self/io'))('blocks of sharded checkpoints in bfloat16', () => {
  test.each(['exact', 'sampled'])(
    'are compared, %s, in three times the largest block and 300 MB, and each byte is read once',
    (method) => {
      const args = [program, '--run', '--folder', folder, '--method', method];
      const found = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }));
      const { all, block } = bytesOf(SHAPES.small);
      expect(found.read).toBeGreaterThanOrEqual(2 * all);
      // Beside them modules are loaded.
      expect(found.read).toBeLessThan(2.1 * all);
      expect(found.peak).toBeLessThan(3 * block + 300e6);
      expect(found.exact).toBe(method === 'exact' ? SHAPES.small.layers : 0);
      expect(found.similarity).toBeGreaterThan(0.999);
      expect(found.similarity).toBeLessThan(0.9999);
    },
    60_000,
  );
});
