import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { forNode } from '../../scripts/bundle.mjs';
import { availableBackends } from '../support/backends.js';

/** Within the package, where the imports that are not bundled are found. */
const folder = join('node_modules', '.cache', `tensim-campaigns-${process.pid}`);
const [program, library] = ['bin.js', 'index.js'].map((name) => join(folder, name));

beforeAll(async () => {
  await build({
    ...forNode,
    format: 'esm',
    entryPoints: { bin: 'lib/cli/bin.ts', index: 'lib/index.ts' },
    outdir: folder,
  });
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (name: string, ...args: readonly string[]) =>
  spawnSync(process.execPath, [`scripts/campaigns/${name}.mjs`, '--seed', String(Date.now() % 2 ** 31), ...args], {
    encoding: 'utf8',
  });

describe.skipIf(process.platform === 'win32')('a short piece of the campaign', () => {
  it.each(availableBackends.filter((name) => name !== 'cuda'))('kill, on %s', { timeout: 120_000 }, (backend) => {
    const { status, stdout, stderr } = run('kill', '--runs', '3', '--filter', backend, '--program', program);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^3 kills .* 0 results differ/m);
  });

  it('shards', { timeout: 120_000 }, () => {
    const { status, stdout, stderr } = run('shards', '--runs', '2', '--program', program);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^2 trials, \d of samples, with [1-9]\d* kills, .*: 0 results differ/m);
  });

  it('churn', { timeout: 120_000 }, () => {
    const { status, stdout, stderr } = run('churn', '--runs', '120', '--library', library);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const [, counts] = /^\d+ reads: (\{.*\}); 0 mistakes/m.exec(stdout)!;
    for (const reader of Object.values(JSON.parse(counts) as Record<string, Record<string, number>>))
      expect(reader.whole).toBeGreaterThan(0);
  });
});
