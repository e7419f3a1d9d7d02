// `npm run release [-- FOLDER]`: the tarballs that are published, from dist/ and prebuilds/ as they are: tensim without
// any addon, and for each addon a package that npm installs where it loads, for tensim depends on all of them optionally.
// In one package they would be more than 12 MB for everybody. (`npm pack` by itself puts what is in prebuilds/ into one.)

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { libcOf, own, placeOf, RELEASED } from './cross.mjs';
import { root } from './toolchain.mjs';

/** Writes the tarballs into `folder`. Returns what npm says of each, that of tensim last. */
export function release(folder) {
  const staging = join(root, 'build', 'release');
  rmSync(staging, { recursive: true, force: true });
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const built = RELEASED.filter((target) => existsSync(join(root, ...placeOf(target))));
  const packs = built.map((target) => {
    const place = join(staging, target);
    put(join(...placeOf(target)), place);
    put('LICENSE', place);
    write(join(place, 'package.json'), manifestOf(target, manifest));
    write(join(place, 'README.md'), `# @tensim/${target}\n\nThe addon of the package tensim for ${target}.\n`);
    return pack(place, folder);
  });
  const main = join(staging, 'tensim');
  const [{ files }] = npm(['pack', '--dry-run', '--json', '--ignore-scripts'], root);
  for (const { path } of files) if (!path.startsWith('prebuilds/')) put(path, main);
  const optionalDependencies = Object.fromEntries(RELEASED.map((target) => [`@tensim/${target}`, manifest.version]));
  write(join(main, 'package.json'), { ...manifest, optionalDependencies });
  return [...packs, pack(main, folder)];
}

/** Of what `release` returns, what npm installs on this machine: paths from the folder. */
export function tarballsHere(packs) {
  return packs
    .filter(({ name }) => name === `@tensim/${own}` || name === 'tensim')
    .map(({ filename }) => `./${filename}`);
}

/** @param manifest package.json of tensim */
export function manifestOf(target, { version, license, author, repository, engines }) {
  const [platform, arch] = target.split('-');
  const libc = libcOf(target);
  return {
    name: `@tensim/${target}`,
    version,
    description: `The addon of tensim for ${target}`,
    license,
    author,
    repository,
    engines,
    os: [platform],
    cpu: [arch],
    ...(libc && { libc: [libc] }),
  };
}

function put(path, place) {
  mkdirSync(dirname(join(place, path)), { recursive: true });
  cpSync(join(root, path), join(place, path));
}

function write(file, content) {
  writeFileSync(file, typeof content === 'string' ? content : `${JSON.stringify(content, undefined, 2)}\n`);
}

function pack(place, folder) {
  return npm(['pack', '--json', '--ignore-scripts', '--pack-destination', folder], place)[0];
}

function npm(args, cwd) {
  const { status, stdout, stderr } = spawnSync('npm', args, {
    cwd,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    shell: process.platform === 'win32',
  });
  if (status !== 0) throw new Error(`npm ${args.join(' ')}: ${stderr}`);
  return Object.values(JSON.parse(stdout));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = resolve(process.argv[2] ?? '.');
  mkdirSync(folder, { recursive: true });
  for (const { filename, size, unpackedSize } of release(folder))
    console.log(`${filename}: ${(size / 1e6).toFixed(2)} MB, unpacked ${(unpackedSize / 1e6).toFixed(2)} MB`);
}
