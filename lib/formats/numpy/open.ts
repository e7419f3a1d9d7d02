import { basename } from 'node:path';
import { unhurried } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { quote } from '../../words/quoting.js';
import { MemoryBudget } from '../budget.js';
import { emptyMetadata, type TensorEntry } from '../entry.js';
import { checkNames, checkTotal } from '../listing.js';
import type { OpenedFiles } from '../opened_files.js';
import { SourceFile } from '../source_file.js';
import { locate, readDirectory } from '../zip/directory.js';
import { STORED } from '../zip/records.js';
import { readNpyHeader } from './header.js';

/** The name of the array in an .npy file, which has none of its own. */
const ALONE = 'array';

const ENDING = /\.npy$/i;

/**
 * Opens an .npy file: one array, listed as `array`.
 * @throws TensimError `FILE_NOT_FOUND`, `INVALID_FILE`
 */
export function openNpy(path: string): Promise<OpenedFiles> {
  return opened(path, async (source) => {
    const entry = await readNpyHeader({ source, start: 0, size: source.size, name: ALONE, named: false });
    return new Map([[ALONE, entry]]);
  });
}

/**
 * Opens an .npz archive and lists its arrays, by the names that numpy.savez was given.
 * @throws TensimError `FILE_NOT_FOUND`, or `INVALID_FILE` for what is damaged, and for compressed archives, with a way
 * to convert them
 */
export function openNpz(path: string, signal?: AbortSignal): Promise<OpenedFiles> {
  return opened(path, (source) => listArrays(source, signal));
}

async function opened(
  path: string,
  list: (source: SourceFile) => Promise<ReadonlyMap<string, TensorEntry>>,
): Promise<OpenedFiles> {
  const source = await SourceFile.open(path);
  try {
    return { sources: [source], metadata: emptyMetadata(), tensors: await list(source) };
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function listArrays(source: SourceFile, signal?: AbortSignal): Promise<ReadonlyMap<string, TensorEntry>> {
  const { path: file } = source;
  const budget = new MemoryBudget(file);
  const directory = await readDirectory(source, budget, signal);
  const arrays = [...directory.members.values()].filter(({ name }) => ENDING.test(name));
  if (arrays.length === 0 && directory.members.size > 0)
    throw new TensimError('INVALID_FILE', 'is an archive without arrays', {
      file,
      hint: 'Write it with numpy.savez; a PyTorch checkpoint has the ending .pt, .pth or .bin',
    });
  const names = arrays.map(({ name }) => name.replace(ENDING, ''));
  await unhurried(checkNames(names, file, budget), signal);
  const entries = new Map<string, TensorEntry>();
  for (const [index, member] of arrays.entries()) {
    signal?.throwIfAborted();
    const name = names[index];
    if (member.encrypted || member.method !== STORED)
      throw new TensimError(
        'INVALID_FILE',
        `its member ${quote(member.name)} is ${member.encrypted ? 'encrypted' : 'compressed'}, so that it cannot be read by position`,
        { file, hint: convertHint(file) },
      );
    const start = await locate(source, directory, member);
    const entry = await readNpyHeader({ source, start, size: member.size, name, named: true });
    budget.spend(32 * entry.shape.length);
    if (entries.has(name))
      throw new TensimError('INVALID_FILE', `it has two arrays ${quote(name)}`, { file, hint: 'Give them two names' });
    entries.set(name, entry);
  }
  checkTotal(entries.values(), source);
  return entries;
}

function convertHint(path: string): string {
  const file = JSON.stringify(basename(path));
  return `Convert it with: import numpy; numpy.savez(${file.replace(/(\.npz)?"$/i, '.plain.npz"')}, **numpy.load(${file}))`;
}
