import { float16Values } from '../../../tensor/convert.js';
import { type BlockDecoder, NON_LINEAR } from './small.js';

/** Elements of a block of the types of this file. */
const ELEMENTS = 256;

const signed = (bytes: Uint8Array) => new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);

/**
 * Q2_K: scales and offsets of 16 times 16 elements, 4 bits each; numbers of 2 bits, four elements to a byte, 32 apart;
 * what scales and offsets are multiples of.
 */
export const decodeQ2K: BlockDecoder = (bytes, into, at) => {
  const halves = float16Values();
  for (let p = 0, out = at; p < bytes.length; p += 84, out += ELEMENTS) {
    const scale = halves[bytes[p + 80] | (bytes[p + 81] << 8)];
    const offset = halves[bytes[p + 82] | (bytes[p + 83] << 8)];
    for (let part = 0; part < 16; part++) {
      const factors = bytes[p + part];
      const [step, minus] = [scale * (factors & 15), offset * (factors >> 4)];
      // Eight parts are a half; two parts share their bits.
      const q = p + 16 + 32 * (part >> 3) + 16 * (part & 1);
      const shift = part & 6;
      const to = out + 16 * part;
      for (let i = 0; i < 16; i++) into[to + i] = step * ((bytes[q + i] >> shift) & 3) - minus;
    }
  }
};

/**
 * Q3_K: the highest bits, unset where 4 is taken away; numbers of 2 bits as in Q2_K; 16 scales of 6 bits, less 32; what
 * they are multiples of.
 */
export const decodeQ3K: BlockDecoder = (bytes, into, at) => {
  const halves = float16Values();
  for (let p = 0, out = at; p < bytes.length; p += 110, out += ELEMENTS) {
    const scale = halves[bytes[p + 108] | (bytes[p + 109] << 8)];
    for (let part = 0; part < 16; part++) {
      // The low 4 bits of the 16 in 8 bytes, the high 2 in the 4 that follow.
      const low = (bytes[p + 96 + (part & 7)] >> (4 * (part >> 3))) & 15;
      const high = (bytes[p + 104 + (part & 3)] >> (2 * (part >> 2))) & 3;
      const step = scale * ((low | (high << 4)) - 32);
      const begin = 16 * (part & 1);
      const [h, q] = [p + begin, p + 32 + 32 * (part >> 3) + begin];
      const [bit, shift] = [part >> 1, part & 6];
      const to = out + 16 * part;
      for (let i = 0; i < 16; i++)
        into[to + i] = step * (((bytes[q + i] >> shift) & 3) + (((bytes[h + i] >> bit) & 1) << 2) - 4);
    }
  }
};

/** The scale of one of 8 parts of Q4_K and Q5_K, whose scales and offsets of 6 bits lie in 12 bytes from `at` on. */
function scaleIn(bytes: Uint8Array, at: number, part: number): number {
  if (part < 4) return bytes[at + part] & 63;
  return (bytes[at + part + 4] & 15) | ((bytes[at + part - 4] >> 6) << 4);
}

/** The offset of the same. */
function offsetIn(bytes: Uint8Array, at: number, part: number): number {
  if (part < 4) return bytes[at + part + 4] & 63;
  return (bytes[at + part + 4] >> 4) | ((bytes[at + part] >> 6) << 4);
}

/**
 * Q4_K: what scales and offsets are multiples of; 8 of each, of 32 elements; numbers of 4 bits, the low halves of 32
 * bytes for one part and the high ones for the next.
 */
export const decodeQ4K: BlockDecoder = (bytes, into, at) => {
  const halves = float16Values();
  for (let p = 0, out = at; p < bytes.length; p += 144, out += ELEMENTS) {
    const scale = halves[bytes[p] | (bytes[p + 1] << 8)];
    const offset = halves[bytes[p + 2] | (bytes[p + 3] << 8)];
    for (let part = 0; part < 8; part++) {
      const step = scale * scaleIn(bytes, p + 4, part);
      const minus = offset * offsetIn(bytes, p + 4, part);
      const q = p + 16 + 32 * (part >> 1);
      const shift = 4 * (part & 1);
      const to = out + 32 * part;
      for (let i = 0; i < 32; i++) into[to + i] = step * ((bytes[q + i] >> shift) & 15) - minus;
    }
  }
};

/** Q5_K: Q4_K with 32 bytes before the numbers that hold their fifth bits, bit `part` those of a part. */
export const decodeQ5K: BlockDecoder = (bytes, into, at) => {
  const halves = float16Values();
  for (let p = 0, out = at; p < bytes.length; p += 176, out += ELEMENTS) {
    const scale = halves[bytes[p] | (bytes[p + 1] << 8)];
    const offset = halves[bytes[p + 2] | (bytes[p + 3] << 8)];
    for (let part = 0; part < 8; part++) {
      const step = scale * scaleIn(bytes, p + 4, part);
      const minus = offset * offsetIn(bytes, p + 4, part);
      const [h, q] = [p + 16, p + 48 + 32 * (part >> 1)];
      const shift = 4 * (part & 1);
      const to = out + 32 * part;
      for (let i = 0; i < 32; i++) {
        const number = ((bytes[q + i] >> shift) & 15) | (((bytes[h + i] >> part) & 1) << 4);
        into[to + i] = step * number - minus;
      }
    }
  }
};

/**
 * Q6_K: low 4 bits of each half's 128 elements in 64 bytes, high 2 bits in 32, less 32; 16 scales of a signed byte;
 * what they are multiples of.
 */
export const decodeQ6K: BlockDecoder = (bytes, into, at) => {
  const halves = float16Values();
  const scales = signed(bytes);
  for (let p = 0, out = at; p < bytes.length; p += 210, out += ELEMENTS) {
    const scale = halves[bytes[p + 208] | (bytes[p + 209] << 8)];
    for (let part = 0; part < 16; part++) {
      const step = scale * scales[p + 192 + part];
      const half = part >> 3;
      const low = p + 64 * half + 16 * (part & 3);
      const high = p + 128 + 32 * half + 16 * (part & 1);
      const [lowShift, highShift] = [part & 4, part & 6];
      const to = out + 16 * part;
      for (let i = 0; i < 16; i++) {
        const number = ((bytes[low + i] >> lowShift) & 15) | (((bytes[high + i] >> highShift) & 3) << 4);
        into[to + i] = step * (number - 32);
      }
    }
  }
};

/** Q8_K: a float32 scale, 256 bytes, and sums of them that products are made faster with. */
export const decodeQ8K: BlockDecoder = (bytes, into, at) => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const numbers = signed(bytes);
  for (let p = 0, out = at; p < bytes.length; p += 292, out += ELEMENTS) {
    const scale = view.getFloat32(p, true);
    for (let i = 0; i < ELEMENTS; i++) into[out + i] = scale * numbers[p + 4 + i];
  }
};

/** IQ4_XS: what 8 scales are multiples of; their high 2 bits, their low 4, less 32; numbers as in IQ4_NL. */
export const decodeIq4Xs: BlockDecoder = (bytes, into, at) => {
  const halves = float16Values();
  for (let p = 0, out = at; p < bytes.length; p += 136, out += ELEMENTS) {
    const scale = halves[bytes[p] | (bytes[p + 1] << 8)];
    const highs = bytes[p + 2] | (bytes[p + 3] << 8);
    for (let part = 0; part < 8; part++) {
      const low = (bytes[p + 4 + (part >> 1)] >> (4 * (part & 1))) & 15;
      const step = scale * ((low | (((highs >> (2 * part)) & 3) << 4)) - 32);
      const q = p + 8 + 16 * part;
      const to = out + 32 * part;
      for (let i = 0; i < 16; i++) {
        const pair = bytes[q + i];
        into[to + i] = step * NON_LINEAR[pair & 15];
        into[to + 16 + i] = step * NON_LINEAR[pair >> 4];
      }
    }
  }
};

/** Bytes of TQ1_0 that belong together: where they begin, how many, how many elements each holds. */
const TERNARY_RUNS = [
  [0, 32, 5],
  [32, 16, 5],
  [48, 4, 4],
] as const;

/** TQ1_0: five elements to a byte, digits to the base 3 of a fraction of 256, less 1; a float16 scale. */
export const decodeTq10: BlockDecoder = (bytes, into, at) => {
  const halves = float16Values();
  for (let p = 0, out = at; p < bytes.length; p += 54) {
    const scale = halves[bytes[p + 52] | (bytes[p + 53] << 8)];
    for (const [from, count, digits] of TERNARY_RUNS) {
      for (let digit = 0, power = 1; digit < digits; digit++, power *= 3) {
        for (let i = 0; i < count; i++) {
          const fraction = (bytes[p + from + i] * power) & 255;
          into[out + i] = scale * (((fraction * 3) >> 8) - 1);
        }
        out += count;
      }
    }
  }
};

/** TQ2_0: numbers of 2 bits as in Q2_K, less 1; a float16 scale. */
export const decodeTq20: BlockDecoder = (bytes, into, at) => {
  const halves = float16Values();
  for (let p = 0, out = at; p < bytes.length; p += 66, out += ELEMENTS) {
    const scale = halves[bytes[p + 64] | (bytes[p + 65] << 8)];
    for (let part = 0; part < 8; part++) {
      const q = p + 32 * (part >> 2);
      const shift = 2 * (part & 3);
      const to = out + 32 * part;
      for (let i = 0; i < 32; i++) into[to + i] = scale * (((bytes[q + i] >> shift) & 3) - 1);
    }
  }
};
