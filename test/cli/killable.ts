import { spawn } from 'node:child_process';
import { existsSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll } from 'vitest';
import { forNode } from '../../scripts/bundle.mjs';

/** Bytes of a file; 0 where it is not there. */
export const sizeOf = (path: string) => (existsSync(path) ? statSync(path).size : 0);

/** What happens while a program runs, which it may kill. */
type WhileRunning = (kill: () => void, ended: () => boolean) => Promise<void>;

/** Nobody kills it. */
export const toTheEnd: WhileRunning = async () => {};

/**
 * The command line as a program of its own, which a suite may kill. It is built for the suite.
 * @param name of its folder
 * @returns runs it, and tells by which signal it was killed
 */
export function killableProgram(name: string) {
  // Within the package, where the imports that are not bundled are found.
  const folder = join('node_modules', '.cache', `${name}-${process.pid}`);
  const entry = join(folder, 'bin.js');
  beforeAll(async () => {
    await build({ ...forNode, format: 'esm', entryPoints: ['lib/cli/bin.ts'], outfile: entry });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  return async (args: readonly string[], whileRunning: WhileRunning) => {
    const child = spawn(process.execPath, [entry, ...args]);
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
  };
}
