import { basename } from 'node:path';
import { unhurried } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { quote } from '../../words/quoting.js';
import { MemoryBudget } from '../budget.js';
import { emptyMetadata, type TensorEntry } from '../entry.js';
import { checkNames, checkTotal } from '../listing.js';
import type { OpenedFiles } from '../opened_files.js';
import { SourceFile } from '../source_file.js';
import { locate, readDirectory, type ZipDirectory, type ZipMember } from '../zip/directory.js';
import { DEFLATED, STORED } from '../zip/records.js';
import { bytesAt, isNpy, type NpyPlace, readNpyHeader } from './header.js';

/** The name of the array in an .npy file, which has none of its own. */
const ALONE = 'array';

const ENDING = /\.npy$/i;

const arrayName = (member: string): string => member.replace(ENDING, '');

/** What tells that a member without the ending is an array. */
const MAGIC_BYTES = 6;

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
 * Members may be compressed, as numpy.savez_compressed writes them.
 * @throws TensimError `FILE_NOT_FOUND`, or `INVALID_FILE` for what is damaged, and for what unfolds to many times its
 * size
 */
export function openNpz(path: string, signal?: AbortSignal): Promise<OpenedFiles> {
  return opened(path, (source) => listArrays(source, signal));
}

async function opened(
  path: string,
  list: (source: SourceFile) => Promise<ReadonlyMap<string, TensorEntry>>,
): Promise<OpenedFiles> {
  return SourceFile.openedFor(path, async (source) => {
    return { sources: [source], metadata: emptyMetadata(), tensors: await list(source) };
  });
}

async function listArrays(source: SourceFile, signal?: AbortSignal): Promise<ReadonlyMap<string, TensorEntry>> {
  const { path: file } = source;
  const budget = new MemoryBudget(file);
  const directory = await readDirectory(source, budget, signal);
  const named = [...directory.members.keys()].filter((name) => ENDING.test(name));
  await unhurried(checkNames(named.map(arrayName), file, budget), signal);
  const places = new Map<string, NpyPlace>();
  for (const member of directory.members.values()) {
    signal?.throwIfAborted();
    const place = await placeOf(source, directory, member);
    if (place === undefined) continue;
    if (places.has(place.name))
      throw new TensimError('INVALID_FILE', `it has two arrays ${quote(place.name)}`, {
        file,
        hint: 'Give them two names',
      });
    places.set(place.name, place);
  }
  if (places.size === 0 && directory.members.size > 0)
    throw new TensimError('INVALID_FILE', 'is an archive without arrays', {
      file,
      hint: 'Write it with numpy.savez; a PyTorch checkpoint has the ending .pt, .pth or .bin',
    });
  if (places.size > named.length) await unhurried(checkNames(places.keys(), file, budget), signal);
  const entries = new Map<string, TensorEntry>();
  for (const [name, place] of places) {
    signal?.throwIfAborted();
    const entry = await readNpyHeader(place);
    budget.spend(32 * entry.shape.length);
    entries.set(name, entry);
  }
  checkTotal(entries.values(), source);
  return entries;
}

/**
 * Where the array of a member lies; undefined for one that is none. Members whose names have no ending are looked into,
 * as NumPy does.
 */
async function placeOf(source: SourceFile, directory: ZipDirectory, member: ZipMember): Promise<NpyPlace | undefined> {
  const { name: full, encrypted, method, size: stored, unpacked: size, crc } = member;
  const hasEnding = ENDING.test(full);
  if (encrypted || (method !== STORED && method !== DEFLATED)) {
    if (!hasEnding) return undefined;
    throw new TensimError(
      'INVALID_FILE',
      `its member ${quote(full)} is ${encrypted ? 'encrypted' : 'compressed by a method that is not read'}`,
      { file: source.path, hint: convertHint(source.path) },
    );
  }
  const start = await locate(source, directory, member);
  const place: NpyPlace = {
    ...{ source, start, size, name: arrayName(full), named: true },
    ...(method === DEFLATED && { deflated: { stored, crc } }),
  };
  if (hasEnding) return place;
  return size >= MAGIC_BYTES && isNpy(await bytesAt(place, 0, MAGIC_BYTES)) ? place : undefined;
}

function convertHint(path: string): string {
  const file = JSON.stringify(basename(path));
  return `Convert it with: import numpy; numpy.savez(${file.replace(/(\.npz)?"$/i, '.plain.npz"')}, **numpy.load(${file}))`;
}
