import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SOURCE = 'test/native/libraries/emulated.cc';
const OPTIONS = ['-std=c++17', '-O1', '-ffp-contract=off', '-shared', '-fPIC', '-fvisibility=hidden', '-Inative'];
const BUILT = 'build/emulated';
/** Longer than any compiler takes: whoever was compiling has gone. */
const GIVEN_UP_MS = 100_000;
const LOOKED_MS = 100;

/**
 * Builds the library of test/native/libraries, of which `copy` gives one at a new path each time: a process opens and
 * tries out each once. It takes some 40 seconds to compile, so suites share one, by what it is made of: the first
 * compiles it, and those beside it wait.
 */
export function buildEmulatedLibrary(): { readonly copy: () => string; readonly dispose: () => void } | undefined {
  const compiler = process.env.CXX ?? 'c++';
  const built = join(BUILT, `${digestOfSources(compiler)}.so`);
  mkdirSync(BUILT, { recursive: true });
  if (!existsSync(built) && !compile(compiler, built)) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'tensim-cuda-'));
  let copies = 0;
  const copy = () => {
    const path = join(folder, `copy${copies++}.so`);
    copyFileSync(built, path);
    return path;
  };
  return { copy, dispose: () => rmSync(folder, { recursive: true, force: true }) };
}

function digestOfSources(compiler: string): string {
  const hash = createHash('sha256').update(JSON.stringify([compiler, OPTIONS]));
  const headers = readdirSync('native', { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.h'));
  for (const file of [SOURCE, ...headers.sort().map((name) => join('native', name))])
    hash.update(file).update(readFileSync(file));
  return hash.digest('hex').slice(0, 16);
}

/** Compiles it, or waits for who does; false where there is no compiler. */
function compile(compiler: string, built: string): boolean {
  const lock = `${built}.lock`;
  const begun = Date.now();
  while (!locked(lock)) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOOKED_MS);
    if (existsSync(built)) return true;
    if (Date.now() - begun > GIVEN_UP_MS) rmSync(lock, { recursive: true, force: true });
  }
  try {
    if (existsSync(built)) return true;
    const part = `${built}.${process.pid}`;
    const { status, error, stderr } = spawnSync(compiler, [...OPTIONS, SOURCE, '-o', part], { encoding: 'utf8' });
    if (error !== undefined) return false;
    if (status !== 0) throw new Error(stderr);
    renameSync(part, built);
    return true;
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

function locked(lock: string): boolean {
  try {
    mkdirSync(lock);
    return true;
  } catch {
    return false;
  }
}
