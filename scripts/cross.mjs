// Builds for this machine and for others: which targets there are, what it takes, and what comes of it. A target is
// PLATFORM-ARCH by Node's names.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { onPath, packageFolder, root } from './toolchain.mjs';

export const own = `${process.platform}-${process.arch}`;

/** What Debian has a cross compiler for: scripts/toolchains/TARGET.cmake, the names of its tools, and its packages. */
const CROSS = {
  'linux-arm64': { prefix: 'aarch64-linux-gnu-', compiler: 'g++', packages: 'g++-aarch64-linux-gnu' },
  'win32-x64': { prefix: 'x86_64-w64-mingw32-', compiler: 'g++-posix', packages: 'g++-mingw-w64-x86-64-posix' },
};

/** All targets that a machine of this kind can have the tools for. */
export const targets = [
  own,
  ...(process.platform === 'linux' ? Object.keys(CROSS).filter((name) => name !== own) : []),
];

/** The C library that node-gyp-build asks for by a tag in the file's name, undefined where there is but one. */
export function libcOf(target) {
  if (!target.startsWith('linux')) return undefined;
  return target === own && existsSync('/etc/alpine-release') ? 'musl' : 'glibc';
}

/** Why `target` cannot be built here, undefined if it can. */
export function obstacle(target) {
  if (!targets.includes(target)) return `no toolchain for it is known on ${own}`;
  if (onPath('cmake') === undefined) return 'there is no cmake';
  if (target === own) return undefined;
  const { prefix, compiler, packages } = CROSS[target];
  return onPath(prefix + compiler) ? undefined : `there is no ${prefix}${compiler} (on Debian: ${packages})`;
}

export const folderOf = (target) => join(root, 'build', 'cross', target);

/** A program of the target's toolchain, for looking into what it made. */
export function toolOf(target, name) {
  return onPath((target === own ? '' : CROSS[target].prefix) + name);
}

/**
 * Builds the goals of CMakeLists.txt in folderOf(target), for machines other than this one. The library of the CUDA
 * backend is never a part of it. Throws an Error with what the tools said.
 */
export function build(target, ...goals) {
  const folder = folderOf(target);
  const jobs = String(availableParallelism());
  if (target === own && process.platform === 'win32') {
    // Only cmake-js knows where Node's import library is for MSVC.
    const cmakeJs = join(packageFolder('cmake-js'), 'bin', 'cmake-js');
    for (const goal of goals)
      run(process.execPath, [cmakeJs, 'build', '--CDTENSIM_CUDA=OFF', '--target', goal, '--out', folder, '-p', jobs]);
    return;
  }
  const options = [
    '-DTENSIM_CUDA=OFF',
    `-DTENSIM_PORTABLE=${libcOf(target) === 'musl' ? 'OFF' : 'ON'}`,
    ...(onPath('ninja') ? ['-G', 'Ninja'] : []),
    ...(target === own ? [] : [`-DCMAKE_TOOLCHAIN_FILE=${join(root, 'scripts', 'toolchains', `${target}.cmake`)}`]),
    ...(process.platform === 'darwin' ? ['-DCMAKE_OSX_DEPLOYMENT_TARGET=11.0'] : []),
  ];
  run('cmake', ['-S', root, '-B', folder, ...options]);
  run('cmake', ['--build', folder, '--parallel', jobs, ...goals.flatMap((goal) => ['--target', goal])]);
}

function run(program, args) {
  const { status, error } = spawnSync(program, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? `exit status ${status}`}`);
}
