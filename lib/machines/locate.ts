import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TensimError } from '../errors.js';
import { warn } from '../words/warning.js';

const LOST =
  'tensim was bundled away from its native addon and computes without it: same results, more slowly. ' +
  'Declare "tensim" as external (docs/guide/bundlers.md); TENSIM_QUIET=1 silences this';

/**
 * The file of the addon for this machine: built here, or else prebuilt, in this package or in the one that npm has installed
 * for this kind of machine (scripts/release.mjs). Of two C libraries node-gyp-build knows which is the machine's.
 * @throws what node-gyp-build says where there is none. Where this code was bundled away from its package, as
 * `packageRoot`, and that is said aloud: it is a mistake that nobody sees but by how long everything takes.
 */
export function locateAddon(): string {
  let root: string;
  try {
    root = packageRoot();
  } catch (error) {
    if (!process.env.TENSIM_QUIET) warn(LOST);
    throw error;
  }
  const usual = usualPlace(root);
  if (usual !== undefined) return usual;
  const require = requireFrom(join(root, 'package.json'));
  const { path } = require('node-gyp-build') as { path: (root: string) => string };
  try {
    return path(root);
  } catch (error) {
    for (const libc of ['', '-musl']) {
      try {
        return path(dirname(require.resolve(`@tensim/${process.platform}-${process.arch}${libc}/package.json`)));
      } catch {
        // Not installed, or for the other C library.
      }
    }
    throw error;
  }
}

/** Whoever sets one of these asks node-gyp-build for something else. */
const ASKED = ['TENSIM_PREBUILD', 'PREBUILDS_ONLY', 'LIBC', 'npm_config_arch', 'npm_config_platform'];

/**
 * Where node-gyp-build would find the addon in nearly every installation: built here, or in the package for this machine
 * beside this one. To read node-gyp-build itself takes three times as long as to load the addon.
 */
export function usualPlace(root: string): string | undefined {
  if (ASKED.some((variable) => process.env[variable])) return undefined;
  const built = join(root, 'build', 'Release', 'tensim.node');
  if (existsSync(built)) return built;
  if (['build', 'prebuilds'].some((name) => existsSync(join(root, name)))) return undefined;
  const { platform, arch } = process;
  const machine = `${platform}-${arch}`;
  const libc = platform !== 'linux' ? '' : existsSync('/etc/alpine-release') ? 'musl' : 'glibc';
  const own = join(dirname(root), '@tensim', libc === 'musl' ? `${machine}-musl` : machine);
  const prebuilt = join(own, 'prebuilds', machine, ['tensim', libc, 'node'].filter(Boolean).join('.'));
  return basename(dirname(root)) === 'node_modules' && existsSync(prebuilt) ? prebuilt : undefined;
}

/**
 * The folder of the installed package: the nearest one above this code whose package.json is tensim's. It holds the
 * addon (`build/Release` or `prebuilds`). Works from the sources, from the ESM and from the CommonJS bundle alike.
 * @throws TensimError `BACKEND_UNAVAILABLE` if this code was bundled away from its package.
 */
export function packageRoot(): string {
  const url: string | undefined = import.meta.url; // empty where a bundler made CommonJS of this module
  for (let folder = url === undefined ? undefined : dirname(fileURLToPath(url)); folder !== undefined; ) {
    if (isPackageRoot(folder)) return folder;
    const parent = dirname(folder);
    folder = parent === folder ? undefined : parent;
  }
  throw new TensimError('BACKEND_UNAVAILABLE', 'the folder of the package "tensim" was not found', {
    hint: 'If a bundler put tensim into one file with other code, declare it as external',
  });
}

function isPackageRoot(folder: string): boolean {
  const file = join(folder, 'package.json');
  return existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).name === 'tensim';
}

/** `require` as it is from a file. Not imported: webpack puts what it knows when it bundles in the place of `createRequire`. */
export function requireFrom(file: string): NodeJS.Require {
  return process.getBuiltinModule('node:module').createRequire(file);
}
