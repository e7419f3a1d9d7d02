import type { Fail } from './call.js';
import { OPAQUE, type Value } from './values.js';

/*
 * Numbers and texts as pickles of protocol 0 write them, as lines of text, and whole numbers as protocol 2 does.
 */

/** A little-endian integer in two's complement; beyond 2^53 it is of no use here. */
export function integer(bytes: Buffer): Value {
  if (bytes.length > 8) return OPAQUE;
  let value = 0n;
  for (const byte of bytes.toReversed()) value = (value << 8n) | BigInt(byte);
  const signed = Number(BigInt.asIntN(8 * bytes.length, value));
  return Number.isSafeInteger(signed) ? signed : OPAQUE;
}

/** `12`, `12L`, and for a truth value `00` or `01`. */
export function integerLine(line: string, fail: Fail): Value {
  if (line === '00') return false;
  if (line === '01') return true;
  if (!/^\s*[-+]?\d+L?\s*$/.test(line)) throw fail('has a number that is none');
  const value = Number(line.replace('L', ''));
  return Number.isSafeInteger(value) ? value : OPAQUE;
}

/** `1.5`, `1e-09`, `inf`, `nan`. */
export function floatLine(line: string, fail: Fail): number {
  const text = line.trim();
  const special = /^([-+]?)(?:inf(?:inity)?|(nan))$/i.exec(text);
  if (special !== null)
    return special[2] === undefined ? (special[1] === '-' ? -1 : 1) * Number.POSITIVE_INFINITY : Number.NaN;
  const value = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(value)) throw fail('has a number that is none');
  return value;
}

const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  a: '\x07',
  b: '\b',
  f: '\f',
  v: '\v',
};

/** `'text'` or `"text"`, with the escapes of Python: the bytes. */
export function quotedLine(line: string, fail: Fail): Buffer {
  const [, , inner] = /^(['"])(.*)\1\s*$/s.exec(line) ?? [];
  if (inner === undefined) throw fail('has a text without quotes');
  const text = inner.replace(/\\(x[\da-f]{2}|[0-7]{1,3}|.)/gis, (whole, code: string) => {
    if (code.length === 3 && code.startsWith('x')) return String.fromCharCode(Number.parseInt(code.slice(1), 16));
    if (/^[0-7]/.test(code)) return String.fromCharCode(Number.parseInt(code, 8) & 0xff);
    return ESCAPES[code] ?? (/[\\'"]/.test(code) ? code : whole);
  });
  return Buffer.from(text, 'latin1');
}

/** A text in which only what is beyond Latin-1, and what would end the line, is escaped: its bytes in UTF-8. */
export function unicodeLine(line: string): Buffer {
  const text = line.replace(/\\(?:u([\da-fA-F]{4})|U([\da-fA-F]{8}))/g, (whole, short?: string, long?: string) => {
    const code = Number.parseInt(short ?? (long as string), 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
  return Buffer.from(text, 'utf8');
}
