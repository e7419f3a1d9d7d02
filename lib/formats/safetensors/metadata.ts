import { count } from '../../words/counts.js';
import { quote } from '../../words/quoting.js';
import { emptyMetadata, LISTING_LIMITS } from '../entry.js';
import type { JsonReader } from '../json_reader.js';

/** Reads a value as a text, given what it is. */
export type ValueReader = (reader: JsonReader, what: string) => Generator<void, string>;

/**
 * Parses an object of texts by name, pausing after each.
 * @param what the field that it is, for messages
 * @throws TensimError `INVALID_FILE` for a name that stands there twice, and for more than are read
 */
export function* parseMetadata(
  reader: JsonReader,
  what: string,
  value: ValueReader,
): Generator<void, Readonly<Record<string, string>>> {
  const metadata = emptyMetadata();
  let entries = 0;
  for (let more = reader.enter('{', what); more; more = reader.next('}', what)) {
    const key = reader.key(what);
    if (key in metadata) throw reader.errorHere(`${what} has the key ${quote(key)} twice`);
    if (++entries > LISTING_LIMITS.metadataEntries)
      throw reader.errorHere(`${what} has more than ${count(LISTING_LIMITS.metadataEntries)} entries`);
    metadata[key] = yield* value(reader, `every value of ${what}`);
    yield;
  }
  return metadata;
}
