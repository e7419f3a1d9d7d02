/** Integers with a shape, row-major: token ids. */
export interface IntegerTensor {
  /** Row-major. */
  readonly data: Int32Array;
  /** Extents of its axes. */
  readonly shape: readonly number[];
}

/** The integer types that are read, under the names the safetensors format gives them. */
export type IntegerFormat = 'I8' | 'U8' | 'I16' | 'U16' | 'I32' | 'U32' | 'I64' | 'U64';

/** Bytes per element. */
export const INTEGER_BYTES: Readonly<Record<IntegerFormat, number>> = {
  I8: 1,
  U8: 1,
  I16: 2,
  U16: 2,
  I32: 4,
  U32: 4,
  I64: 8,
  U64: 8,
};

export function isIntegerFormat(name: string): name is IntegerFormat {
  return Object.hasOwn(INTEGER_BYTES, name);
}

/**
 * Decodes little-endian integers into `target[at…]`.
 * @returns the index in `target` of the first one that is no 32-bit integer, or −1
 */
export function decodeIntegers(bytes: Uint8Array, format: IntegerFormat, target: Int32Array, at: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const width = INTEGER_BYTES[format];
  for (let offset = 0, to = at; offset < bytes.length; offset += width, to++) {
    const value = readInteger(view, offset, format);
    if (value !== (value | 0)) return to;
    target[to] = value;
  }
  return -1;
}

/** A little-endian integer; those of 64 bits beyond 2^53 come out rounded, which is still beyond 32 bits. */
export function readInteger(view: DataView, offset: number, format: IntegerFormat): number {
  switch (format) {
    case 'I8':
      return view.getInt8(offset);
    case 'U8':
      return view.getUint8(offset);
    case 'I16':
      return view.getInt16(offset, true);
    case 'U16':
      return view.getUint16(offset, true);
    case 'I32':
      return view.getInt32(offset, true);
    case 'U32':
      return view.getUint32(offset, true);
    case 'I64':
      return view.getInt32(offset + 4, true) * 2 ** 32 + view.getUint32(offset, true);
    case 'U64':
      return view.getUint32(offset + 4, true) * 2 ** 32 + view.getUint32(offset, true);
  }
}
