import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { TensimError } from '../errors.js';
import { exists } from '../formats/exists.js';
import { isFolder } from '../model/reading/source.js';
import { CONFIG } from './adapter.js';

/**
 * The adapters that paths stand for: each of them is one, or a folder of folders with one each, which are taken in the
 * order of their names, numbers in them as numbers.
 * @throws TensimError `FILE_NOT_FOUND` for a folder without any
 */
export async function adaptersIn(paths: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const path of paths) {
    if (!(await isFolder(path)) || (await exists(join(path, CONFIG)))) {
      found.push(path);
      continue;
    }
    const inside: string[] = [];
    for (const name of await readdir(path)) if (await exists(join(path, name, CONFIG))) inside.push(name);
    if (inside.length === 0)
      throw new TensimError('FILE_NOT_FOUND', `there is no ${CONFIG} in this folder, or in a folder in it`, {
        file: path,
        hint: 'Give the folders that PEFT or MLX saved adapters to, or the one that they are in',
      });
    for (const name of inside.sort((one, other) => one.localeCompare(other, 'en', { numeric: true })))
      found.push(join(path, name));
  }
  return found;
}
