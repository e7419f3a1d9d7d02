import { decodeFloats, encodeFloats, type FloatFormat, floatArray } from '../tensor/convert.js';

/** A way in which digits of a number get lost on the way from one file to another. */
export interface Rounding {
  /** Ends a sentence that begins "rounded": `to BF16`. */
  readonly words: string;
  /** Whether it is to the nearest number, as it should be. */
  readonly isFair: boolean;
  readonly apply: (values: Float64Array) => Float64Array;
}

const to = (format: FloatFormat) => (values: Float64Array) => {
  const narrow = floatArray(format, values.length);
  decodeFloats(encodeFloats(values, format), format, narrow);
  return Float64Array.from(narrow);
};

const single = to('F32');
const half = to('F16');
const slowBrain = to('BF16');

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);

/** What rounds to BF16: of float32 numbers by their bits, half to even. */
function brain(values: Float64Array): Float64Array {
  const result = new Float64Array(values.length);
  for (let i = 0; i < values.length; i++) {
    float[0] = values[i];
    if (float[0] !== values[i] || (bits[0] & 0x7f800000) === 0x7f800000) return slowBrain(values);
    bits[0] = (bits[0] + 0x7fff + ((bits[0] >>> 16) & 1)) & 0xffff0000;
    result[i] = float[0];
  }
  return result;
}

/** The upper two bytes of float32 numbers, as if the others were nothing. */
function cutOff(values: Float64Array): Float64Array {
  return values.map((value) => {
    float[0] = value;
    bits[0] &= 0xffff0000;
    return float[0];
  });
}

/** The most precise first, so that a tensor whose numbers fit in several is given the one that changes least. */
export const ROUNDINGS: readonly Rounding[] = [
  { words: 'to F32', isFair: true, apply: single },
  { words: 'to F16', isFair: true, apply: half },
  { words: 'to BF16', isFair: true, apply: brain },
  { words: 'to F16 and then to BF16', isFair: true, apply: (values) => brain(half(values)) },
  { words: 'to BF16 and then to F16', isFair: true, apply: (values) => half(brain(values)) },
  { words: 'to BF16 by cutting digits off', isFair: false, apply: cutOff },
];

/** Finds which roundings make all numbers of one side those of the other; they are given piece by piece. */
export class RoundingTally {
  #left: readonly Rounding[] = ROUNDINGS;

  add(exact: Float64Array, rounded: Float64Array): void {
    if (this.#left.length === 0) return;
    // Most pieces tell by their first numbers.
    const heads = [exact.subarray(0, FIRST), rounded.subarray(0, FIRST)] as const;
    this.#left = this.#left.filter(
      ({ apply }) => isEqual(apply(heads[0]), heads[1]) && (exact.length <= FIRST || isEqual(apply(exact), rounded)),
    );
  }

  /** The first that does it; undefined for none. */
  get found(): Rounding | undefined {
    return this.#left[0];
  }
}

const FIRST = 256;

function isEqual(a: Float64Array, b: Float64Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** The largest relative error of a number that is stored in a format, 2⁻ᵖ. */
export const UNIT_ROUNDOFF: Readonly<Record<FloatFormat, number>> = {
  F64: 2 ** -53,
  F32: 2 ** -24,
  F16: 2 ** -11,
  BF16: 2 ** -8,
};
