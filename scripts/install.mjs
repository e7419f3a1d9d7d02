// The package's `install` script. A prebuilt addon that loads is taken as it is; else the addon is built if the machine
// can; else one line says that the TypeScript fallback will do the work. It never downloads anything and never fails.
// In a clone the build always runs (it is incremental), for the sources may be newer than the addon.
//
// TENSIM_SKIP_BUILD=1 leaves out the build.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { availableParallelism, homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { addon, hasCompiler, isClone, loadError, onPath, packageFolder, root } from './toolchain.mjs';

const BUILD_TIMEOUT_MS = 15 * 60_000;
const LINES_SHOWN = 15;
const buildFolder = join(root, 'build');

/**
 * The ways to build here, best first: each a name and the commands to run one after the other.
 * node-gyp only where the headers of Node are on the disk already: otherwise it would download them. The library of the
 * CUDA backend is left out: nothing may fail for want of it.
 */
function recipes() {
  const found = [];
  const cmake = onPath('cmake');
  const cmakeJs = packageFolder('cmake-js');
  const jobs = String(availableParallelism());
  if (cmake && cmakeJs) {
    found.push({
      name: 'cmake-js',
      commands: [[process.execPath, join(cmakeJs, 'bin', 'cmake-js'), 'build', '--target', 'tensim', '-p', jobs]],
    });
  } else if (cmake && process.platform !== 'win32') {
    const generator = onPath('ninja') ? ['-G', 'Ninja'] : [];
    const configure = [
      cmake,
      '-S',
      root,
      '-B',
      buildFolder,
      '-DTENSIM_WARNINGS_AS_ERRORS=OFF',
      '-DTENSIM_CUDA=OFF',
      ...generator,
    ];
    found.push({ name: 'cmake', commands: [configure, [cmake, '--build', buildFolder, '--parallel', jobs]] });
  }
  const nodeGyp = process.env.npm_config_node_gyp;
  const headers = nodeHeaders();
  if (nodeGyp && headers) {
    const rebuild = [process.execPath, nodeGyp, 'rebuild', `--nodedir=${headers}`, '--jobs', jobs];
    found.push({ name: 'node-gyp', commands: [rebuild] });
  }
  return found;
}

/** A folder with include/node as node-gyp wants it: configured, beside this Node, or in node-gyp's cache. */
function nodeHeaders() {
  const cache = join(homedir(), '.cache', 'node-gyp', process.versions.node);
  return [process.env.npm_config_nodedir, dirname(dirname(process.execPath)), cache].find(
    (folder) => folder && existsSync(join(folder, 'include', 'node', 'common.gypi')),
  );
}

/** A build folder configured for another place (a copied clone) would build that place. */
function discardForeignBuild() {
  const cache = join(buildFolder, 'CMakeCache.txt');
  if (!existsSync(cache)) return;
  const home = /^CMAKE_HOME_DIRECTORY:INTERNAL=(.*)$/m.exec(readFileSync(cache, 'utf8'))?.[1];
  if (home !== root.replaceAll('\\', '/')) rmSync(buildFolder, { recursive: true });
}

/** Builds the addon. Returns why there is none, undefined when it was built and loads. */
function build() {
  if (!hasCompiler()) return 'no C++ compiler was found';
  const ways = recipes();
  if (ways.length === 0) return 'neither cmake nor node-gyp with the headers of Node was found';
  discardForeignBuild();
  const before = addonTime();
  let failure = '';
  for (const { name, commands } of ways) {
    failure = runAll(commands) ?? loadError() ?? '';
    if (failure === '') {
      if (addonTime() !== before) console.log(`tensim: built the native addon with ${name}`);
      return undefined;
    }
    // An addon older than the sources, or one that does not load, would be taken before any prebuilt one.
    rmSync(addon, { force: true });
  }
  console.error(failure);
  return `building with ${ways.map(({ name }) => name).join(' and ')} failed (see above)`;
}

/** Of what a build in an installed package leaves behind only the addon is of use. */
function discardLeftovers() {
  if (isClone || !existsSync(buildFolder)) return;
  const release = dirname(addon);
  for (const folder of [buildFolder, release]) {
    for (const name of existsSync(folder) ? readdirSync(folder) : []) {
      const path = join(folder, name);
      if (path !== release && path !== addon) rmSync(path, { recursive: true, force: true });
    }
  }
  if (!existsSync(addon)) rmSync(buildFolder, { recursive: true });
}

function addonTime() {
  return statSync(addon, { throwIfNoEntry: false })?.mtimeMs;
}

/** Runs commands until one fails. Returns the end of what that one printed. */
function runAll(commands) {
  for (const [program, ...args] of commands) {
    const child = spawnSync(program, args, {
      cwd: root,
      encoding: 'utf8',
      timeout: BUILD_TIMEOUT_MS,
      maxBuffer: 2 ** 28,
    });
    if (child.status === 0) continue;
    const output = `${child.stdout ?? ''}${child.stderr ?? ''}${child.error?.message ?? ''}`;
    return output.trim().split('\n').slice(-LINES_SHOWN).join('\n') || `${program}: exit ${child.status}`;
  }
  return undefined;
}

/** Why the addon could not be provided, undefined if it is there and fresh. */
function provideAddon() {
  const built = existsSync(addon) || existsSync(join(root, 'prebuilds'));
  if (!isClone && built && loadError() === undefined) return undefined;
  if (process.env.TENSIM_SKIP_BUILD) return 'TENSIM_SKIP_BUILD is set';
  try {
    return build();
  } finally {
    discardLeftovers();
  }
}

let reason;
try {
  reason = provideAddon();
} catch (error) {
  reason = error.message;
}
if (reason !== undefined) {
  const remedy = isClone ? 'npm run build:native' : 'npm rebuild tensim';
  const consequence =
    loadError() === undefined
      ? 'The addon built earlier will be used'
      : 'The TypeScript fallback will be used: same results, more slowly';
  console.error(`tensim: the native addon was not built: ${reason}. ${consequence}. To build it later: ${remedy}`);
}
