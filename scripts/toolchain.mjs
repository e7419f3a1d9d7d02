// What the machine offers for building the addon, and whether a built one works. Shared by the scripts of this folder.

import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the package or clone. */
export const root = fileURLToPath(new URL('..', import.meta.url)).replace(/[/\\]$/, '');

/** The addon as the build makes it. */
export const addon = join(root, 'build', 'Release', 'tensim.node');

/** A clone has the TypeScript sources; the published package does not. */
export const isClone = existsSync(join(root, 'lib', 'index.ts'));

/** The first of `names` that is an executable on PATH, as a full path; undefined if none is. */
export function onPath(...names) {
  const endings = process.platform === 'win32' ? ['.exe', '.cmd', '.bat'] : [''];
  for (const name of names) {
    for (const folder of (process.env.PATH ?? '').split(delimiter)) {
      for (const ending of endings) {
        const file = join(folder, name + ending);
        try {
          accessSync(file, constants.X_OK);
          return file;
        } catch {
          // Not here: look on.
        }
      }
    }
  }
  return undefined;
}

/** Whether a C++ compiler can be expected. On Windows only the build tool itself can find Visual Studio. */
export function hasCompiler() {
  return (
    process.platform === 'win32' ||
    (process.env.CXX ?? '') !== '' ||
    onPath('c++', 'g++', 'clang++', 'x86_64-linux-gnu-g++', 'aarch64-linux-gnu-g++') !== undefined
  );
}

/** The folder of an installed package, undefined if it is not installed. */
export function packageFolder(name) {
  for (let folder = root; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name);
    if (existsSync(join(candidate, 'package.json'))) return candidate;
    if (dirname(folder) === folder) return undefined;
  }
}

/** Why none of the addons that there may be for this machine (lib/machines/locate.ts) loads; undefined if one does. */
export function loadError() {
  const names = ['', '-musl'].map((libc) => `@tensim/${process.platform}-${process.arch}${libc}`);
  const errors = [];
  for (const folder of [root, ...names.map(packageFolder)].filter((place) => place !== undefined)) {
    const error = errorOf(folder);
    if (error === undefined) return undefined;
    errors.push(error);
  }
  return errors.find((error) => !error.startsWith('No native build was found')) ?? errors[0];
}

/** What node-gyp-build's choice of a folder says. Asked in a child process: a binary for another machine may crash rather than throw. */
function errorOf(folder) {
  const script = 'require("node-gyp-build")(process.argv[1])';
  const child = spawnSync(process.execPath, ['-e', script, folder], { cwd: root, encoding: 'utf8', timeout: 60_000 });
  if (child.status === 0) return undefined;
  return child.stderr.match(/^\w*Error: (.*)$/m)?.[1] ?? `exit ${child.status ?? child.signal}`;
}
