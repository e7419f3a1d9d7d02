import { decodeFloats, FLOAT_BYTES, type FloatFormat, floatArray, wideBits } from './convert.js';
import type { TensorData } from './tensor.js';

/**
 * Weights as they lie in a file, row-major and little-endian, of which each becomes a number when it is asked for: so a
 * tensor in 16 bits takes a quarter of what it would in double precision.
 */
export class StoredFloats {
  readonly shape: readonly number[];
  readonly #copy: (at: number, count: number, step: number, into: Float64Array, to: number) => void;

  constructor(bytes: Uint8Array, format: FloatFormat, shape: readonly number[]) {
    this.shape = shape;
    const words = format === 'F16' || format === 'BF16' ? wideBits(format) : undefined;
    this.#copy = words === undefined ? fromNumbers(numbersIn(bytes, format)) : fromHalves(bytes, words);
  }

  /** Puts the elements `at`, `at + step`, … into `into[to…]`, exactly. */
  copy(at: number, count: number, step: number, into: Float64Array, to: number): void {
    this.#copy(at, count, step, into, to);
  }
}

function numbersIn(bytes: Uint8Array, format: FloatFormat): TensorData {
  const data = floatArray(format, bytes.length / FLOAT_BYTES[format]);
  decodeFloats(bytes, format, data);
  return data;
}

function fromNumbers(data: TensorData) {
  return (at: number, count: number, step: number, into: Float64Array, to: number) => {
    if (step === 1) into.set(data.subarray(at, at + count), to);
    else for (let i = 0, from = at; i < count; i++, from += step) into[to + i] = data[from];
  };
}

function fromHalves(bytes: Uint8Array, widened: (half: number) => number) {
  const bits = new Uint32Array(1);
  const value = new Float32Array(bits.buffer);
  return (at: number, count: number, step: number, into: Float64Array, to: number) => {
    for (let i = 0, from = 2 * at; i < count; i++, from += 2 * step) {
      bits[0] = widened((bytes[from + 1] << 8) | bytes[from]);
      into[to + i] = value[0];
    }
  };
}
