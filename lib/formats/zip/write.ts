import type { FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import {
  CENTRAL,
  END,
  END_64,
  EXTRA_64,
  LOCAL,
  LOCATOR_64,
  SATURATED_16,
  SATURATED_32,
  STORED,
  UTF8_NAME,
} from './records.js';

/** The version of the format that has zip64. */
const VERSION = 45;
/** 1 January 1980, the first day of the format: the same data give the same archive on every day. */
const DATE = 0x0021;
/** The extra field of two numbers in a local header: its own head, the size before and after compression. */
const LOCAL_EXTRA = 20;
/** The extra field of three in the directory: both sizes, and the place. */
const CENTRAL_EXTRA = 28;

interface Written {
  readonly name: Buffer;
  readonly size: number;
  readonly crc: number;
  readonly header: number;
}

/**
 * Writes an archive of uncompressed members from front to back, every size and place in zip64 records, however small:
 * one way to write is simpler than two, and every reader of .npz files knows them.
 */
export class ZipWriter {
  readonly #handle: FileHandle;
  readonly #members: Written[] = [];
  #at = 0;

  /** @param handle an empty file */
  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** Adds a member of `size` bytes. */
  async add(name: string, size: number, pieces: AsyncIterable<Uint8Array>): Promise<void> {
    const bytes = Buffer.from(name);
    const header = this.#at;
    // The checksum is known when all has been written; the header is then written over.
    this.#at += LOCAL.bytes + bytes.length + LOCAL_EXTRA;
    let crc = 0;
    for await (const piece of pieces) {
      crc = crc32(piece, crc);
      await this.#write(piece);
    }
    const member = { name: bytes, size, crc, header };
    this.#members.push(member);
    await writeAll(this.#handle, localHeader(member), header);
  }

  /** Writes the directory. */
  async end(): Promise<void> {
    const start = this.#at;
    for (const member of this.#members) await this.#write(centralHeader(member));
    await this.#write(endRecords(this.#members.length, start, this.#at - start));
  }

  async #write(bytes: Uint8Array): Promise<void> {
    await writeAll(this.#handle, bytes, this.#at);
    this.#at += bytes.length;
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; )
    done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
}

function localHeader({ name, size, crc }: Written): Buffer {
  const bytes = Buffer.alloc(LOCAL.bytes + name.length + LOCAL_EXTRA);
  bytes.writeUInt32LE(LOCAL.signature, 0);
  writeCommon(bytes, 4, crc, name.length, LOCAL_EXTRA);
  name.copy(bytes, LOCAL.bytes);
  writeExtra(bytes, LOCAL.bytes + name.length, [size, size]);
  return bytes;
}

function centralHeader({ name, size, crc, header }: Written): Buffer {
  const bytes = Buffer.alloc(CENTRAL.bytes + name.length + CENTRAL_EXTRA);
  bytes.writeUInt32LE(CENTRAL.signature, 0);
  bytes.writeUInt16LE(VERSION, 4);
  writeCommon(bytes, 6, crc, name.length, CENTRAL_EXTRA);
  bytes.writeUInt32LE(SATURATED_32, 42);
  name.copy(bytes, CENTRAL.bytes);
  writeExtra(bytes, CENTRAL.bytes + name.length, [size, size, header]);
  return bytes;
}

/** The fields that both headers have in the same order: version to lengths. */
function writeCommon(bytes: Buffer, at: number, crc: number, nameLength: number, extraLength: number): void {
  bytes.writeUInt16LE(VERSION, at);
  bytes.writeUInt16LE(UTF8_NAME, at + 2);
  bytes.writeUInt16LE(STORED, at + 4);
  bytes.writeUInt16LE(DATE, at + 8);
  bytes.writeUInt32LE(crc, at + 10);
  bytes.writeUInt32LE(SATURATED_32, at + 14);
  bytes.writeUInt32LE(SATURATED_32, at + 18);
  bytes.writeUInt16LE(nameLength, at + 22);
  bytes.writeUInt16LE(extraLength, at + 24);
}

function writeExtra(bytes: Buffer, at: number, values: readonly number[]): void {
  bytes.writeUInt16LE(EXTRA_64, at);
  bytes.writeUInt16LE(8 * values.length, at + 2);
  for (const [index, value] of values.entries()) bytes.writeBigUInt64LE(BigInt(value), at + 4 + 8 * index);
}

function endRecords(entries: number, start: number, size: number): Buffer {
  const bytes = Buffer.alloc(END_64.bytes + LOCATOR_64.bytes + END.bytes);
  bytes.writeUInt32LE(END_64.signature, 0);
  // The rest of the record.
  bytes.writeBigUInt64LE(BigInt(END_64.bytes - 12), 4);
  bytes.writeUInt16LE(VERSION, 12);
  bytes.writeUInt16LE(VERSION, 14);
  for (const [index, value] of [entries, entries, size, start].entries())
    bytes.writeBigUInt64LE(BigInt(value), 24 + 8 * index);
  bytes.writeUInt32LE(LOCATOR_64.signature, END_64.bytes);
  bytes.writeBigUInt64LE(BigInt(start + size), END_64.bytes + 8);
  bytes.writeUInt32LE(1, END_64.bytes + 16);
  const end = END_64.bytes + LOCATOR_64.bytes;
  bytes.writeUInt32LE(END.signature, end);
  bytes.writeUInt16LE(SATURATED_16, end + 8);
  bytes.writeUInt16LE(SATURATED_16, end + 10);
  bytes.writeUInt32LE(SATURATED_32, end + 12);
  bytes.writeUInt32LE(SATURATED_32, end + 16);
  return bytes;
}
