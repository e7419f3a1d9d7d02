import { endianness } from 'node:os';
import type { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { quote } from '../../words/quoting.js';

/*
 * Plain data that comes from elsewhere, checked field by field. What is not as it must be is `INVALID_ARGUMENT`, and
 * the message names the field.
 */

export type Fields = Readonly<Record<string, unknown>>;

export function wrong(where: string, must: string): TensimError {
  return new TensimError('INVALID_ARGUMENT', `${where} must be ${must}`, {
    hint: 'Jobs and their results are taken as they were written',
  });
}

/** An object with these fields, of which the optional ones may be absent, and no others. */
export function readFields(
  value: unknown,
  where: string,
  required: readonly string[],
  optional: readonly string[] = [],
): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(where, 'an object');
  const unknown = Object.keys(value).find((name) => !required.includes(name) && !optional.includes(name));
  if (unknown !== undefined) throw wrong(where, `without the field ${quote(unknown)}`);
  const missing = required.find((name) => !Object.hasOwn(value, name));
  if (missing !== undefined) throw wrong(where, `an object with the field "${missing}"`);
  return value as Fields;
}

export function readText(value: unknown, where: string): string {
  if (typeof value === 'string' && value !== '') return value;
  throw wrong(where, 'text');
}

export function readFlag(value: unknown, where: string): boolean {
  if (typeof value === 'boolean') return value;
  throw wrong(where, 'true or false');
}

export function readChoice<Choice>(value: unknown, where: string, choices: readonly Choice[]): Choice {
  const found = choices.find((choice) => choice === value);
  if (found !== undefined) return found;
  throw wrong(where, `one of ${choices.map((choice) => JSON.stringify(choice)).join(', ')}`);
}

/** A whole number from `least` to `most`. */
export function readWhole(value: unknown, where: string, least: number, most = Number.MAX_SAFE_INTEGER): number {
  if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most) return value as number;
  throw wrong(where, `a whole number from ${least} to ${most}`);
}

/** A list of at least one element. */
export function readList<Element>(
  value: unknown,
  where: string,
  read: (element: unknown, where: string) => Element,
): Element[] {
  if (!Array.isArray(value) || value.length === 0) throw wrong(where, 'a list that is not empty');
  return value.map((element, i) => read(element, `${where}[${i}]`));
}

type Numbers = Float64Array | Int32Array;

/** Numbers turned into text at a time: whole groups of three bytes, of which base64 makes four letters. */
const CHUNK = 3 * 2 ** 14;

/** Numbers to the bit, as base64 of their little-endian bytes. */
export async function writeNumbers(numbers: Numbers, pacer: Pacer): Promise<string> {
  const parts: string[] = [];
  for (let at = 0; at < numbers.length; at += CHUNK) {
    parts.push(bytesOf(numbers.slice(at, at + CHUNK)).toString('base64'));
    if (pacer.due(2 * CHUNK)) await pacer.pause();
  }
  return parts.join('');
}

/** Doubles that `writeNumbers` wrote; so many, unless any number may come. */
export async function readDoubles(value: unknown, where: string, count: number, pacer: Pacer): Promise<Float64Array> {
  return readNumbers(value, where, new Float64Array(count), pacer);
}

/** Integers of 32 bits likewise. */
export async function readIntegers(value: unknown, where: string, count: number, pacer: Pacer): Promise<Int32Array> {
  return readNumbers(value, where, new Int32Array(count), pacer);
}

async function readNumbers<Of extends Numbers>(value: unknown, where: string, into: Of, pacer: Pacer): Promise<Of> {
  const size = into.byteLength;
  const fits = typeof value === 'string' && value.length === 4 * Math.ceil(size / 3);
  if (!fits) throw wrong(where, `${into.length} numbers in base64`);
  const bytes = Buffer.from(into.buffer, into.byteOffset, size);
  const letters = (4 * CHUNK) / 3;
  for (let at = 0; at < value.length; at += letters) {
    const part = value.slice(at, at + letters);
    const start = (3 * at) / 4;
    const written = bytes.write(part, start, 'base64');
    if (bytes.toString('base64', start, start + written) !== part) throw wrong(where, 'numbers in base64');
    if (pacer.due(4 * CHUNK)) await pacer.pause();
  }
  if (endianness() === 'BE') swap(bytes, into);
  return into;
}

/** How many doubles a text of `writeNumbers` holds. */
export function doublesIn(value: unknown, where: string): number {
  const bytes = Buffer.byteLength(readText(value, where), 'base64');
  if (bytes % 8 === 0) return bytes / 8;
  throw wrong(where, 'numbers in base64');
}

/** @param numbers of the caller's own: on machines of another order of bytes they change. */
function bytesOf(numbers: Numbers): Buffer {
  const bytes = Buffer.from(numbers.buffer, numbers.byteOffset, numbers.byteLength);
  return endianness() === 'LE' ? bytes : swap(bytes, numbers);
}

const swap = (bytes: Buffer, { BYTES_PER_ELEMENT }: Numbers) =>
  BYTES_PER_ELEMENT === 8 ? bytes.swap64() : bytes.swap32();
