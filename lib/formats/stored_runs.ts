import { sizeOf } from '../tensor/tensor.js';
import type { StoredReader } from './checkpoint.js';
import { isPlain, type TensorEntry } from './entry.js';

/** Bytes that are read at a time. */
const RUN = 1 << 22;

/** The bytes of a tensor as it is stored: some at a time where its elements lie together, or else all of them. */
export async function* storedRuns(
  read: StoredReader,
  entry: TensorEntry,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const elements = sizeOf(entry.shape);
  const step = Math.floor(RUN / (entry.bytes / elements));
  if (!isPlain(entry) || elements <= step) yield await read(entry.name, undefined, { signal });
  else
    for (let from = 0; from < elements; from += step)
      yield await read(entry.name, { from, to: Math.min(elements, from + step) }, { signal });
}
