import { type ChildProcess, spawn } from 'node:child_process';
import { rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { forNode } from '../../scripts/bundle.mjs';
import { fileIn, rawFile, temporaryFolder } from '../formats/safetensors/helpers.js';
import { BACKDOOR, step } from './run.js';

/** Within the package, where the imports that are not bundled are found. */
const folder = join('node_modules', '.cache', `tensim-cli-${process.pid}`);
const entry = join(folder, 'bin.js');
const root = temporaryFolder();

beforeAll(async () => {
  await build({ ...forNode, format: 'esm', entryPoints: ['lib/cli/bin.ts'], outfile: entry });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the real program. `whenListening` is called when it has begun to listen for Ctrl-C. */
async function program(args: string[], whenListening?: (child: ChildProcess) => void) {
  const tell =
    "process.once('newListener', function tell(event) { if (event === 'SIGINT') process.stderr.write('ready'); else process.once('newListener', tell); });";
  const preload = ['--import', `data:text/javascript,${encodeURIComponent(tell)}`];
  const child = spawn(process.execPath, [...(whenListening ? preload : []), entry, ...args]);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    if (!stderr.includes('ready') && `${stderr}${chunk}`.includes('ready')) whenListening?.(child);
    stderr += chunk;
  });
  const [code, killedBy] = await new Promise<[number | null, string | null]>((resolve) =>
    child.on('close', (...ending) => resolve(ending)),
  );
  return { code, killedBy, stdout, stderr: stderr.replace('ready', '') };
}

/** A checkpoint of a gigabyte of zeros, which takes its time to read but no room on the disk. */
function largeFile(): string {
  const size = 2 ** 30;
  const start = rawFile(JSON.stringify({ zeros: { dtype: 'U8', shape: [size], data_offsets: [0, size] } }));
  const path = fileIn(root, 'large.safetensors', start);
  truncateSync(path, start.length + size);
  return path;
}

describe('the program', () => {
  test('prints results on stdout and answers with the exit code', async () => {
    const { code, stdout, stderr } = await program(['compare', step(6000), step(6200), '--json']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout).schema).toBe('tensim.compare/1');
    expect(await program(['compare', 'gone', 'gone'])).toMatchObject({ code: 2, stdout: '' });
  });

  test('writes a large result out to the end', async () => {
    const { code, stdout } = await program(['matrix', BACKDOOR, '--json', '--per-output']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).perOutput.cosine[9][40]).toHaveLength(41);
  });

  test('ends quietly when its reader goes away', async () => {
    const { code, stderr } = await program(['matrix', BACKDOOR, '--json', '--per-output'], (child) => {
      child.stdout?.destroy();
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  test.skipIf(process.platform === 'win32')('is stopped by Ctrl-C with exit code 130 and no word', async () => {
    const ending = await program(['inspect', largeFile()], (child) => child.kill('SIGINT'));
    expect(ending).toEqual({ code: 130, killedBy: null, stdout: '', stderr: '' });
  });
});
