import type { MemoryBudget } from '../budget.js';
import { emptyMetadata, LISTING_LIMITS } from '../entry.js';
import type { HeaderReader } from './reader.js';

/** Kinds of values, by their numbers. */
const BOOL = 7;
const TEXT = 8;
const ARRAY = 9;
const FLOATS: ReadonlyMap<number, 4 | 8> = new Map([
  [6, 4],
  [12, 8],
]);
const INTEGERS: ReadonlyMap<number, readonly [bytes: 1 | 2 | 4 | 8, signed: boolean]> = new Map([
  [0, [1, false]],
  [1, [1, true]],
  [2, [2, false]],
  [3, [2, true]],
  [4, [4, false]],
  [5, [4, true]],
  [10, [8, false]],
  [11, [8, true]],
]);

/** The longest text that is kept: templates of chats have some thousand characters. */
const MOST_TEXT = 64 * 1024;
/** The longest list of numbers that is kept: some settings have a number for every layer. */
const MOST_LISTED = 1024;
/** Lists within lists. */
const MOST_NESTED = 4;

/**
 * Reads the metadata of a GGUF file, as texts: numbers as JavaScript writes them, lists of numbers as JSON. Vocabularies
 * and other long lists are passed over.
 * @throws TensimError `INVALID_FILE` for what is damaged, and for more than is read
 */
export async function readMetadata(
  reader: HeaderReader,
  entries: number,
  budget: MemoryBudget,
): Promise<Record<string, string>> {
  if (entries > LISTING_LIMITS.metadataEntries)
    throw reader.damaged(`it has ${entries} entries of metadata, at most ${LISTING_LIMITS.metadataEntries} are read`);
  const metadata = emptyMetadata();
  for (let entry = 0; entry < entries; entry++) {
    const key = await reader.text(LISTING_LIMITS.nameBytes, 'a name in the metadata');
    const value = await readValue(reader, await reader.uint32('a kind in the metadata'));
    if (key === undefined || key === '__proto__' || value === undefined) continue;
    budget.spend(256 + 2 * (key.length + value.length));
    if (Object.hasOwn(metadata, key)) throw reader.damaged(`its metadata say ${JSON.stringify(key)} twice`);
    metadata[key] = value;
  }
  return metadata;
}

/** A value in words; undefined for one that is passed over. */
async function readValue(reader: HeaderReader, kind: number): Promise<string | undefined> {
  if (kind === TEXT) return reader.text(MOST_TEXT, 'a text in the metadata');
  if (kind === ARRAY) return readList(reader, 1);
  return String(await readNumber(reader, kind));
}

async function readNumber(reader: HeaderReader, kind: number): Promise<number | bigint | boolean> {
  const what = 'a number in the metadata';
  const integer = INTEGERS.get(kind);
  if (integer !== undefined) return reader.integer(...integer, what);
  if (kind === BOOL) return (await reader.integer(1, false, what)) !== 0;
  const float = FLOATS.get(kind);
  if (float === undefined) throw reader.damaged(`its metadata have a value of kind ${kind}, which is not known`);
  return float === 4 ? reader.float32(what) : reader.float64(what);
}

async function readList(reader: HeaderReader, depth: number): Promise<string | undefined> {
  const kind = await reader.uint32('a kind in the metadata');
  const length = await reader.count('the length of a list in the metadata');
  if (kind === TEXT) {
    for (let i = 0; i < length; i++) reader.skip(await reader.count('a text in a list'), 'a text in a list');
    return undefined;
  }
  if (kind === ARRAY) {
    if (depth === MOST_NESTED)
      throw reader.damaged(`its metadata have lists within lists, more than ${MOST_NESTED} deep`);
    for (let i = 0; i < length; i++) await readList(reader, depth + 1);
    return undefined;
  }
  const bytes = INTEGERS.get(kind)?.[0] ?? FLOATS.get(kind) ?? (kind === BOOL ? 1 : undefined);
  if (bytes === undefined) throw reader.damaged(`its metadata have a list of kind ${kind}, which is not known`);
  if (length > MOST_LISTED) {
    reader.skip(length * bytes, 'a list in the metadata');
    return undefined;
  }
  const values: string[] = [];
  for (let i = 0; i < length; i++) values.push(String(await readNumber(reader, kind)));
  return `[${values.join(',')}]`;
}
