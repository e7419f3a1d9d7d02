// The package's `install` script. A prebuilt addon that loads is taken as it is; else the addon is built if the machine
// can; else one line says that the TypeScript fallback will do the work. It never downloads anything and never fails.
// npm shows nothing of what install scripts of packages print, so what takes minutes, and what went wrong, is said on the terminal
// itself, and kept in build/install.json, of which `tensim doctor` and the first use tell (lib/machines/installed.ts).
// In a clone the build always runs (it is incremental), for the sources may be newer than the addon.
//
// TENSIM_SKIP_BUILD=1 leaves out the build.

import { spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { availableParallelism, homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { addon, hasCompiler, isClone, loadError, onPath, packageFolder, root } from './toolchain.mjs';

const BUILD_TIMEOUT_MS = 15 * 60_000;
const LINES_SHOWN = 15;
/** What the compilers take on a processor of today. */
const CPU_MINUTES = 2.5;
const buildFolder = join(root, 'build');
const note = join(buildFolder, 'install.json');

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

/** Of what a build leaves in an installed package, only the addon stays. In a clone the next build goes on from it. */
function tidy() {
  if (isClone || !existsSync(buildFolder)) return;
  const removeBut = (folder, kept) => {
    for (const name of readdirSync(folder))
      if (name !== kept) rmSync(join(folder, name), { recursive: true, force: true });
  };
  if (!existsSync(addon)) return rmSync(buildFolder, { recursive: true });
  removeBut(buildFolder, 'Release');
  removeBut(dirname(addon), 'tensim.node');
}

/** Says it to the person at the terminal, whom npm does not let see what scripts of packages print; or else into npm's log. */
function announce(text) {
  if (!isClone && process.env.npm_lifecycle_event === 'install' && !process.stderr.isTTY) {
    try {
      const terminal = openSync(process.platform === 'win32' ? '\\\\.\\CONOUT$' : '/dev/tty', 'w');
      writeSync(terminal, `${text}\n`);
      closeSync(terminal);
      return;
    } catch {
      // Nobody is there.
    }
  }
  console.error(text);
}

/** Builds the addon. Returns why there is none, undefined when it was built and loads. */
function build() {
  if (!hasCompiler()) return 'no C++ compiler was found';
  const ways = recipes();
  if (ways.length === 0) return 'neither cmake nor node-gyp with the headers of Node was found';
  discardForeignBuild();
  if (!existsSync(addon)) {
    announce(
      `tensim: compiling the native addon: there is no prebuilt one for ${process.platform}-${process.arch} that loads here. ` +
        `It takes about ${Math.ceil(CPU_MINUTES / availableParallelism())} minutes; TENSIM_SKIP_BUILD=1 leaves it out`,
    );
  }
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
  if (!isClone && loadError() === undefined) return undefined;
  return process.env.TENSIM_SKIP_BUILD ? 'TENSIM_SKIP_BUILD is set' : build();
}

let reason;
try {
  reason = provideAddon();
  tidy();
} catch (error) {
  reason = error.message;
}
rmSync(note, { force: true });
if (reason !== undefined) {
  const remedy = isClone ? 'npm run build:native' : 'npm rebuild tensim';
  const error = loadError();
  const consequence =
    error === undefined
      ? 'The addon built earlier will be used'
      : 'The TypeScript fallback will be used: same results, more slowly';
  announce(`tensim: the native addon was not built: ${reason}. ${consequence}. To build it later: ${remedy}`);
  if (error !== undefined && !isClone) {
    try {
      mkdirSync(buildFolder, { recursive: true });
      const wanted = !process.env.TENSIM_SKIP_BUILD;
      writeFileSync(note, `${JSON.stringify({ reason, remedy, wanted, load: error }, undefined, 2)}\n`);
    } catch {
      // A folder that cannot be written: it has been said.
    }
  }
}
