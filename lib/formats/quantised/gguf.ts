import { sizeOf } from '../../tensor/tensor.js';
import type { TensorEntry } from '../entry.js';
import { decodeBlocks, quantisedType } from '../gguf/quantised.js';
import type { Finding } from './stored.js';

/** A weight in blocks of GGUF; undefined for other types, for those that are not decoded, and for big-endian files. */
export function decodedGguf(entry: TensorEntry): Finding {
  const { name, dtype, shape } = entry;
  const quantised = quantisedType(dtype);
  // In a big-endian file some bytes of a block have changed places, and others have not.
  if (quantised === undefined || entry.bigEndian) return undefined;
  const columns = shape.at(-1)!;
  // A fraction whose denominator is a power of two: products with whole blocks are exact.
  const width = entry.bytes / sizeOf(shape);
  return {
    ...{ name, shape, quantised },
    parts: [{ entry, byRows: { width: columns } }],
    *decoder([{ bytes, skipped }]) {
      const place = (row: number) => (row * columns - skipped) * width;
      return (from, to, into, at) => decodeBlocks(dtype, bytes.subarray(place(from), place(to)), into, at);
    },
  };
}
