import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Builds the library of test/native/libraries, of which `copy` gives one at a new path each time: a process opens and
 * tries out each once.
 */
export function buildEmulatedLibrary(): { readonly copy: () => string; readonly dispose: () => void } | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'tensim-cuda-'));
  const dispose = () => rmSync(folder, { recursive: true, force: true });
  const built = join(folder, 'emulated.so');
  const options = ['-std=c++17', '-O2', '-ffp-contract=off', '-shared', '-fPIC', '-fvisibility=hidden', '-Inative'];
  const compiler = process.env.CXX ?? 'c++';
  const { status, error, stderr } = spawnSync(
    compiler,
    [...options, 'test/native/libraries/emulated.cc', '-o', built],
    { encoding: 'utf8' },
  );
  if (error !== undefined) {
    dispose();
    return undefined; // no compiler
  }
  if (status !== 0) throw new Error(stderr);
  let copies = 0;
  const copy = () => {
    const path = join(folder, `copy${copies++}.so`);
    copyFileSync(built, path);
    return path;
  };
  return { copy, dispose };
}
