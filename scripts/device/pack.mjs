// Packs what checks the CUDA backend on a machine with a GPU that has nothing else: no Node, no network, no compiler.
//
//   node scripts/device/pack.mjs FOLDER      writes device.tar.xz, node.xz and run.sh into FOLDER: some 40 MB
//
// On the other machine, with the checkout (its examples) as working directory:
//
//   bash FOLDER/run.sh                       see there
//
// What it needs must be built: the addon and the library, the native tests, dist. The library of PTX alone is built here.

import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { build } from 'esbuild';
import { forNode } from '../bundle.mjs';
import { packageFolder, root } from '../toolchain.mjs';

const [given] = process.argv.slice(2);
if (given === undefined) {
  console.error('Usage: node scripts/device/pack.mjs FOLDER');
  process.exit(2);
}
const out = resolve(given);

/** What tests and the package import at run time; lightningcss is for style sheets. */
const PACKAGES = ['vitest', 'fast-check', 'esbuild', 'ajv', 'picomatch', 'tinyglobby', 'vega'];
const LEFT_OUT = new Set(['lightningcss', '@huggingface/tasks', 'typescript', 'cmake-js']);
const BUILT = [
  'build/Release/tensim.node',
  'build/Release/tensim_cuda.so',
  'build/tensim_native_tests',
  'dist/index.js',
];
const FOLDERS = ['lib', 'test', 'native', 'scripts', 'schemas', 'bench', 'dist'];
const FILES = ['package.json', 'tsconfig.json', 'vitest.config.ts'];
const PTX = 'build/cuda-ptx/Release/tensim_cuda.so';

function must(program, args, options = {}) {
  const { status, error } = spawnSync(program, args, { cwd: root, stdio: 'inherit', ...options });
  if (status !== 0) throw error ?? new Error(`${program} ended with ${status}`);
}

/** The folders of packages and of all that they need, as npm has laid them out. */
function packagesWithNeeds() {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const { packages } = JSON.parse(readFileSync(join(root, 'node_modules/.package-lock.json'), 'utf8'));
  const found = new Set();
  const add = (name, from) => {
    if (LEFT_OUT.has(name)) return;
    for (let above = from; ; above = above.slice(0, Math.max(0, above.lastIndexOf('node_modules/') - 1))) {
      const folder = `${above}${above && '/'}node_modules/${name}`;
      const one = packages[folder];
      if (one === undefined && above !== '') continue;
      if (one === undefined || found.has(folder)) return;
      found.add(folder);
      const needs = { ...one.dependencies, ...one.optionalDependencies, ...one.peerDependencies };
      for (const need of Object.keys(needs)) add(need, folder);
      return;
    }
  };
  for (const name of [...PACKAGES, ...Object.keys(dependencies)]) add(name, '');
  return [...found].filter((folder) => existsSync(join(root, folder)));
}

const missing = BUILT.filter((file) => !existsSync(join(root, file)));
if (missing.length > 0) {
  console.error(`not built: ${missing.join(', ')}`);
  process.exit(1);
}
const cmakeJs = join(packageFolder('cmake-js'), 'bin', 'cmake-js');
const ptx = ['--out', 'build/cuda-ptx', '--CDCMAKE_CUDA_ARCHITECTURES=80-virtual'];
must(process.execPath, [cmakeJs, 'build', '--target', 'tensim_cuda', ...ptx]);

const stage = mkdtempSync(join(tmpdir(), 'tensim-device-'));
try {
  const target = join(stage, 'tensim');
  const isWanted = (path) => !/\.(map|md)$|\.d\.[cm]?ts$/.test(path);
  for (const folder of [...FOLDERS, ...packagesWithNeeds()])
    cpSync(join(root, folder), join(target, folder), { recursive: true, filter: isWanted, verbatimSymlinks: true });
  for (const file of [...FILES, ...BUILT.slice(0, 3), PTX]) {
    mkdirSync(dirname(join(target, file)), { recursive: true });
    copyFileSync(join(root, file), join(target, file));
  }
  for (const file of ['build/Release/tensim.node', 'build/tensim_native_tests']) must('strip', [join(target, file)]);
  const programs = readdirSync(join(root, 'test/device')).filter((name) => name !== 'checks.ts');
  await build({
    ...forNode,
    entryPoints: [...programs.map((name) => `test/device/${name}`), 'bench/device.ts'],
    entryNames: '[dir]/[name]',
    outbase: root,
    outdir: join(target, 'build'),
    outExtension: { '.js': '.mjs' },
    format: 'esm',
  });
  mkdirSync(out, { recursive: true });
  copyFileSync(join(root, 'scripts/device/run.sh'), join(out, 'run.sh'));
  const node = join(stage, 'node');
  must('strip', ['-o', node, process.execPath]);
  must('sh', ['-c', 'xz -T0 -c "$1" > "$2"', 'sh', node, join(out, 'node.xz')]);
  rmSync(node);
  must('sh', ['-c', 'tar -c -C "$1" tensim | xz -T0 > "$2"', 'sh', stage, join(out, 'device.tar.xz')]);
} finally {
  rmSync(stage, { recursive: true, force: true });
}
