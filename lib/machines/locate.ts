import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TensimError } from '../errors.js';

/**
 * The folder of the installed package: the nearest one above this code whose package.json is tensim's. It holds the
 * addon (`build/Release` or `prebuilds`). Works from the sources, from the ESM and from the CommonJS bundle alike.
 * @throws TensimError `BACKEND_UNAVAILABLE` if this code was bundled away from its package.
 */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!isPackageRoot(folder)) {
    const parent = dirname(folder);
    if (parent === folder) {
      throw new TensimError('BACKEND_UNAVAILABLE', 'the folder of the package "tensim" was not found', {
        hint: 'If a bundler put tensim into one file with other code, declare it as external',
      });
    }
    folder = parent;
  }
  return folder;
}

function isPackageRoot(folder: string): boolean {
  const file = join(folder, 'package.json');
  return existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).name === 'tensim';
}
