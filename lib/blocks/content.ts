import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { floatFormatOf } from '../formats/tensor_data.js';
import type { Piece } from '../model/transformers/network.js';
import { piecesIn } from '../model/transformers/network.js';
import type { BlockFile } from './open.js';

/** Bytes hashed between two turns of the event loop: some milliseconds. */
const HASHED = 1 << 22;

/**
 * A digest of a part of a network: of the bytes that its pieces are in, and what becomes of them. The names of tensors and
 * the layer's number are not in it. What is not kept is read for it, a few megabytes at a time.
 */
export async function contentOf(file: BlockFile, part: object): Promise<string> {
  const hash = createHash('sha256');
  const known = new Map<string, number>();
  const tensors: Piece[] = [];
  for (const [, piece] of piecesIn(part)) {
    if (known.has(piece.tensor)) continue;
    known.set(piece.tensor, known.size);
    tensors.push(piece);
  }
  const plain = JSON.stringify(part, (key, value) => {
    if (key === 'number' || key === 'others') return undefined;
    if (key === 'tensor') return known.get(value);
    return ArrayBuffer.isView(value) ? [...(value as Float64Array)] : value;
  });
  hash.update(plain);
  for (const piece of tensors) {
    const entry = file.entryOf(piece);
    hash.update(JSON.stringify([floatFormatOf(entry), entry.shape]));
    for await (const bytes of file.stored(piece)) {
      for (let at = 0; at < bytes.length; at += HASHED) {
        hash.update(bytes.subarray(at, at + HASHED));
        await nextTurn();
      }
    }
  }
  return hash.digest('hex');
}

/** A digest of numbers. */
export const digestOf = (values: Float64Array): string =>
  createHash('sha256')
    .update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
    .digest('hex');
