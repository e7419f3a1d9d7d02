import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeFloats,
  encodeFloats,
  FLOAT_BYTES,
  FLOAT_MAX,
  type FloatFormat,
  floatArray,
  isFloatFormat,
  reverseElements,
} from '../../lib/tensor/convert.js';

const everyHalf = Uint16Array.from({ length: 65_536 }, (_, i) => i);
const halfBytes = new Uint8Array(65_536 * 2);
everyHalf.forEach((word, i) => {
  halfBytes[2 * i] = word & 255;
  halfBytes[2 * i + 1] = word >> 8;
});

/** The value of a bit pattern by the definition of IEEE 754: (−1)^s · m · 2^e. */
function ieeeValue(word: number, exponentBits: number, fractionBits: number): number {
  const bias = 2 ** (exponentBits - 1) - 1;
  const sign = word >= 0x8000 ? -1 : 1;
  const exponent = Math.floor(word / 2 ** fractionBits) % 2 ** exponentBits;
  const fraction = (word % 2 ** fractionBits) / 2 ** fractionBits;
  if (exponent === 2 ** exponentBits - 1) return fraction === 0 ? sign * Infinity : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** (1 - bias) : sign * (1 + fraction) * 2 ** (exponent - bias);
}

function decode(bytes: Uint8Array, format: FloatFormat) {
  const target = floatArray(format, bytes.length / FLOAT_BYTES[format]);
  decodeFloats(bytes, format, target);
  return target;
}

describe('16-bit floats', () => {
  it.each([
    ['F16', 5, 10],
    ['BF16', 8, 7],
  ] as const)('every %s pattern decodes to the number it stands for', (format, exponentBits, fractionBits) => {
    const decoded = decode(halfBytes, format);
    const wrong = [...everyHalf].filter(
      (word) => !Object.is(decoded[word], ieeeValue(word, exponentBits, fractionBits)),
    );
    expect(decoded).toBeInstanceOf(Float32Array);
    expect(wrong).toEqual([]);
  });

  it('decoding keeps sign and payload of every NaN', () => {
    const words = Uint16Array.of(0x7c01, 0xfe55, 0x7fff);
    const bits = new Uint32Array(decode(new Uint8Array(words.buffer), 'F16').buffer);
    expect([...bits]).toEqual([0x7f802000, 0xffcaa000, 0x7fffe000]);
    const wide = new Uint32Array(decode(new Uint8Array(Uint16Array.of(0xff81).buffer), 'BF16').buffer);
    expect([...wide]).toEqual([0xff810000]);
  });

  it.each(['F16', 'BF16'] as const)('encoding what %s can hold gives its pattern back', (format) => {
    const decoded = decode(halfBytes, format);
    const encoded = new Uint16Array(encodeFloats(decoded, format).buffer);
    const wrong = [...everyHalf].filter((word) => encoded[word] !== word && !Number.isNaN(decoded[word]));
    expect(wrong).toEqual([]);
  });

  it.each([
    ['F16', 0x7c00],
    ['BF16', 0x7f80],
  ] as const)('%s rounds to nearest, ties to even, at every midpoint', (format, infinity) => {
    const decoded = decode(halfBytes, format);
    const lows = [...everyHalf].filter((word) => word < infinity - 1);
    const midpoints = Float64Array.from(lows, (word) => (decoded[word] + decoded[word + 1]) / 2);
    const nudge = (by: number) =>
      midpoints.map((m, i) => m + by * (decoded[lows[i] + 1] - decoded[lows[i]]) * 2 ** -30);
    const words = (values: Float64Array) => [...new Uint16Array(encodeFloats(values, format).buffer)];
    expect(words(midpoints)).toEqual(lows.map((word) => word + (word % 2)));
    expect(words(nudge(-1))).toEqual(lows);
    expect(words(nudge(1))).toEqual(lows.map((word) => word + 1));
    expect(words(midpoints.map((m) => -m))).toEqual(lows.map((word) => 0x8000 + word + (word % 2)));
  });

  it.each([
    ['F16', 2 ** 16 - 2 ** 4, 0x7c00],
    ['BF16', 2 ** 128 - 2 ** 119, 0x7f80],
  ] as const)('%s becomes infinite from half a step above its largest number', (format, edge, infinity) => {
    const values = Float64Array.of(FLOAT_MAX[format], edge * (1 - 2 ** -40), edge, -edge, 1e300, Infinity, -Infinity);
    expect([...new Uint16Array(encodeFloats(values, format).buffer)]).toEqual([
      infinity - 1,
      infinity - 1,
      infinity,
      0x8000 + infinity,
      infinity,
      infinity,
      0x8000 + infinity,
    ]);
  });

  it('NaN stays NaN and the sign of zero survives', () => {
    for (const format of ['F16', 'BF16', 'F32', 'F64'] as const) {
      const back = decode(encodeFloats(Float64Array.of(Number.NaN, -0, 0), format), format);
      expect([...back]).toEqual([Number.NaN, -0, 0]);
    }
  });
});

describe('32- and 64-bit floats', () => {
  it('decode as a DataView reads them, from any address and into any place', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 160 }), fc.nat(7), fc.nat(5), (bytes, shift, at) => {
        for (const format of ['F64', 'F32', 'F16', 'BF16'] as const) {
          const width = FLOAT_BYTES[format];
          const length = Math.floor(bytes.length / width);
          const moved = new Uint8Array(bytes.length + shift);
          moved.set(bytes, shift);
          const target = floatArray(format, length + at + 1).fill(7);
          decodeFloats(moved.subarray(shift, shift + length * width), format, target, at);
          const view = new DataView(bytes.buffer, bytes.byteOffset);
          const expected = Array.from({ length }, (_, i) => {
            if (format === 'F64') return view.getFloat64(8 * i, true);
            if (format === 'F32') return view.getFloat32(4 * i, true);
            return format === 'F16'
              ? ieeeValue(view.getUint16(2 * i, true), 5, 10)
              : ieeeValue(view.getUint16(2 * i, true), 8, 7);
          });
          expect([...target]).toEqual([...Array(at).fill(7), ...expected, 7]);
        }
      }),
    );
  });

  it('encode as a DataView writes them', () => {
    fc.assert(
      fc.property(fc.float64Array({ maxLength: 20 }), (values) => {
        const wide = new DataView(new ArrayBuffer(values.length * 8));
        const single = new DataView(new ArrayBuffer(values.length * 4));
        values.forEach((value, i) => {
          wide.setFloat64(8 * i, value, true);
          single.setFloat32(4 * i, value, true);
        });
        expect(encodeFloats(values, 'F64')).toEqual(new Uint8Array(wide.buffer));
        expect(encodeFloats(values, 'F32')).toEqual(new Uint8Array(single.buffer));
      }),
    );
  });

  it('reversing the bytes of elements turns little-endian into big-endian', () => {
    const view = new DataView(new ArrayBuffer(24));
    for (const [i, value] of [1.5, -2e300, 5e-324].entries()) view.setFloat64(8 * i, value, true);
    reverseElements(new Uint8Array(view.buffer), 8);
    expect([0, 1, 2].map((i) => view.getFloat64(8 * i, false))).toEqual([1.5, -2e300, 5e-324]);
  });
});

it('only the four floating-point formats are weights', () => {
  expect(['F64', 'F32', 'F16', 'BF16'].every(isFloatFormat)).toBe(true);
  expect(['I64', 'F8_E4M3', 'f32', 'toString', '__proto__', ''].some(isFloatFormat)).toBe(false);
});
