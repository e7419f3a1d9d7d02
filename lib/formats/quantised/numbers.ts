import { TensimError } from '../../errors.js';
import { decodeFloats, FLOAT_BYTES, type FloatFormat, floatArray, isFloatFormat } from '../../tensor/convert.js';
import { sizeOf } from '../../tensor/tensor.js';
import type { TensorEntry } from '../entry.js';
import type { StoredBytes } from './weight.js';

/** A floating-point type of eight bits or fewer: a sign, and then these many bits. */
interface SmallFloat {
  readonly exponent: number;
  readonly fraction: number;
  readonly bias: number;
  /** What stands for no finite number: all of the largest exponent, the largest pattern alone, −0 alone, or nothing. */
  readonly special: 'ieee' | 'largest' | 'negative zero' | 'none';
}

const SMALL_FLOATS = {
  F8_E4M3: { exponent: 4, fraction: 3, bias: 7, special: 'largest' },
  F8_E5M2: { exponent: 5, fraction: 2, bias: 15, special: 'ieee' },
  F8_E4M3FNUZ: { exponent: 4, fraction: 3, bias: 8, special: 'negative zero' },
  F8_E5M2FNUZ: { exponent: 5, fraction: 2, bias: 16, special: 'negative zero' },
  F4_E2M1: { exponent: 2, fraction: 1, bias: 1, special: 'none' },
} satisfies Record<string, SmallFloat>;

export type SmallFloatName = keyof typeof SMALL_FLOATS;

export const isSmallFloat = (dtype: string): dtype is SmallFloatName => Object.hasOwn(SMALL_FLOATS, dtype);

const tables = new Map<SmallFloatName, Float32Array>();

/** What each bit pattern of a small type stands for. */
export function valuesOf(name: SmallFloatName): Float32Array {
  const known = tables.get(name);
  if (known !== undefined) return known;
  const { exponent, fraction } = SMALL_FLOATS[name];
  const table = Float32Array.from({ length: 2 ** (1 + exponent + fraction) }, (_, bits) => smallFloat(bits, name));
  tables.set(name, table);
  return table;
}

function smallFloat(bits: number, name: SmallFloatName): number {
  const { exponent, fraction, bias, special }: SmallFloat = SMALL_FLOATS[name];
  const half = 2 ** (exponent + fraction);
  const sign = bits < half ? 1 : -1;
  const size = bits % half;
  const [e, f] = [Math.floor(size / 2 ** fraction), size % 2 ** fraction];
  if (special === 'ieee' && e === 2 ** exponent - 1) return f === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (special === 'largest' && size === half - 1) return Number.NaN;
  if (special === 'negative zero' && bits === half) return Number.NaN;
  const scaled = e === 0 ? f * 2 ** (1 - fraction) : (1 + f / 2 ** fraction) * 2 ** e;
  return sign * scaled * 2 ** -bias;
}

/** The finite numbers in a table, ascending. */
export function levelsIn(table: Iterable<number>): Float64Array {
  return Float64Array.from(new Set([...table].filter(Number.isFinite).map((value) => value + 0))).sort();
}

/** Whole numbers from the first to the last. */
export function wholeLevels(first: number, last: number): Float64Array {
  return Float64Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

/**
 * Makes sure that a part holds numbers that others are multiplied by.
 * @throws TensimError `UNSUPPORTED_DTYPE`
 */
export function checkScales(entry: TensorEntry): TensorEntry {
  const { dtype, file, name } = entry;
  if (isFloatFormat(dtype) || dtype === 'F8_E8M0' || isSmallFloat(dtype)) return entry;
  throw new TensimError('UNSUPPORTED_DTYPE', `scales weights, and its elements are of type ${dtype}`, {
    file,
    tensor: name,
    hint: 'Scales are of type F32, F16, BF16, F8_E8M0 or F8_E4M3',
  });
}

/** Numbers that are made before there may be a pause. */
export const SOME = 1 << 14;

/**
 * Scales as numbers of float32; those of float64 are rounded to it.
 * @throws TensimError `NOT_FINITE`
 */
export function* scalesIn(part: StoredBytes, dtype = part.entry.dtype): Generator<void, Float32Array> {
  const { bytes, skipped, entry } = part;
  const width = isFloatFormat(dtype) ? FLOAT_BYTES[dtype] : 1;
  const values = new Float32Array(bytes.length / width);
  for (let from = 0; from < values.length; from += SOME) {
    const some = numbersOf(bytes.subarray(from * width, (from + SOME) * width), dtype);
    const odd = some.findIndex((value) => !Number.isFinite(value));
    if (odd >= 0)
      throw new TensimError('NOT_FINITE', `element ${skipped + from + odd} is ${some[odd]}, and scales weights`, {
        file: entry.file,
        tensor: entry.name,
        hint: 'Quantising it has failed, or the file is damaged: make it again',
      });
    values.set(some, from);
    yield;
  }
  return values;
}

function numbersOf(bytes: Uint8Array, dtype: string): Float32Array | Float64Array {
  // An exponent alone; the largest pattern stands for NaN.
  if (dtype === 'F8_E8M0') return Float32Array.from(bytes, (bits) => (bits === 0xff ? Number.NaN : 2 ** (bits - 127)));
  if (isSmallFloat(dtype)) return Float32Array.from(bytes, (bits) => valuesOf(dtype)[bits]);
  const format = dtype as FloatFormat;
  const values = floatArray(format, bytes.length / FLOAT_BYTES[format]);
  decodeFloats(bytes, format, values);
  return values;
}

const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** The bytes of integers of 32 bits as such. */
export function wordsIn(bytes: Uint8Array): Int32Array {
  if (littleEndian && bytes.byteOffset % 4 === 0)
    return new Int32Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length / 4);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Int32Array.from({ length: bytes.length / 4 }, (_, i) => view.getInt32(4 * i, true));
}

/**
 * The `i`th number of so many bits, of those that lie one after the other in words, the lowest bits first; in a matrix
 * of words, down the column that starts at `first`, `step` words apart.
 */
export function packedAt(words: Int32Array, first: number, step: number, i: number, bits: number): number {
  const place = i * bits;
  const [word, shift] = [first + (place >>> 5) * step, place & 31];
  const low = words[word] >>> shift;
  const number = shift + bits > 32 ? low | (words[word + step] << (32 - shift)) : low;
  return number & ((1 << bits) - 1);
}

/** Bytes of one element. */
export const widthOf = ({ bytes, shape }: TensorEntry): number => bytes / sizeOf(shape);
