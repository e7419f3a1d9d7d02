// A few lines of test harness for the checks that install the package for real: too slow, and too dependent on the
// machine, for the test suites.

import { spawnSync } from 'node:child_process';
import { accessSync, constants, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

const counts = { passed: 0, failed: 0 };

/** Records one check; `evidence` is shown when it fails. */
export function check(name, holds, evidence = '') {
  counts[holds ? 'passed' : 'failed'] += 1;
  console.log(`${holds ? 'ok    ' : 'FAILED'} ${name}`);
  if (!holds) console.log(String(evidence).trim().split('\n').slice(-30).join('\n'));
  return holds;
}

/** Prints the counts and ends the process. */
export function conclude() {
  console.log(`${counts.passed} passed, ${counts.failed} failed`);
  process.exit(counts.failed === 0 ? 0 : 1);
}

/** Runs a program to its end. `output` is stdout and stderr together. */
export function run(program, args, options = {}) {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 2 ** 28,
    ...options,
  });
  return { status, stdout: stdout ?? '', output: `${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}` };
}

/** A new folder that is removed when the process ends. */
export function temporaryFolder(name) {
  const folder = mkdtempSync(join(tmpdir(), `tensim-${name}-`));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The environment without what would steer the build or the choice of a backend. */
export function plainEnvironment() {
  const {
    CC: _cc,
    CXX: _cxx,
    TENSIM_BACKEND: _backend,
    TENSIM_CPU: _cpu,
    TENSIM_SKIP_BUILD: _skip,
    ...rest
  } = process.env;
  return rest;
}

/** The plain environment with a PATH that offers the same programs but those whose name matches `hidden`. */
export function environmentWithout(hidden) {
  const folder = join(temporaryFolder('path'), 'bin');
  mkdirSync(folder);
  for (const source of (process.env.PATH ?? '').split(delimiter)) {
    for (const name of programsIn(source)) {
      if (hidden.test(name)) continue;
      try {
        symlinkSync(join(source, name), join(folder, name));
      } catch {
        // An earlier folder of PATH has this name.
      }
    }
  }
  return { ...plainEnvironment(), PATH: folder };
}

function programsIn(folder) {
  try {
    accessSync(folder, constants.R_OK);
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Names of compilers: gcc, g++-12, x86_64-linux-gnu-c++, clang … */
export const COMPILERS = /(^|-)(cc|c\+\+|gcc|g\+\+|clang|clang\+\+|c89|c99)(-[\d.]+)?$/;
