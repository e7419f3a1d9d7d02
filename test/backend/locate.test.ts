import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
// @ts-expect-error it has no types
import { path as askNodeGypBuild } from 'node-gyp-build';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { usualPlace } from '../../lib/machines/locate.js';
// @ts-expect-error a script without types
import { own, placeOf } from '../../scripts/cross.mjs';

let project: string;
let root: string;
beforeEach(() => {
  for (const name of ['TENSIM_PREBUILD', 'PREBUILDS_ONLY', 'LIBC']) vi.stubEnv(name, undefined);
  project = realpathSync(mkdtempSync(join(tmpdir(), 'tensim-locate-')));
  root = join(project, 'node_modules', 'tensim');
  mkdirSync(root, { recursive: true });
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(project, { recursive: true });
});

function put(...place: string[]): string {
  const file = join(...place);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, '');
  return file;
}
const packageHere = () => join(project, 'node_modules', '@tensim', own);

it('is what node-gyp-build finds, built here or in the package for this machine', () => {
  expect(usualPlace(root)).toBeUndefined();
  const prebuilt = put(packageHere(), ...placeOf(own));
  expect(usualPlace(root)).toBe(prebuilt);
  expect(askNodeGypBuild(packageHere())).toBe(prebuilt);
  const built = put(root, 'build', 'Release', 'tensim.node');
  expect(usualPlace(root)).toBe(built);
  expect(askNodeGypBuild(root)).toBe(built);
});

it('is left to node-gyp-build where something else was asked for, or lies in the package itself', () => {
  put(packageHere(), ...placeOf(own));
  put(root, ...placeOf(own));
  expect(usualPlace(root)).toBeUndefined();
  rmSync(join(root, 'prebuilds'), { recursive: true });
  expect(usualPlace(root)).toBeDefined();
  for (const name of ['TENSIM_PREBUILD', 'PREBUILDS_ONLY', 'LIBC']) {
    vi.stubEnv(name, '1');
    expect(usualPlace(root), name).toBeUndefined();
    vi.stubEnv(name, undefined);
  }
});

it('knows nothing of packages of other machines', () => {
  put(project, 'node_modules', '@tensim', 'plan9-mips', 'prebuilds', 'plan9-mips', 'tensim.node');
  expect(usualPlace(root)).toBeUndefined();
});
