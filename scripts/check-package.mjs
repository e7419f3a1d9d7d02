// `npm run test:package`: packs the package as it would be published, and that with its addon for this machine, installs
// them into an empty project, and uses them there: with the prebuilt addon, without any addon, and with an addon that is
// built on the spot. Needs a compiler and the npm registry. With --reuse the addon that is packed as a prebuilt one is that
// of build/, as `npm ci` has just compiled it, not one of a clean build, and what is built on the spot is optimised less:
// whether the packed sources are all that it takes is what is asked, and nothing is computed that takes time.

import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { COMPILERS, check, conclude, environmentWithout, plainEnvironment, run, temporaryFolder } from './checks.mjs';
import { release, tarballsHere } from './release.mjs';
import { trySetups } from './setups.mjs';
import { onPath, root } from './toolchain.mjs';

const environment = plainEnvironment();
const project = temporaryFolder('consumer');
const installed = join(project, 'node_modules', 'tensim');

const CHECKPOINTS = ['step_06000.safetensors', 'step_06200.safetensors'];
const USE = `
async function use({ backends, loadModel, similarity, TensimError }) {
  const [a, b] = await Promise.all(${JSON.stringify(CHECKPOINTS)}.map((file) => loadModel(file)));
  const { similarity: value, backend } = await similarity(a, b);
  const failure = await loadModel('nowhere.safetensors').catch((error) => error);
  const native = (await backends()).find(({ name }) => name === 'native');
  console.log(JSON.stringify({ value, backend, code: failure instanceof TensimError && failure.code, reason: native.reason }));
}`;
const BUILT = join('Release', 'tensim.node');
/** What an installation may cost: seconds of processor time, packages, and bytes on the disk. */
const MOST = { seconds: 10, packages: 30, bytes: 12e6 };

pack();
checkWithPrebuild();
checkSetups();
checkWithoutAddon();
checkLocalBuild();
conclude();

function pack() {
  const env = { ...process.env, ...(process.argv.includes('--reuse') && { TENSIM_PREBUILD_REUSE: '1' }) };
  for (const script of ['build.mjs', 'prebuild.mjs']) {
    const { status, output } = run(process.execPath, [join(root, 'scripts', script)], { cwd: root, env });
    check(`scripts/${script} runs`, status === 0, output);
  }
  const packs = release(project);
  const main = packs.at(-1);
  const paths = main.files.map(({ path }) => path);
  const unwanted = paths.filter((path) => /^(lib|test|examples|bench|build|report|\.)|\.node$/.test(path));
  check('the tarball holds no sources, tests, examples or addons', unwanted.length === 0, unwanted.join('\n'));
  const addons = packs.slice(0, -1).map(({ files }) => files.filter(({ path }) => path.endsWith('.node')).length);
  check(
    'the packages of platforms hold one addon each',
    addons.length > 0 && addons.every((count) => count === 1),
    addons,
  );

  const cuda = paths.filter((path) => /tensim_cuda\.(so|dylib|dll|lib)$/.test(path));
  check('the tarball holds no CUDA library', cuda.length === 0, cuda.join('\n'));
  const sizes = packs.map(({ filename, size }) => `${filename} ${size} bytes`);
  check(
    'the tarballs are smaller than 5 MB',
    packs.every(({ size }) => size < 5e6),
    sizes.join('\n'),
  );

  writeFileSync(join(project, 'package.json'), '{ "name": "consumer", "private": true }\n');
  checkManifest(join(project, main.filename));
  // What a shell says that its children took; Windows has no such shell.
  const command = `npm install --prefer-offline --no-audit --no-fund ${tarballsHere(packs).join(' ')} && times`;
  const install = run('sh', ['-c', command], { cwd: project, env: environmentWithout(COMPILERS) });
  if (!check('npm install of the tarball, without a compiler', install.status === 0, install.output)) conclude();
  checkCost(install.stdout);

  for (const file of CHECKPOINTS) copyFileSync(join(root, 'examples', 'digits-backdoor', file), join(project, file));
  writeFileSync(join(project, 'esm.mjs'), `import * as tensim from 'tensim';\n${USE}\nawait use(tensim);\n`);
  writeFileSync(join(project, 'cjs.cjs'), `const tensim = require('tensim');\n${USE}\nuse(tensim);\n`);
}

/** What its makers' tools say of the entries of the package, and of the declarations behind them. */
function checkManifest(tarball) {
  for (const [name, ...args] of [['publint', '--strict'], ['attw']]) {
    const { status, output } = run('npx', ['--no', '--', name, tarball, ...args], { cwd: root });
    check(`${name} finds nothing wrong`, status === 0, output);
  }
}

/** @param said ends with the times of the shell's children: `0m1.234s 0m0.567s`, of the program and of the system */
function checkCost(said) {
  const times = [
    ...said
      .trim()
      .split('\n')
      .at(-1)
      .matchAll(/(\d+)m([\d.]+)s/g),
  ];
  const seconds = times.reduce((sum, [, minutes, rest]) => sum + 60 * Number(minutes) + Number(rest), 0);
  const { packages } = JSON.parse(readFileSync(join(project, 'node_modules', '.package-lock.json'), 'utf8'));
  const bytes = readdirSync(join(project, 'node_modules'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
  const count = Object.keys(packages).length;
  const cost = `${seconds.toFixed(1)} s of processor time, ${count} packages, ${(bytes / 1e6).toFixed(1)} MB`;
  const within = seconds > 0 && seconds < MOST.seconds && count <= MOST.packages && bytes < MOST.bytes;
  check(`the installation takes ${cost}`, within, JSON.stringify(MOST));
}

/** Imports, requires and runs the installed package, and checks who does the work. */
function checkUse(situation, backend, env) {
  for (const script of ['esm.mjs', 'cjs.cjs']) {
    const { status, stdout, output } = run(process.execPath, [script], { cwd: project, env });
    const result = status === 0 ? JSON.parse(stdout) : {};
    const right = Math.abs(result.value - 0.959635) < 1e-6 && result.code === 'FILE_NOT_FOUND';
    const reasoned = backend === 'native' || result.reason?.length > 0;
    check(`${situation}: ${script} computes with ${backend}`, right && result.backend === backend && reasoned, output);
  }
  const bin = join(project, 'node_modules', '.bin', 'tensim');
  const doctor = run(bin, ['doctor', '--json'], { cwd: project, env });
  const selected = doctor.status === 0 ? JSON.parse(doctor.stdout).selected : undefined;
  check(`${situation}: tensim doctor selects ${backend}`, selected === backend, doctor.output);
  const report = run(bin, ['compare', ...CHECKPOINTS, '--out', 'report.html'], { cwd: project, env });
  check(
    `${situation}: tensim compare writes a report`,
    report.status === 0 && existsSync(join(project, 'report.html')),
    report.output,
  );
  rmSync(join(project, 'report.html'), { force: true });
}

function checkWithPrebuild() {
  const noCompiler = environmentWithout(COMPILERS);
  checkUse('prebuilt', 'native', noCompiler);
  const { status, output } = run('npm', ['exec', '--no', '--', 'tensim', 'doctor'], { cwd: project, env: environment });
  check('prebuilt: npx tensim doctor', status === 0 && output.includes('native: available, selected'), output);
  const install = run(process.execPath, [join(installed, 'scripts', 'install.mjs')], {
    cwd: installed,
    env: noCompiler,
  });
  check(
    'prebuilt: the install script has nothing to say',
    install.status === 0 && install.output === '',
    install.output,
  );
}

/** Fresh projects of those kinds that the repository's own tools make; all kinds: `npm run campaign -- setups`. */
function checkSetups() {
  trySetups(join(project, 'node_modules'), (_, own) => own);
}

function removeAddon() {
  for (const folder of [join(installed, 'build'), join(installed, '..', '@tensim')])
    rmSync(folder, { recursive: true, force: true });
}

function checkWithoutAddon() {
  removeAddon();
  const noCompiler = environmentWithout(COMPILERS);
  const install = run(process.execPath, [join(installed, 'scripts', 'install.mjs')], {
    cwd: installed,
    env: noCompiler,
  });
  const notice = install.output.trim().split('\n');
  const said = notice.length === 1 && notice[0].includes('no C++ compiler') && notice[0].includes('fallback');
  check('no addon, no compiler: the install script says so in one line', install.status === 0 && said, install.output);
  checkUse('no addon, no compiler', 'fallback', noCompiler);
  const forced = run(join(project, 'node_modules', '.bin', 'tensim'), ['doctor'], {
    cwd: project,
    env: { ...noCompiler, TENSIM_BACKEND: 'native' },
  });
  check('no addon: asking for it fails', forced.status === 1, forced.output);
}

/** The compiler, which heeds the last of several levels. */
function quickCompiler() {
  const compiler = onPath('c++', 'g++', 'clang++');
  if (process.platform === 'win32' || compiler === undefined) return {};
  const quick = join(temporaryFolder('compiler'), 'c++');
  writeFileSync(quick, `#!/bin/sh\nexec '${compiler}' "$@" -O1\n`, { mode: 0o755 });
  return { CXX: quick };
}

function checkLocalBuild() {
  const compiler = process.argv.includes('--reuse') ? quickCompiler() : {};
  const ways = [['cmake', environment]];
  const headers = join(dirname(dirname(process.execPath)), 'include', 'node', 'common.gypi');
  if (process.env.npm_config_node_gyp && existsSync(headers)) ways.push(['node-gyp', environmentWithout(/^cmake/)]);
  else console.log('skipped: building with node-gyp needs to run under npm, and the headers of Node');
  for (const [way, env] of ways) {
    removeAddon();
    const { status, output } = run(process.execPath, [join(installed, 'scripts', 'install.mjs')], {
      cwd: installed,
      env: { ...env, ...compiler },
    });
    check(`built on the spot with ${way}`, status === 0 && output.includes(`addon with ${way}`), output);
    const left = readdirSync(join(installed, 'build'), { recursive: true });
    check(`built with ${way}: nothing else is left`, left.sort().join() === ['Release', BUILT].join(), left);
    checkUse(`built with ${way}`, 'native', environment);
  }
}
