import { TensimError } from '../errors.js';
import type { TensorEntry } from './entry.js';
import type { ReadOptions, SourceFile } from './source_file.js';

/** Bytes handed on at a time. A multiple of every element size, so that no element is split between two pieces. */
const PIECE = 1 << 18;

/**
 * The bytes of a tensor of which every byte from 128 on is written as the two of its character in UTF-8. Each piece is
 * valid until the next is asked for.
 * @throws TensimError `INVALID_FILE` if there are not as many as there were when the file was opened
 */
export async function* decodedChunks(
  source: SourceFile,
  { offset, encoded = 0, bytes, file, name }: TensorEntry,
  options: ReadOptions,
): AsyncGenerator<Uint8Array> {
  const piece = new Uint8Array(Math.min(PIECE, bytes));
  let [filled, high, left] = [0, 0, bytes];
  for await (const chunk of source.chunks(offset, encoded, options))
    for (const byte of chunk) {
      // 0xc2 and 0xc3 begin a character of two bytes, and bring the upper two bits of what it stands for.
      if (byte >= 0xc0) {
        high = (byte & 3) << 6;
        continue;
      }
      if (left-- === 0) break;
      piece[filled++] = byte < 0x80 ? byte : high | (byte & 0x3f);
      if (filled === piece.length) {
        yield piece;
        filled = 0;
      }
    }
  if (left !== 0)
    throw new TensimError('INVALID_FILE', 'its numbers are no longer what they were when the file was opened', {
      file,
      tensor: name,
      hint: 'Something writes to the file; try again when it is complete',
    });
  if (filled > 0) yield piece.subarray(0, filled);
}
