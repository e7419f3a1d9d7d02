import { decodeFloats, FLOAT_BYTES, floatArray, isFloatFormat, reverseElements } from '../../tensor/convert.js';

/** One number as text, or undefined if elements of this type are none. */
export function scalarText(bytes: Uint8Array, dtype: string, bigEndian: boolean): string | undefined {
  const element = Buffer.from(bytes);
  if (bigEndian) reverseElements(element, element.length);
  if (isFloatFormat(dtype)) {
    const value = floatArray(dtype, 1);
    if (element.length !== FLOAT_BYTES[dtype]) return undefined;
    decodeFloats(element, dtype, value);
    return `${value[0]}`;
  }
  const [, kind, bits] = /^([IU])(8|16|32|64)$/.exec(dtype) ?? [];
  if (kind === undefined || element.length !== Number(bits) / 8) return undefined;
  if (bits === '64') return `${kind === 'I' ? element.readBigInt64LE() : element.readBigUInt64LE()}`;
  return `${kind === 'I' ? element.readIntLE(0, element.length) : element.readUIntLE(0, element.length)}`;
}
