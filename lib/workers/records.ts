import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { endianness } from 'node:os';
import { join } from 'node:path';
import type { GramTile } from '../backend/grams.js';
import { TensimError } from '../errors.js';
import { replaceFile } from '../formats/replace_file.js';
import type { Job } from '../similarity/gram/schedule.js';
import { readFields, readText, readWhole, wrong } from '../similarity/jobs/fields.js';
import type { ScaledTile } from '../similarity/scale/model_scale.js';

/** What goes through Redis; larger tiles go through a folder. */
export const MOST_IN_REDIS = 4e6;

/** Who computed a tile, and what it took. */
export interface Computed {
  readonly worker: string;
  readonly numerics: string;
  readonly seconds: number;
  /** Models that were prepared for it. */
  readonly prepared: number;
}

/** What became of a tile: it was computed, or it can be computed nowhere, and why. */
export type TileRecord =
  | { readonly kind: 'tile'; readonly by: Computed; readonly tile: GramTile | ScaledTile }
  | { readonly kind: 'file'; readonly by: Computed; readonly sha256: string }
  | { readonly kind: 'error'; readonly error: ErrorText };

/** An error as it goes from one process to another. */
export interface ErrorText {
  readonly code: string;
  readonly message: string;
}

const KINDS = ['tile', 'file', 'error'] as const;
/** The arrays of a tile in their order, each with what it has for a cell. */
const PARTS = ['total', 'perOutput', 'bound', 'exponents', 'sliceExponents'] as const;
const isWhole = (part: (typeof PARTS)[number]) => part === 'exponents' || part === 'sliceExponents';

/*
 *     kind (1 byte), parts that are there (1 byte, a bit each), length of the head (u32), the head (JSON),
 *     the parts: doubles, exponents as integers of 32 bits, all little-endian
 */
const HEAD = 6;

/** Bytes of a tile of so many cells, at most. */
export const bytesOfTile = (cells: number, slices: number): number => 1024 + cells * (20 + 12 * slices);

export function encodeTile(by: Computed, tile: GramTile | ScaledTile): Buffer {
  const arrays: { readonly [part in (typeof PARTS)[number]]?: Float64Array | Int32Array | undefined } = tile;
  let parts = 0;
  const bytes: Buffer[] = [];
  for (const [bit, part] of PARTS.entries()) {
    const array = arrays[part];
    if (array === undefined) continue;
    parts |= 1 << bit;
    bytes.push(inOrder(Buffer.from(array.buffer, array.byteOffset, array.byteLength), isWhole(part)));
  }
  return encoded('tile', by, parts, bytes);
}

/** A tile that lies in a file of the folder for results. */
export const encodeFile = (by: Computed, sha256: string): Buffer => encoded('file', { ...by, sha256 });

export const encodeError = (error: ErrorText): Buffer => encoded('error', error);

function encoded(kind: (typeof KINDS)[number], head: object, parts = 0, bytes: readonly Buffer[] = []): Buffer {
  const text = Buffer.from(JSON.stringify(head));
  const start = Buffer.alloc(HEAD);
  start[0] = KINDS.indexOf(kind);
  start[1] = parts;
  start.writeUInt32LE(text.length, 2);
  return Buffer.concat([start, text, ...bytes]);
}

/**
 * @param slices that were asked for; 0 for none.
 * @throws TensimError `INVALID_ARGUMENT` for what is no record, or that of another tile.
 */
export function decodeRecord(record: Buffer, { rows, columns }: Job, slices: number): TileRecord {
  if (record.length < HEAD) throw wrong('the result', 'whole');
  const kind = KINDS[record[0]];
  const end = HEAD + record.readUInt32LE(2);
  const head = readHead(record.subarray(HEAD, end));
  if (kind === 'error') {
    const { code, message } = readFields(head, 'the result', ['code', 'message']);
    return { kind, error: { code: readText(code, 'code'), message: readText(message, 'message') } };
  }
  if (kind === 'file') {
    const { sha256, ...by } = readFields(head, 'the result', [...COMPUTED, 'sha256']);
    return { kind, by: computed(by), sha256: readText(sha256, 'sha256') };
  }
  if (kind !== 'tile') throw wrong('the result', 'of a known kind');
  const cells = rows.length * columns.length;
  const by = computed(readFields(head, 'the result', COMPUTED));
  return { kind, by, tile: decodedTile(record.subarray(end), record[1], cells, slices) };
}

const COMPUTED = ['worker', 'numerics', 'seconds', 'prepared'];

function computed({ worker, numerics, seconds, prepared }: Readonly<Record<string, unknown>>): Computed {
  if (typeof seconds !== 'number') throw wrong('seconds', 'a number');
  return {
    worker: readText(worker, 'worker'),
    numerics: readText(numerics, 'numerics'),
    seconds,
    prepared: readWhole(prepared, 'prepared', 0),
  };
}

function readHead(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    throw wrong('the head of the result', 'JSON');
  }
}

function decodedTile(bytes: Buffer, parts: number, cells: number, slices: number): GramTile | ScaledTile {
  const found: Partial<Record<(typeof PARTS)[number], Float64Array | Int32Array>> = {};
  let at = 0;
  for (const [bit, part] of PARTS.entries()) {
    if ((parts & (1 << bit)) === 0) continue;
    const count = part === 'perOutput' || part === 'sliceExponents' ? cells * slices : cells;
    const array = isWhole(part) ? new Int32Array(count) : new Float64Array(count);
    if (bytes.length < at + array.byteLength) throw wrong('the result', 'that of its tile');
    const own = Buffer.from(array.buffer);
    bytes.copy(own, 0, at, at + array.byteLength);
    inOrder(own, isWhole(part));
    found[part] = array;
    at += array.byteLength;
  }
  const isOwn = at === bytes.length && found.total !== undefined && (found.perOutput !== undefined) === slices > 0;
  if (!isOwn) throw wrong('the result', 'that of its tile');
  return found as unknown as GramTile | ScaledTile;
}

/** Turns numbers into little-endian bytes, or back, in their place: nothing but on machines of the other order. */
function inOrder(bytes: Buffer, whole: boolean): Buffer {
  if (endianness() === 'LE') return bytes;
  return whole ? bytes.swap32() : bytes.swap64();
}

const fileOf = (folder: string, run: string, tile: number) => join(folder, `tensim-${run}-${tile}.tile`);

/** Puts a record into the folder for results. @returns its digest. */
export async function putFile(folder: string, run: string, tile: number, record: Buffer): Promise<string> {
  await replaceFile(fileOf(folder, run, tile), async (handle) => void (await handle.write(record)), { anew: true });
  return digestOf(record);
}

/**
 * Takes a record out of the folder.
 * @throws TensimError `INVALID_FILE` where it is not what the worker has written; `FILE_NOT_FOUND`.
 */
export async function takeFile(folder: string, run: string, tile: number, sha256: string): Promise<Buffer> {
  const file = fileOf(folder, run, tile);
  const record = await readFile(file).catch((cause: Error) => {
    const hint = 'The folder of --results must be the same for whoever asks and for all workers';
    throw new TensimError('FILE_NOT_FOUND', `the result of a worker is not there: ${cause.message}`, { file, hint });
  });
  if (digestOf(record) !== sha256)
    throw new TensimError('INVALID_FILE', 'it is not the result that the worker has written', { file });
  await rm(file, { force: true });
  return record;
}

const digestOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
