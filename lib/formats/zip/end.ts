import { lookAlike } from '../look_alike.js';
import type { ByteSource } from '../source_file.js';
import { damaged } from './damaged.js';
import { END, END_64, LOCAL, LOCATOR_64, readUInt64, SATURATED_16 } from './records.js';

/** Where the central directory of an archive lies. */
export interface DirectoryPlace {
  readonly start: number;
  readonly bytes: number;
  readonly entries: number;
}

/** Bytes that tell what else a file is. */
const LOOKED_AT = 64;

/** The end record, the zip64 locator before it and the longest comment after it. */
const TAIL = LOCATOR_64.bytes + END.bytes + END.mostComment;

/**
 * Finds the central directory from the end of the file.
 * @throws TensimError `INVALID_FILE` if there is none, or it lies beyond the file
 */
export async function readEnd(source: ByteSource): Promise<DirectoryPlace> {
  const { size } = source;
  const tail = Buffer.alloc(Math.min(TAIL, size));
  const tailStart = size - tail.length;
  await source.read(tail, tailStart);
  const at = findEnd(tail);
  if (at < 0) {
    const first = Buffer.alloc(Math.min(LOOKED_AT, size));
    await source.read(first, 0);
    const isArchive = first.length >= 4 && first.readUInt32LE(0) === LOCAL.signature;
    const problem = 'the end of the archive is missing: it was cut short, or is no archive';
    throw damaged(source, problem, isArchive ? undefined : lookAlike(first));
  }
  const end = tailStart + at;
  const narrow: DirectoryPlace = {
    entries: tail.readUInt16LE(at + 10),
    bytes: tail.readUInt32LE(at + 12),
    start: tail.readUInt32LE(at + 16),
  };
  const parts = [tail.readUInt16LE(at + 4), tail.readUInt16LE(at + 6)];
  if (parts.some((part) => part !== 0 && part !== SATURATED_16)) throw damaged(source, 'it is one part of several');
  const wide = await readEnd64(source, tail, at);
  const place = wide?.place ?? narrow;
  const limit = wide?.at ?? end;
  if (!Object.values(place).every(Number.isSafeInteger) || place.start + place.bytes > limit)
    throw damaged(source, 'its directory lies beyond its end');
  return place;
}

/** The last end record in the tail whose comment reaches to the end of the file, or −1. */
function findEnd(tail: Buffer): number {
  for (let at = tail.length - END.bytes; at >= 0; at--)
    if (tail.readUInt32LE(at) === END.signature && at + END.bytes + tail.readUInt16LE(at + 20) === tail.length)
      return at;
  return -1;
}

/** The zip64 end record, if a locator right before the end record points to one. */
async function readEnd64(
  source: ByteSource,
  tail: Buffer,
  end: number,
): Promise<{ place: DirectoryPlace; at: number } | undefined> {
  const locator = end - LOCATOR_64.bytes;
  if (locator < 0 || tail.readUInt32LE(locator) !== LOCATOR_64.signature) return undefined;
  const at = readUInt64(tail, locator + 8);
  if (!(at + END_64.bytes <= source.size)) throw damaged(source, 'its zip64 record lies beyond its end');
  const record = Buffer.alloc(END_64.bytes);
  await source.read(record, at);
  if (record.readUInt32LE(0) !== END_64.signature) throw damaged(source, 'its zip64 record is damaged');
  const [entries, bytes, start] = [32, 40, 48].map((field) => readUInt64(record, field));
  return { place: { entries, bytes, start }, at };
}
