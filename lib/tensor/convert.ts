import type { TensorData } from './tensor.js';

/** The element types that can be weights, under the names the safetensors format gives them. */
export type FloatFormat = 'F64' | 'F32' | 'F16' | 'BF16';

/** Bytes per element. */
export const FLOAT_BYTES: Readonly<Record<FloatFormat, number>> = { F64: 8, F32: 4, F16: 2, BF16: 2 };

/** The largest finite number of each format. */
export const FLOAT_MAX: Readonly<Record<FloatFormat, number>> = {
  F64: Number.MAX_VALUE,
  F32: (2 - 2 ** -23) * 2 ** 127,
  F16: (2 - 2 ** -10) * 2 ** 15,
  BF16: (2 - 2 ** -7) * 2 ** 127,
};

const littleEndianHost = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

export function isFloatFormat(name: string): name is FloatFormat {
  return Object.hasOwn(FLOAT_BYTES, name);
}

/** An array of zeros that holds `length` elements of `format` without loss: float64 for F64, float32 for the others. */
export function floatArray(format: FloatFormat, length: number): TensorData {
  return format === 'F64' ? new Float64Array(length) : new Float32Array(length);
}

/**
 * Decodes little-endian elements into `target[at…]`, exactly: subnormals, infinities, signed zeros and the payloads of
 * NaNs survive. `bytes` may start at any address; `target` is of the type that `floatArray` gives for `format`.
 */
export function decodeFloats(bytes: Uint8Array, format: FloatFormat, target: TensorData, at = 0): void {
  if (format === 'F64' || format === 'F32') {
    const width = FLOAT_BYTES[format];
    const out = new Uint8Array(target.buffer, target.byteOffset + at * width, bytes.length);
    out.set(bytes);
    if (!littleEndianHost) reverseElements(out, width);
    return;
  }
  // Bit patterns are moved as integers: passing a signalling NaN through a float register would change it.
  const bits = new Uint32Array(target.buffer, target.byteOffset + at * 4, bytes.length / 2);
  if (format === 'BF16') {
    for (let i = 0; i < bits.length; i++) bits[i] = (bytes[2 * i + 1] << 24) | (bytes[2 * i] << 16);
  } else {
    const widened = float16Table();
    for (let i = 0; i < bits.length; i++) bits[i] = widened[(bytes[2 * i + 1] << 8) | bytes[2 * i]];
  }
}

/**
 * Encodes numbers as little-endian elements, rounded once to the nearest value of `format`, ties to even. Numbers
 * beyond the range become infinite, NaN stays NaN.
 */
export function encodeFloats(values: TensorData, format: FloatFormat): Uint8Array {
  const width = FLOAT_BYTES[format];
  const bytes = new Uint8Array(values.length * width);
  if (format === 'F64' || format === 'F32') {
    const floats = format === 'F64' ? new Float64Array(bytes.buffer) : new Float32Array(bytes.buffer);
    floats.set(values);
    if (!littleEndianHost) reverseElements(bytes, width);
    return bytes;
  }
  const [exponentBits, fractionBits] = format === 'F16' ? [5, 10] : [8, 7];
  for (let i = 0; i < values.length; i++) {
    const word = narrow(values[i], exponentBits, fractionBits);
    bytes[2 * i] = word;
    bytes[2 * i + 1] = word >>> 8;
  }
  return bytes;
}

/** Reverses the bytes of every element, of 1, 2, 4 or 8, in place: between files and hosts of different byte order. */
export function reverseElements(bytes: Uint8Array, width: number): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (width === 2) buffer.swap16();
  else if (width === 4) buffer.swap32();
  else if (width === 8) buffer.swap64();
}

/** Numbers that are stored as they are, without a copy of them where the host's byte order allows it. */
export function numbersIn(bytes: Uint8Array, format: 'F64' | 'F32'): TensorData {
  const [width, Data] = format === 'F64' ? [8, Float64Array] : [4, Float32Array];
  const count = bytes.length / width;
  if (littleEndianHost && bytes.byteOffset % width === 0)
    return new Data(bytes.buffer as ArrayBuffer, bytes.byteOffset, count);
  const data = new Data(count);
  decodeFloats(bytes, format, data);
  return data;
}

/** The number that each of the 65,536 float16 bit patterns stands for. */
export function float16Values(): Float32Array {
  return new Float32Array(float16Table().buffer);
}

/** The bytes of float32 numbers as files have them, without a copy. The numbers are no more to be used as such. */
export function littleEndianBytes(values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  if (!littleEndianHost) reverseElements(bytes, 4);
  return bytes;
}

let float16Widened: Uint32Array | undefined;

/** The float32 bits of each of the 65,536 float16 bit patterns. 256 KiB, made on first use. */
function float16Table(): Uint32Array {
  float16Widened ??= Uint32Array.from({ length: 65_536 }, (_, half) => {
    const sign = (half & 0x8000) << 16;
    const exponent = (half >>> 10) & 0x1f;
    const fraction = half & 0x3ff;
    if (exponent === 0x1f) return sign | 0x7f800000 | (fraction << 13);
    if (exponent > 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
    if (fraction === 0) return sign;
    // A subnormal, fraction · 2^−24, is a normal float32: shift its leading one into the hidden bit (place 10 of the
    // half).
    const shift = Math.clz32(fraction) - 21;
    return sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
  });
  return float16Widened;
}

const oneDouble = new Float64Array(1);
const doubleWords = new Uint32Array(oneDouble.buffer);

/**
 * The 16-bit pattern of `value` with one sign bit and the exponent and fraction bits given, in one correct rounding.
 */
function narrow(value: number, exponentBits: number, fractionBits: number): number {
  const infinity = ((1 << exponentBits) - 1) << fractionBits;
  if (Number.isNaN(value)) return infinity | (1 << (fractionBits - 1));
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  const bias = (1 << (exponentBits - 1)) - 1;
  if (size >= 2 ** (bias + 1)) return sign | infinity;
  // Exponent of the last place kept; below the normal range it stays at that of the subnormals.
  oneDouble[0] = size;
  const exponent = Math.max((doubleWords[littleEndianHost ? 1 : 0] >>> 20) - 1023, 1 - bias);
  // Scaling by a power of two is exact, and adding 2^52 rounds a smaller number to an integer, ties to even.
  const steps = size * 2 ** (fractionBits - exponent) + 2 ** 52 - 2 ** 52;
  // Counting in steps from zero, each binade has 2^fractionBits of them: a carry moves into the next one by itself, and
  // beyond the last into infinity.
  return sign | (((exponent + bias - 1) << fractionBits) + steps);
}
