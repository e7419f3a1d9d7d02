import type { Random } from '../../support/random.js';
import { anyNumber, chance, mutateBytes, pick } from './bytes.js';
import { type Json, mutateJson, parsed, textOf } from './json.js';

const NPY_WORDS = [
  ...["'descr'", "'fortran_order'", "'shape'", 'True', 'False', '()', '(3,)', '(2, 3)', '(2L, 3L)', '"<f4"', "'|b1'"],
  ...["'<f4'", "'<f8'", "'>f4'", "'<f2'", "'<i8'", "'|u1'", "'|O'", "'<U3'", "'|S4'", "'<c8'", "[('x', '<f4')]"],
  ...['{', '}', ', ', ': ', ' ', '\n', '0', '-1', '(', ')', '[', ']'],
];

/** Mutates the header of an .npy file; its length is right again. */
export function mutateNpy(bytes: Uint8Array, random: Random, other: () => Uint8Array): Buffer {
  const parts = npyParts(Buffer.from(bytes));
  if (parts === undefined || chance(random, 0.1)) return mutateBytes(bytes, random, other, ['\x93NUMPY', ...NPY_WORDS]);
  const { header, data } = parts;
  const content = chance(random, 0.15) ? mutateBytes(data, random, () => data) : data;
  const changed = chance(random, 0.85)
    ? mutateBytes(header, random, () => npyParts(Buffer.from(other()))?.header ?? header, NPY_WORDS)
    : header;
  return npy(changed, content, chance(random, 0.9) ? 1 : pick(random, [2, 3, 0, 4]));
}

function npyParts(bytes: Buffer): { header: Buffer; data: Buffer } | undefined {
  if (bytes.length < 10 || bytes.toString('latin1', 1, 6) !== 'NUMPY') return undefined;
  const start = bytes[6] === 1 ? 10 : 12;
  const length = bytes[6] === 1 ? bytes.readUInt16LE(8) : bytes.length < 12 ? 0 : bytes.readUInt32LE(8);
  return { header: bytes.subarray(start, start + length), data: bytes.subarray(start + length) };
}

/** An .npy file of a version with this header, right or wrong. */
export function npy(header: string | Uint8Array, data: Uint8Array, version = 1): Buffer {
  const text = Buffer.from(header as Uint8Array);
  const length = Buffer.alloc(version === 1 ? 2 : 4);
  if (version === 1) length.writeUInt16LE(text.length & 0xffff);
  else length.writeUInt32LE(text.length);
  return Buffer.concat([Buffer.from('\x93NUMPY', 'latin1'), Buffer.of(version, 0), length, text, data]);
}

const SAFETENSORS_WORDS = [
  ...['dtype', 'shape', 'data_offsets', '__metadata__', 'format', 'pt', 'step', 'n_head', 'n_ctx', 'scale', 'gate'],
  ...['F64', 'F32', 'F16', 'BF16', 'I64', 'I32', 'U8', 'BOOL', 'F8_E4M3', 'F4', 'C64', 'x', '', 'a\u0000b', '\u202e'],
];

/** Mutates the header of a safetensors file as JSON; its length is right again, and often that of the data. */
export function mutateSafetensors(bytes: Uint8Array, random: Random, other: () => Uint8Array): Buffer {
  const parts = safetensorsParts(Buffer.from(bytes));
  const tree = parts === undefined ? undefined : parsed(parts.header);
  if (parts === undefined || tree === undefined || chance(random, 0.1))
    return mutateBytes(bytes, random, other, SAFETENSORS_WORDS);
  // Data say anything; a header is soon none.
  if (chance(random, 0.15))
    return safetensors(
      parts.header,
      mutateBytes(parts.data, random, () => parts.data),
    );
  const foreign = () => parsed(safetensorsParts(Buffer.from(other()))?.header ?? Buffer.from('null')) ?? null;
  const changed = mutateJson(tree, random, { words: SAFETENSORS_WORDS, values: anyEntry }, foreign);
  const header = chance(random, 0.05)
    ? mutateBytes(textOf(changed), random, other, SAFETENSORS_WORDS)
    : textOf(changed);
  const end = chance(random, 0.5) ? endOf(changed) : undefined;
  const data = end === undefined ? parts.data : Buffer.concat([parts.data, Buffer.alloc(end)]).subarray(0, end);
  return safetensors(header, data);
}

/** A file with this header, right or wrong. */
export function safetensors(header: Uint8Array, data: Uint8Array): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, data]);
}

function safetensorsParts(bytes: Buffer): { header: Buffer; data: Buffer } | undefined {
  if (bytes.length < 8) return undefined;
  const end = 8 + Number(bytes.readBigUInt64LE());
  return end > bytes.length ? undefined : { header: bytes.subarray(8, end), data: bytes.subarray(end) };
}

/** Where the data of a header end, as far as it says so and they are small. */
function endOf(header: Json): number | undefined {
  const ends = Object.values(header ?? {}).map((entry) =>
    Number((entry as { data_offsets?: Json[] })?.data_offsets?.[1]),
  );
  const end = Math.max(0, ...ends.filter(Number.isFinite));
  return end <= 16_384 ? end : undefined;
}

function anyEntry(random: Random): Json {
  const shape = Array.from({ length: random.integer(0, 3) }, () => random.integer(0, 4));
  const bytes = 4 * shape.reduce((size, extent) => size * extent, 1);
  const from = chance(random, 0.7) ? 0 : anyNumber(random);
  return { dtype: pick(random, ['F32', 'F64', 'I64', 'BF16']), shape, data_offsets: [from, from + bytes] };
}
