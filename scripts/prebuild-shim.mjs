#!/usr/bin/env node
// Stands in for node-gyp under prebuildify, which calls `rebuild --target=… --devdir=… --arch=… --release` in the
// folder where it will look for build/Release/*.node. cmake-js gives --target another meaning, and Node-API needs no
// headers of a particular Node: only the architecture is passed on. With TENSIM_PREBUILD_REUSE the addon of build/ is
// taken as it is.

import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { addon, packageFolder, root } from './toolchain.mjs';

if (process.env.TENSIM_PREBUILD_REUSE) {
  const place = join(process.cwd(), 'build', 'Release', 'tensim.node');
  mkdirSync(dirname(place), { recursive: true });
  copyFileSync(addon, place);
  process.exit(0);
}
const arch = process.argv.find((word) => word.startsWith('--arch='))?.slice('--arch='.length) ?? process.arch;
const cmakeJs = join(packageFolder('cmake-js'), 'bin', 'cmake-js');
const folders = ['--directory', root, '--out', join(process.cwd(), 'build')];
const args = [
  cmakeJs,
  'build',
  '--CDTENSIM_CUDA=OFF',
  ...folders,
  '--arch',
  arch,
  '--parallel',
  String(availableParallelism()),
];
const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
process.exit(status ?? 1);
