// `npm run prebuild [-- --all | TARGET…]`: makes prebuilds/PLATFORM-ARCH/ with the addon of this machine, of all that this
// machine has a toolchain for, or of those named, for publishing. Prints what each asks of the machine that loads it, and
// fails where that is more than it should be. The name is tagged with the C library (glibc or musl) on Linux, so that
// node-gyp-build never offers one to the other. The everyday build stays as it is: these are in folders of their own.
//
// With TENSIM_PREBUILD_REUSE the addon of build/ is taken as it is, for tests of what is around it.

import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import prebuildify from 'prebuildify';
import { build, folderOf, isStripped, libcOf, obstacle, own, placeOf, targets, toolOf } from './cross.mjs';
import { readMachO } from './macho.mjs';
import { excessOf, needsOfElf, needsOfPe } from './needs.mjs';
import { addon, root } from './toolchain.mjs';

const named = process.argv.slice(2).filter((word) => word !== '--all');
const wanted = process.argv.includes('--all') ? targets : named.length > 0 ? named : [own];
const reused = process.env.TENSIM_PREBUILD_REUSE !== undefined;

let failed = false;
for (const target of wanted) {
  const reason = reused && target === own ? undefined : obstacle(target);
  if (reason === undefined) await prebuild(target);
  else fail(target, `cannot be built here: ${reason}`);
}
process.exitCode = failed ? 1 : 0;

async function prebuild(target) {
  let made = addon;
  if (!reused || target !== own) {
    try {
      build(target, 'tensim');
    } catch (error) {
      return fail(target, error.message);
    }
    made = join(folderOf(target), 'Release', 'tensim.node');
  }
  const file = await pack(target, made);
  const size = `${(statSync(file).size / 2 ** 20).toFixed(1)} MiB`;
  console.log(`${relative(root, file)}: ${size}, needs ${check(target, file) ?? 'what its compiler takes'}`);
}

/** Strips what was built and puts it where node-gyp-build looks. Returns its path. */
async function pack(target, made) {
  const staging = join(root, 'build', 'prebuild', target);
  rmSync(staging, { recursive: true, force: true });
  mkdirSync(staging, { recursive: true });
  process.env.TENSIM_PREBUILD_ADDON = made;
  const shim = fileURLToPath(new URL('prebuild-shim.mjs', import.meta.url));
  const [platform, arch] = target.split('-');
  const libc = libcOf(target);
  const stripBin = isStripped(target) ? undefined : toolOf(target, 'strip');
  await promisify(prebuildify)({
    name: 'tensim',
    cwd: staging,
    out: root,
    napi: true,
    platform,
    arch,
    ...(stripBin && { strip: true, stripBin }),
    ...(libc && { tagLibc: libc }),
    targets: [process.version],
    nodeGyp: process.platform === 'win32' ? `"${process.execPath}" "${shim}"` : shim,
  });
  return join(root, ...placeOf(target));
}

/** What the addon asks of a machine, in words, where there are tools that tell. */
function check(target, file) {
  if (reused) return undefined;
  const refuse = (excess) => {
    if (excess.length > 0) fail(target, `asks for more than machines have: ${excess.join(', ')}`);
  };
  if (target.startsWith('darwin')) {
    const needs = readMachO(readFileSync(file));
    refuse(excessOf(target, needs));
    return [`macOS_${needs.oldest}`, ...needs.libraries].join(' ');
  }
  const windows = target.startsWith('win32');
  const tool = process.platform === 'linux' ? toolOf(target, windows ? 'objdump' : 'readelf') : undefined;
  if (tool === undefined) return undefined;
  const { stdout } = spawnSync(tool, windows ? ['-p', file] : ['-hdVW', file], { encoding: 'utf8' });
  refuse(excessOf(target, stdout));
  const { versions, libraries } = windows ? needsOfPe(stdout) : needsOfElf(stdout);
  const newest = Object.entries(versions).map(([name, list]) => `${name}_${list.at(-1)}`);
  return [...newest, ...libraries].join(' ');
}

function fail(target, reason) {
  failed = true;
  console.error(`${target}: ${reason}`);
}
