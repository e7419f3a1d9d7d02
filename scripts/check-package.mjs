// `npm run test:package`: packs the package as it would be published, installs it into an empty project, and uses it
// there: from its prebuilt addon, without any addon, and with an addon built on the spot. Needs a compiler and the npm
// registry. With --reuse the addon that is packed as a prebuilt one is that of build/, as `npm ci` has just compiled
// it, not one of a clean build, and what is built on the spot is optimised less: whether the packed sources are all that
// it takes is what is asked, and nothing is computed that takes time.

import { copyFileSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { COMPILERS, check, conclude, environmentWithout, plainEnvironment, run, temporaryFolder } from './checks.mjs';
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
const TYPED_USE = `
async function use(): Promise<number> {
  const a: Model = await loadModel('a.safetensors', { label: 'a' });
  const result: SimilarityResult = await similarity(a, a, { measure: 'tensor', perOutput: true });
  const matrix: SimilarityMatrix = await similarityMatrix([a, a], { onProgress: ({ done, total }) => void (done / total) });
  // @ts-expect-error: not a measure
  await similarity(a, a, { measure: 'colour' });
  return result.similarity + matrix.direction({ from: 0, to: 1 }, { from: 0, to: 1 });
}
use().catch((error: unknown) => console.error(error instanceof TensimError ? error.code : error));`;
const NAMES = 'TensimError, loadModel, similarity, similarityMatrix';
const TYPES = 'Model, SimilarityMatrix, SimilarityResult';

pack();
checkWithPrebuild();
checkTypes();
checkWithoutAddon();
checkLocalBuild();
conclude();

function pack() {
  const env = { ...process.env, ...(process.argv.includes('--reuse') && { TENSIM_PREBUILD_REUSE: '1' }) };
  for (const script of ['build.mjs', 'prebuild.mjs']) {
    const { status, output } = run(process.execPath, [join(root, 'scripts', script)], { cwd: root, env });
    check(`scripts/${script} runs`, status === 0, output);
  }
  const packed = run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', project], { cwd: root });
  if (!check('npm pack', packed.status === 0, packed.output)) conclude();
  const listing = JSON.parse(packed.stdout);
  const [{ filename, files, size }] = Array.isArray(listing) ? listing : Object.values(listing);
  const paths = files.map(({ path }) => path);
  const unwanted = paths.filter((path) =>
    /^(lib|test|examples|bench|build|report|\.)|(?<!^prebuilds\/.*)\.node$/.test(path),
  );
  check('the tarball holds no sources, tests or examples', unwanted.length === 0, unwanted.join('\n'));
  const binaries = paths.filter((path) => path.endsWith('.node'));
  check('the tarball holds one addon per platform', new Set(binaries.map(dirname)).size === binaries.length, binaries);

  const cuda = paths.filter((path) => /tensim_cuda\.(so|dylib|dll|lib)$/.test(path));
  check('the tarball holds no CUDA library', cuda.length === 0, cuda.join('\n'));
  check('the tarball is smaller than 5 MB', size < 5e6, `${size} bytes`);

  writeFileSync(join(project, 'package.json'), '{ "name": "consumer", "private": true }\n');
  const install = run('npm', ['install', '--prefer-offline', `./${filename}`], { cwd: project, env: environment });
  if (!check('npm install of the tarball', install.status === 0, install.output)) conclude();

  for (const file of CHECKPOINTS) copyFileSync(join(root, 'examples', 'digits-backdoor', file), join(project, file));
  writeFileSync(join(project, 'esm.mjs'), `import * as tensim from 'tensim';\n${USE}\nawait use(tensim);\n`);
  writeFileSync(join(project, 'cjs.cjs'), `const tensim = require('tensim');\n${USE}\nuse(tensim);\n`);
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

/** The declarations as TypeScript finds them from ESM and from CommonJS. */
function checkTypes() {
  writeFileSync(
    join(project, 'esm.mts'),
    `import { ${NAMES}, type ${TYPES.replaceAll(', ', ', type ')} } from 'tensim';\n${TYPED_USE}\n`,
  );
  writeFileSync(
    join(project, 'cjs.cts'),
    `import tensim = require('tensim');\nconst { ${NAMES} } = tensim;\n${TYPES.split(', ')
      .map((type) => `type ${type} = tensim.${type};`)
      .join('\n')}\n${TYPED_USE}\n`,
  );
  mkdirSync(join(project, 'node_modules', '@types'), { recursive: true });
  symlinkSync(
    join(root, 'node_modules', '@types', 'node'),
    join(project, 'node_modules', '@types', 'node'),
    'junction',
  );
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  for (const [module, resolution, files] of [
    ['node16', 'node16', ['esm.mts', 'cjs.cts']],
    ['nodenext', 'nodenext', ['esm.mts', 'cjs.cts']],
    ['preserve', 'bundler', ['esm.mts']],
  ]) {
    const options = ['--noEmit', '--strict', '--target', 'es2022', '--types', 'node'];
    const args = [tsc, ...options, '--module', module, '--moduleResolution', resolution, ...files];
    const { status, output } = run(process.execPath, args, { cwd: project });
    check(`types: ${files.join(' and ')} under ${resolution}`, status === 0, output);
  }
}

function removeAddon() {
  for (const folder of ['prebuilds', 'build']) rmSync(join(installed, folder), { recursive: true, force: true });
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
    checkUse(`built with ${way}`, 'native', environment);
  }
}
