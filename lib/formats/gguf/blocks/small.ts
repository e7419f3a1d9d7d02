import { float16Values } from '../../../tensor/convert.js';
import { wholeLevels } from '../../quantised/numbers.js';

/**
 * Decodes whole blocks into `into[at…]`. All products and sums of what a block holds are exact in float64, so that each
 * element is rounded once, as it is where llama.cpp reckons in float32.
 */
export type BlockDecoder = (bytes: Uint8Array, into: Float32Array, at: number) => void;

/** What the 16 numbers of IQ4_NL and IQ4_XS stand for. */
export const NON_LINEAR = Float64Array.of(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);

/** What the 16 numbers of MXFP4 stand for, doubled; its negative zero has lost its sign in llama.cpp. */
const DOUBLED_E2M1 = Float64Array.of(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12);

/** Elements of a block of the types of this file. */
const ELEMENTS = 32;
const HALF = ELEMENTS / 2;

/** What changes no number that it is added to, not even the sign of a zero. */
const NOTHING = -0;

/**
 * Numbers of 4 bits behind a float16 scale and, where `offset` says so, a float16 offset. The low halves of the bytes
 * are the first 16 elements, the high ones the others.
 * @param values what the numbers stand for
 */
function fourBits(values: Float64Array, offset: boolean): BlockDecoder {
  const head = offset ? 4 : 2;
  return (bytes, into, at) => {
    const halves = float16Values();
    for (let p = 0, out = at; p < bytes.length; p += head + HALF, out += ELEMENTS) {
      const scale = halves[bytes[p] | (bytes[p + 1] << 8)];
      const begin = offset ? halves[bytes[p + 2] | (bytes[p + 3] << 8)] : NOTHING;
      for (let i = 0; i < HALF; i++) {
        const pair = bytes[p + head + i];
        into[out + i] = scale * values[pair & 15] + begin;
        into[out + HALF + i] = scale * values[pair >> 4] + begin;
      }
    }
  };
}

export const decodeQ40 = fourBits(wholeLevels(-8, 7), false);
export const decodeQ41 = fourBits(wholeLevels(0, 15), true);
export const decodeIq4Nl = fourBits(NON_LINEAR, false);

/** The same with a fifth bit of each element, the highest, in a word of its own before them. */
function fiveBits(from: number, offset: boolean): BlockDecoder {
  const head = offset ? 4 : 2;
  return (bytes, into, at) => {
    const halves = float16Values();
    for (let p = 0, out = at; p < bytes.length; p += head + 4 + HALF, out += ELEMENTS) {
      const scale = halves[bytes[p] | (bytes[p + 1] << 8)];
      const begin = offset ? halves[bytes[p + 2] | (bytes[p + 3] << 8)] : NOTHING;
      const h = p + head;
      const high = bytes[h] | (bytes[h + 1] << 8) | (bytes[h + 2] << 16) | (bytes[h + 3] << 24);
      for (let i = 0; i < HALF; i++) {
        const pair = bytes[h + 4 + i];
        into[out + i] = scale * (((pair & 15) | (((high >>> i) & 1) << 4)) + from) + begin;
        into[out + HALF + i] = scale * (((pair >> 4) | (((high >>> (HALF + i)) & 1) << 4)) + from) + begin;
      }
    }
  };
}

export const decodeQ50 = fiveBits(-16, false);
export const decodeQ51 = fiveBits(0, true);

/** A float16 scale and 32 bytes. */
export const decodeQ80: BlockDecoder = (bytes, into, at) => {
  const halves = float16Values();
  const numbers = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let p = 0, out = at; p < bytes.length; p += 2 + ELEMENTS, out += ELEMENTS) {
    const scale = halves[bytes[p] | (bytes[p + 1] << 8)];
    for (let i = 0; i < ELEMENTS; i++) into[out + i] = scale * numbers[p + 2 + i];
  }
};

/** A power of two and 32 numbers of 4 bits, in the order of Q4_0. */
export const decodeMxfp4: BlockDecoder = (bytes, into, at) => {
  for (let p = 0, out = at; p < bytes.length; p += 1 + HALF, out += ELEMENTS) {
    // Half of what the byte stands for, because the numbers are doubled.
    const scale = 2 ** (bytes[p] - 128);
    for (let i = 0; i < HALF; i++) {
      const pair = bytes[p + 1 + i];
      into[out + i] = scale * DOUBLED_E2M1[pair & 15];
      into[out + HALF + i] = scale * DOUBLED_E2M1[pair >> 4];
    }
  }
};
