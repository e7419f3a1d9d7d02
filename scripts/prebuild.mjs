// Makes prebuilds/<platform>-<arch>/ with the addon of this machine, for publishing. The name is tagged with the C
// library (glibc or musl) on Linux, so that node-gyp-build never offers one to the other. The build is a clean one in a
// folder of its own: the everyday build stays as it is.

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import prebuildify from 'prebuildify';
import { root } from './toolchain.mjs';

const staging = join(root, 'build', 'prebuild');
rmSync(staging, { recursive: true, force: true });
mkdirSync(staging, { recursive: true });

const shim = fileURLToPath(new URL('prebuild-shim.mjs', import.meta.url));
await promisify(prebuildify)({
  name: 'tensim',
  cwd: staging,
  out: root,
  napi: true,
  strip: true,
  tagLibc: process.platform === 'linux',
  targets: [process.version],
  nodeGyp: process.platform === 'win32' ? `"${process.execPath}" "${shim}"` : shim,
});
