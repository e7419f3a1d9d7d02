import { unhurried } from '../../cooperate.js';
import { byteCount, count } from '../../words/counts.js';
import { quote } from '../../words/quoting.js';
import type { MemoryBudget } from '../budget.js';
import type { ByteSource } from '../source_file.js';
import { damaged } from './damaged.js';
import { readEnd } from './end.js';
import {
  CENTRAL,
  ENCRYPTED,
  EXTRA_64,
  LOCAL,
  readUInt64,
  SATURATED_16,
  SATURATED_32,
  STORED,
  UTF8_NAME,
} from './records.js';

/** One file in an archive, as the central directory has it. */
export interface ZipMember {
  readonly name: string;
  /** How its name is written. */
  readonly encoding: NameEncoding;
  readonly method: number;
  readonly encrypted: boolean;
  /** Size of the data as stored. */
  readonly size: number;
  /** Size of the data themselves. */
  readonly unpacked: number;
  /** CRC-32 of the data themselves. */
  readonly crc: number;
  /** Where its local header lies. */
  readonly header: number;
}

/** The members of an archive, by name, in the order of the directory. */
export interface ZipDirectory {
  readonly members: ReadonlyMap<string, ZipMember>;
  /** Where the central directory begins: all data lie before. */
  readonly start: number;
}

/** Far above any path in a checkpoint. */
const MOST_NAME = 4096;
/** What a member costs in memory beside its name. */
const MEMBER_COST = 256;

/**
 * Reads the central directory of an archive, with zip64. Nothing else is read, and nothing in it is believed beyond the
 * size of the file.
 * @throws TensimError `INVALID_FILE` for every violation of the format, duplicate names, and archives in several parts
 */
export async function readDirectory(
  source: ByteSource,
  budget: MemoryBudget,
  signal?: AbortSignal,
): Promise<ZipDirectory> {
  const { start, bytes, entries } = await readEnd(source);
  const directory = Buffer.alloc(bytes);
  await source.read(directory, start);
  return { members: await unhurried(parseDirectory(source, directory, entries, budget), signal), start };
}

function* parseDirectory(
  source: ByteSource,
  directory: Buffer,
  entries: number,
  budget: MemoryBudget,
): Generator<void, Map<string, ZipMember>> {
  const members = new Map<string, ZipMember>();
  let at = 0;
  for (let entry = 0; entry < entries; entry++) {
    if (at + CENTRAL.bytes > directory.length || directory.readUInt32LE(at) !== CENTRAL.signature)
      throw damaged(source, `its directory breaks off after ${count(entry)} of ${count(entries)} members`);
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) => directory.readUInt16LE(at + field));
    const next = at + CENTRAL.bytes + nameLength + extraLength + commentLength;
    if (next > directory.length || nameLength > MOST_NAME) throw damaged(source, 'a name in its directory has no end');
    budget.spend(MEMBER_COST + 2 * nameLength);
    const record = directory.subarray(at, next);
    const name = record.toString(encodingOf(record), CENTRAL.bytes, CENTRAL.bytes + nameLength);
    if (members.has(name)) throw damaged(source, `it has two members ${quote(name)}`);
    members.set(name, readMember(source, record, name, nameLength, extraLength));
    at = next;
    yield;
  }
  return members;
}

/**
 * Where the data of a member begin, in bytes from the start of the file.
 * @throws TensimError `INVALID_FILE` if its local header is not where or what the directory says, or the data end after
 * the directory begins
 */
export async function locate(source: ByteSource, { start }: ZipDirectory, member: ZipMember): Promise<number> {
  const { name, encoding, header, size, method } = member;
  const wrong = () => damaged(source, `its member ${quote(name)} is not where the directory says`);
  const expected = Buffer.from(name, encoding);
  const local = Buffer.alloc(LOCAL.bytes + expected.length);
  if (header + local.length > start) throw wrong();
  await source.read(local, header);
  const data = header + local.length + local.readUInt16LE(28);
  if (local.readUInt32LE(0) !== LOCAL.signature || local.readUInt16LE(8) !== method) throw wrong();
  if (local.readUInt16LE(26) !== expected.length || !local.subarray(LOCAL.bytes).equals(expected)) throw wrong();
  if (data + size > start) throw damaged(source, `its member ${quote(name)} of ${byteCount(size)} has no end`);
  return data;
}

function readMember(
  source: ByteSource,
  record: Buffer,
  name: string,
  nameLength: number,
  extraLength: number,
): ZipMember {
  const extra = record.subarray(CENTRAL.bytes + nameLength, CENTRAL.bytes + nameLength + extraLength);
  // The zip64 field lists, in this order, those of the numbers that are saturated.
  const wide = findExtra(extra);
  let at = 0;
  const field = (offset: number): number => {
    const narrow = record.readUInt32LE(offset);
    if (narrow !== SATURATED_32) return narrow;
    at += 8;
    return wide === undefined || at > wide.length ? Number.NaN : readUInt64(wide, at - 8);
  };
  const [unpacked, size, header] = [field(24), field(20), field(42)];
  const method = record.readUInt16LE(10);
  const disk = record.readUInt16LE(34);
  if (![unpacked, size, header].every(Number.isSafeInteger))
    throw damaged(source, `its member ${quote(name)} has a size or place beyond any file`);
  if (disk !== 0 && disk !== SATURATED_16) throw damaged(source, 'it is one part of several');
  if (method === STORED && unpacked !== size)
    throw damaged(source, `its member ${quote(name)} is stored as it is, and has two sizes`);
  const encrypted = (record.readUInt16LE(8) & ENCRYPTED) !== 0;
  const crc = record.readUInt32LE(16);
  return { name, encoding: encodingOf(record), method, encrypted, size, unpacked, crc, header };
}

function findExtra(extra: Buffer): Buffer | undefined {
  for (let at = 0; at + 4 <= extra.length; ) {
    const end = at + 4 + extra.readUInt16LE(at + 2);
    if (extra.readUInt16LE(at) === EXTRA_64) return end <= extra.length ? extra.subarray(at + 4, end) : undefined;
    at = end;
  }
  return undefined;
}

/** Names without the UTF-8 flag are in a code page; byte by byte, they are at least told apart. */
type NameEncoding = 'utf8' | 'latin1';

function encodingOf(record: Buffer): NameEncoding {
  return (record.readUInt16LE(8) & UTF8_NAME) !== 0 ? 'utf8' : 'latin1';
}
