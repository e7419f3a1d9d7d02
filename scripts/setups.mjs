// Fresh projects that use the package as people do: imported, required, typed, bundled, and on other runtimes. Each is a
// folder with the installed package in it; what it prints is checked. `npm run test:package` asks for those that need
// nothing but the repository's own tools, `npm run campaign -- setups` for all.

import { copyFileSync, cpSync, existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { check, run, temporaryFolder } from './checks.mjs';
import { root } from './toolchain.mjs';

const CHECKPOINTS = ['step_06000.safetensors', 'step_06200.safetensors'];
const SIMILARITY = 0.959635;

/** What every project does: it reads, compares, draws a chart, and meets an error. */
const BODY = `
async function smoke() {
  const [a, b] = await Promise.all(${JSON.stringify(CHECKPOINTS)}.map((file) => loadModel(file)));
  const result = await similarity(a, b, { perOutput: true });
  await writeReport(result, 'report.svg');
  const failure = await loadModel('nowhere.safetensors').catch((error) => error);
  console.log(JSON.stringify({
    value: result.similarity,
    backend: result.backend,
    outputs: result.perOutput.length,
    code: failure instanceof TensimError && failure.code,
  }));
}
smoke();
`;
const NAMES = 'loadModel, similarity, TensimError, writeReport';
const ESM = `import { ${NAMES} } from 'tensim';\n${BODY}`;
const CJS = `const { ${NAMES} } = require('tensim');\n${BODY}`;
/** One class of errors, whichever way it came. */
const BOTH = `import { createRequire } from 'node:module';
import * as imported from 'tensim';
const required = createRequire(import.meta.url)('tensim');
const failure = await required.loadModel('nowhere.safetensors').catch((error) => error);
const other = await imported.loadModel('nowhere.safetensors').catch((error) => error);
console.log(JSON.stringify(failure instanceof imported.TensimError && other instanceof required.TensimError));
`;
const TYPED = `
async function use(): Promise<number> {
  const a: Model = await loadModel('a.safetensors', { label: 'a', signal: AbortSignal.timeout(1000) });
  const plain: SimilarityResult = await similarity(a, a, { measure: 'tensor' });
  const sliced = await similarity(a, a, { perOutput: true });
  const first: string = sliced.perOutput[0].name;
  // @ts-expect-error: there only where it is asked for
  plain.perOutput.length;
  const matrix = await similarityMatrix([a, a], { perOutput: true, onProgress: ({ done, total }) => void (done / total) });
  const crossed = await similarityMatrix([a, a], { perOutput: true, reference: 0 });
  const names: readonly string[] = [...matrix.perOutput.names, ...crossed.perOutput.names, first];
  const found = await explain(a, a);
  const outputs: number = found.kind === 'forms' ? found.outputs.length : found.layers.length;
  const exchanged = await explain(a, a, { by: 'layers' });
  const directions = await explain(a, a, { by: 'directions' });
  const checkpoint = await openCheckpoint('a.safetensors');
  await checkpoint[Symbol.asyncDispose]();
  // @ts-expect-error: not a measure
  await similarity(a, a, { measure: 'colour' });
  return names.length + outputs + exchanged.layers.length + directions.outputs.length + gaussian.hafnian.length;
}
use().catch((error: unknown) => void (error instanceof TensimError ? error.code : error));
`;
const TYPED_NAMES = 'TensimError, explain, gaussian, loadModel, openCheckpoint, similarity, similarityMatrix';
const TYPED_ESM = `import { ${TYPED_NAMES}, type Model, type SimilarityResult } from 'tensim';\n${TYPED}`;
const TYPED_CJS = `import tensim = require('tensim');
const { ${TYPED_NAMES} } = tensim;
type Model = tensim.Model;
type SimilarityResult = tensim.SimilarityResult;
${TYPED}`;

/** The tools of other makers: a package of their own, installed at the first use. */
const tooling = join(root, 'test', 'package', 'tooling');

/** By name; those of `own` need only what the repository has installed anyway. */
const SETUPS = {
  esm: { own: true, try: (project) => ran(project, 'node', { 'app.mjs': ESM }, ['app.mjs']) },
  cjs: { own: true, try: (project) => ran(project, 'node', { 'app.cjs': CJS }, ['app.cjs']) },
  both: { own: true, try: triesBoth },
  'typescript-7': { own: true, try: (project) => typed(project, join(root, 'node_modules', 'typescript')) },
  'typescript-6': { try: (project) => typed(project, tool('typescript-6')) },
  'typescript-5.9': { try: (project) => typed(project, tool('typescript-5.9')) },
  'typescript-5.2': { try: (project) => typed(project, tool('typescript-5.2')) },
  'esbuild-cjs': { own: true, try: (project) => esbuilt(project, 'cjs', ESM) },
  'esbuild-cjs-required': { own: true, try: (project) => esbuilt(project, 'cjs', CJS) },
  'esbuild-esm': { own: true, try: (project) => esbuilt(project, 'esm', ESM) },
  vite: { own: true, try: vites },
  webpack: { try: webpacks },
  ncc: { try: nccs },
  bun: { try: (project) => ran(project, binary('bun'), { 'app.mjs': ESM, 'app.cjs': CJS }, ['app.mjs'], ['app.cjs']) },
  deno: { try: denos },
};

/**
 * Tries the set-ups in fresh projects.
 * @param installed the node_modules folder that the package is installed in
 * @param choose which, by name and whether the repository's own tools do
 */
export function trySetups(installed, choose) {
  for (const [name, { own = false, try: attempt }] of Object.entries(SETUPS)) {
    if (!choose(name, own)) continue;
    const folder = temporaryFolder(`setup-${name}`);
    cpSync(installed, join(folder, 'node_modules'), { recursive: true, verbatimSymlinks: true });
    writeFileSync(join(folder, 'package.json'), `{ "name": "setup-${name}", "private": true }\n`);
    for (const file of CHECKPOINTS) copyFileSync(join(root, 'examples', 'digits-backdoor', file), join(folder, file));
    attempt({ name, folder });
  }
}

/** npm writes down what it has installed. Nothing there needs its install script. */
export function provideTooling() {
  if (existsSync(join(tooling, 'node_modules', '.package-lock.json'))) return;
  const args = ['ci', '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts'];
  const { status, output } = run('npm', args, { cwd: tooling });
  if (!check('the tools of test/package/tooling are installed', status === 0, output)) process.exit(1);
}

const tool = (name) => join(tooling, 'node_modules', name);

/** An executable of the platform's own package, which the package of that name would copy at installation. */
function binary(name) {
  const platform = `${process.platform}-${process.arch}`;
  const places = { bun: `@oven/bun-${platform}/bin/bun`, deno: `@deno/${platform}-glibc/deno` };
  return join(tooling, 'node_modules', places[name]);
}

function write({ folder }, files) {
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
}

/** Runs the program once for each list of arguments, which prints what the smoke test found; native does the work. */
function ran(project, program, files, ...runs) {
  write(project, files);
  for (const args of runs) {
    const command = program === 'node' ? process.execPath : program;
    const { status, stdout, output } = run(command, args, { cwd: project.folder, env: environment() });
    check(`${project.name}: ${args.join(' ')} computes with native`, worked(status, stdout, 'native'), output);
  }
}

function worked(status, stdout, backend) {
  const result = status === 0 ? JSON.parse(stdout.trim().split('\n').at(-1)) : {};
  const right = Math.abs(result.value - SIMILARITY) < 1e-6 && result.outputs === 10 && result.code === 'FILE_NOT_FOUND';
  return right && result.backend === backend;
}

/** Without what would choose a backend. */
function environment(more = {}) {
  const { TENSIM_BACKEND: _, TENSIM_QUIET: __, ...rest } = process.env;
  return { ...rest, ...more };
}

function triesBoth(project) {
  write(project, { 'app.mjs': BOTH });
  const { status, stdout, output } = run(process.execPath, ['app.mjs'], { cwd: project.folder, env: environment() });
  check('both: an error of one is an instance of the other’s class', status === 0 && stdout.trim() === 'true', output);
}

/** Strict, with the declarations checked themselves, and nothing known of Node. */
function typed(project, compiler) {
  write(project, { 'esm.mts': TYPED_ESM, 'cjs.cts': TYPED_CJS });
  for (const [module, resolution, files] of [
    ['node16', 'node16', ['esm.mts', 'cjs.cts']],
    ['nodenext', 'nodenext', ['esm.mts', 'cjs.cts']],
    ['esnext', 'bundler', ['esm.mts']],
  ]) {
    const options = [
      '--noEmit',
      '--strict',
      '--exactOptionalPropertyTypes',
      '--target',
      'es2022',
      '--skipLibCheck',
      'false',
    ];
    const args = [...options, '--module', module, '--moduleResolution', resolution, ...files];
    const { status, output } = run(process.execPath, [join(compiler, 'bin', 'tsc'), ...args], { cwd: project.folder });
    check(`${project.name}: ${files.join(' and ')} under ${resolution}`, status === 0, output);
  }
}

/** Runs a bundle with the package inside, where no package is, and one that leaves it out. */
function bundled(project, inside, outside) {
  for (const file of [inside, outside]) {
    if (!check(`${project.name}: makes ${file}`, existsSync(join(project.folder, file)))) return;
  }
  const packages = join(project.folder, 'node_modules');
  renameSync(packages, `${packages}.away`);
  const lost = once(project, inside, {});
  const said = lost.output.split('bundled away from its native addon').length - 1;
  check(
    `${project.name}: without the addon the fallback computes`,
    worked(lost.status, lost.stdout, 'fallback'),
    lost.output,
  );
  check(`${project.name}: and that is said once`, said === 1, lost.output);
  const quiet = once(project, inside, { TENSIM_QUIET: '1' });
  check(`${project.name}: or not at all`, !quiet.output.includes('bundled away'), quiet.output);
  renameSync(`${packages}.away`, packages);
  const whole = once(project, outside, {});
  check(`${project.name}: left outside, native computes`, worked(whole.status, whole.stdout, 'native'), whole.output);
}

function once({ folder }, file, more) {
  return run(process.execPath, [file], { cwd: folder, env: environment(more) });
}

function esbuilt(project, format, source) {
  const ending = format === 'cjs' ? 'cjs' : 'mjs';
  write(project, { 'app.js': source });
  const { resolve } = createRequire(join(root, 'package.json'));
  for (const more of [[], ['--external:tensim']]) {
    const outfile = more.length === 0 ? `inside.${ending}` : `outside.${ending}`;
    const args = ['app.js', '--bundle', '--platform=node', `--format=${format}`, `--outfile=${outfile}`, ...more];
    const built = run(process.execPath, [resolve('esbuild/bin/esbuild'), ...args], { cwd: project.folder });
    check(`${project.name}: esbuild ${args.slice(1).join(' ')}`, built.status === 0, built.output);
  }
  bundled(project, `inside.${ending}`, `outside.${ending}`);
}

function vites(project) {
  write(project, { 'app.js': ESM });
  const vite = join(root, 'node_modules', 'vite', 'bin', 'vite.js');
  for (const [outDir, ssr] of [
    ['inside', { noExternal: true }],
    ['outside', { external: ['tensim'] }],
  ]) {
    const config = { build: { ssr: 'app.js', outDir, target: 'node20' }, ssr, logLevel: 'warn' };
    write(project, { [`${outDir}.config.mjs`]: `export default ${JSON.stringify(config)};\n` });
    const built = run(process.execPath, [vite, 'build', '--config', `${outDir}.config.mjs`], { cwd: project.folder });
    check(`${project.name}: builds ${outDir}`, built.status === 0, built.output);
  }
  bundled(project, 'inside/app.mjs', 'outside/app.mjs');
}

function webpacks(project) {
  write(project, {
    'app.js': ESM,
    'build.cjs': `const webpack = require(${JSON.stringify(tool('webpack'))});
const common = { mode: 'production', target: 'node20', entry: './app.js', optimization: { minimize: false } };
const externals = { tensim: 'commonjs tensim' };
webpack([
  { ...common, output: { path: __dirname, filename: 'inside.cjs' } },
  { ...common, output: { path: __dirname, filename: 'outside.cjs' }, externals },
], (error, stats) => {
  console.log(error ?? stats.toString({ preset: 'errors-warnings' }));
  process.exitCode = error || stats.hasErrors() ? 1 : 0;
});
`,
  });
  const built = run(process.execPath, ['build.cjs'], { cwd: project.folder });
  check(`${project.name}: builds`, built.status === 0, built.output);
  bundled(project, 'inside.cjs', 'outside.cjs');
}

function nccs(project) {
  write(project, { 'app.js': CJS });
  const ncc = join(tool('@vercel/ncc'), 'dist', 'ncc', 'cli.js');
  for (const more of [[], ['--external', 'tensim']]) {
    const out = more.length === 0 ? 'inside' : 'outside';
    const built = run(process.execPath, [ncc, 'build', 'app.js', '--out', out, ...more], { cwd: project.folder });
    check(`${project.name}: builds ${out}`, built.status === 0, built.output);
  }
  bundled(project, 'inside/index.js', 'outside/index.js');
}

function denos(project) {
  const allowed = ['run', '--allow-read', '--allow-write', '--allow-env', '--allow-ffi', '--allow-sys', '--no-prompt'];
  mkdirSync(join(project.folder, 'cache'));
  ran(project, binary('deno'), { 'app.mjs': ESM, 'app.cjs': CJS }, [...allowed, 'app.mjs'], [...allowed, 'app.cjs']);
}
