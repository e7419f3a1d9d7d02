import { dirname, join } from 'node:path';
import { findingOf, TensimError } from '../errors.js';
import { openCheckpoint } from '../formats/checkpoint.js';
import { isIndex } from '../formats/endings.js';
import { readShardNames } from '../formats/shards.js';
import { whyNoModel } from '../model/reading/model_file.js';
import type { ReadingOptions } from '../model/reading/source.js';

/** What a file has turned out to be. */
export type Verdict =
  | { readonly state: 'whole' }
  /** It changed while it was looked at. */
  | { readonly state: 'written' }
  /** Cut short, damaged, or with shards to come. */
  | { readonly state: 'incomplete'; readonly why: string }
  /** Sound, and something else. */
  | { readonly state: 'no model'; readonly why: string }
  /** A model that could not be compared. */
  | { readonly state: 'refused'; readonly why: string };

/**
 * Whether a file is there to its end: its header can be read, and declares as many bytes as there are; an archive has
 * its directory, which is written last; an index has all of its shards, and they are whole.
 * @throws the signal's reason
 */
export async function verdictOn(path: string, options: ReadingOptions): Promise<Verdict> {
  const { key, signal } = options;
  try {
    const why = await whyNoModel(path, options);
    if (why !== undefined) return { state: 'no model', why };
    const checkpoint = await openCheckpoint(path, { key, signal });
    await checkpoint.close();
    return { state: 'whole' };
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof TensimError)) throw error;
    if (error.code === 'FILE_CHANGED' || error.code === 'FILE_NOT_FOUND') return { state: 'written' };
    return { state: 'incomplete', why: reasonOf(error) };
  }
}

/** What is wrong, without the path that it is said of. */
export function reasonOf(error: TensimError): string {
  const text = findingOf(error);
  return error.file !== undefined && text.startsWith(`${error.file}: `) ? text.slice(error.file.length + 2) : text;
}

/** The files that a checkpoint consists of, as far as it says so by now. */
export async function filesOf(path: string): Promise<string[]> {
  if (!isIndex(path)) return [path];
  const names = await readShardNames(path).catch((error: unknown) => {
    if (error instanceof TensimError) return [];
    throw error;
  });
  return [path, ...names.map((name) => join(dirname(path), name))];
}
