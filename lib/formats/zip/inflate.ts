import { constants, crc32, createInflateRaw, type InflateRaw } from 'node:zlib';
import type { Deflated } from '../entry.js';
import type { ReadOptions, SourceFile } from '../source_file.js';
import { damaged } from './damaged.js';

/** Bytes that are unfolded at a time. */
const PIECE = 256 * 1024;
/** Bytes of elements per piece that is passed on: a multiple of every element size. */
const PASSED_ON = 1024 * 1024;
/** By how much data that do not compress can grow, for lengths of a header. */
const MOST_GROWN = 1024;

/**
 * The elements of a member that is compressed, in whole elements of up to eight bytes. The member is unfolded from its
 * beginning, a piece at a time; each piece is valid until the next is asked for.
 * @throws TensimError `INVALID_FILE` for data that are damaged, or unfold to another size than the directory says
 */
export async function* inflatedElements(
  source: SourceFile,
  offset: number,
  { stored, unfolded, skipped, crc }: Deflated,
  options: ReadOptions,
): AsyncGenerator<Uint8Array> {
  const wrong = (problem: string) => damaged(source, `${about(options)} ${problem}`);
  const ready = new Uint8Array(Math.min(PASSED_ON, unfolded - skipped));
  let [filled, reached, sum] = [0, 0, 0];
  for await (const piece of inflate(source, offset, stored, options)) {
    sum = crc32(piece, sum);
    reached += piece.length;
    if (reached > unfolded) throw wrong(`unfolds to more than the ${unfolded} bytes that it is said to have`);
    let from = Math.max(0, piece.length - Math.max(0, reached - skipped));
    while (from < piece.length) {
      const part = piece.subarray(from, from + ready.length - filled);
      ready.set(part, filled);
      [from, filled] = [from + part.length, filled + part.length];
      if (filled < ready.length) continue;
      yield ready;
      filled = 0;
    }
  }
  if (reached < unfolded) throw wrong(`unfolds to ${reached} bytes instead of ${unfolded}`);
  if (sum !== crc) throw wrong('has another checksum than the directory says');
  if (filled > 0) yield ready.subarray(0, filled);
}

/** The first bytes of what a member unfolds to: as many as wanted, or all. */
export async function inflatedStart(
  source: SourceFile,
  offset: number,
  stored: number,
  wanted: number,
  options: ReadOptions,
): Promise<Uint8Array> {
  const start = Buffer.alloc(wanted);
  let filled = 0;
  for await (const piece of inflate(source, offset, Math.min(stored, wanted + MOST_GROWN), options)) {
    const part = piece.subarray(0, wanted - filled);
    start.set(part, filled);
    filled += part.length;
    if (filled === wanted) break;
  }
  return start.subarray(0, filled);
}

async function* inflate(
  source: SourceFile,
  offset: number,
  stored: number,
  options: ReadOptions,
): AsyncGenerator<Uint8Array> {
  // What is cut short gives what it has: its size tells.
  const stream = createInflateRaw({ chunkSize: PIECE, finishFlush: constants.Z_SYNC_FLUSH });
  const over = new AbortController();
  const fed = feed(stream, source.chunks(offset, stored, options), over.signal);
  try {
    for await (const piece of stream) yield piece as Uint8Array;
  } catch (error) {
    if (!isOfZlib(error)) throw error;
    throw damaged(source, `${about(options)} cannot be unfolded (${error.message})`);
  } finally {
    over.abort();
    stream.destroy();
    await fed;
  }
}

/** Writes pieces, each of which is free for the next when it was taken in; what goes wrong ends the stream. */
async function feed(stream: InflateRaw, pieces: AsyncGenerator<Uint8Array>, over: AbortSignal): Promise<void> {
  // Nobody takes in what follows the end of the data.
  const ended = new Promise<void>((resolve) => over.addEventListener('abort', () => resolve(), { once: true }));
  try {
    for await (const piece of pieces) {
      await Promise.race([new Promise<void>((resolve) => stream.write(piece, () => resolve())), ended]);
      if (over.aborted || stream.destroyed) return;
    }
    stream.end();
  } catch (error) {
    stream.destroy(error as Error);
  }
}

function isOfZlib(error: unknown): error is Error {
  return error instanceof Error && String((error as NodeJS.ErrnoException).code).startsWith('Z_');
}

const about = ({ tensor }: ReadOptions): string => (tensor === undefined ? 'a member' : `its member "${tensor}"`);
