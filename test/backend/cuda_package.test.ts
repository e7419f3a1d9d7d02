// Where the library of the CUDA backend is looked for, in a folder with packages of its own.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { temporaryFolder } from '../formats/safetensors/helpers.js';

const root = temporaryFolder();
const FILE = process.platform === 'win32' ? 'tensim_cuda.dll' : 'tensim_cuda.so';
const PACKAGE = `@tensim/cuda-${process.platform}-${process.arch}`;

let folders = 0;
let home: string;
vi.mock('../../lib/machines/locate.js', async (original) => ({
  ...(await original<typeof import('../../lib/machines/locate.js')>()),
  packageRoot: () => home,
}));

/** An installed package with nothing but the library in it. */
function install(folder: string): string {
  const own = join(folder, 'node_modules', PACKAGE);
  mkdirSync(own, { recursive: true });
  writeFileSync(join(own, 'package.json'), JSON.stringify({ name: PACKAGE, version: '0.1.0' }));
  writeFileSync(join(own, FILE), '');
  return join(own, FILE);
}

/** Anew for every test: each is looked for once. */
async function find(addonPath: string) {
  vi.resetModules();
  return (await import('../../lib/machines/cuda/library.js')).findLibrary(addonPath);
}

beforeEach(() => {
  vi.stubEnv('TENSIM_CUDA_LIBRARY', undefined);
  home = join(root, `project${folders++}`, 'node_modules', 'tensim');
  mkdirSync(join(home, 'build'), { recursive: true });
  writeFileSync(join(home, 'package.json'), '{"name": "tensim"}');
});
afterEach(() => vi.unstubAllEnvs());

describe('the library of the CUDA backend', () => {
  const addon = () => join(home, 'build', 'tensim.node');

  it('is found in a package beside this one', async () => {
    const library = install(join(home, '..', '..'));
    expect(await find(addon())).toEqual({ library, from: `the package ${PACKAGE}` });
  });

  it('is found in a package within this one', async () => {
    const library = install(home);
    expect(await find(addon())).toEqual({ library, from: `the package ${PACKAGE}` });
  });

  it('is that beside the addon first, and that of the variable before all', async () => {
    install(home);
    const beside = join(home, 'build', FILE);
    writeFileSync(beside, '');
    expect(await find(addon())).toEqual({ library: beside, from: 'a build, beside the addon' });
    const named = join(home, 'named.so');
    vi.stubEnv('TENSIM_CUDA_LIBRARY', named);
    expect(await find(addon())).toEqual({ reason: `there is no library ${named}` });
    writeFileSync(named, '');
    expect(await find(addon())).toEqual({
      library: named,
      from: 'the environment variable TENSIM_CUDA_LIBRARY',
    });
  });

  it('is nowhere where nobody has brought it', async () => {
    const beside = join(home, 'build', FILE);
    expect(await find(addon())).toEqual({ reason: `there is no library ${beside}, and no package ${PACKAGE}` });
  });
});
