import { decodeFloats, type FloatFormat, numbersIn } from './convert.js';
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
    this.#copy =
      format === 'F16' || format === 'BF16' ? fromHalves(bytes, format) : fromNumbers(numbersIn(bytes, format));
  }

  /** Puts the elements `at`, `at + step`, … into `into[to…]`, exactly. */
  copy(at: number, count: number, step: number, into: Float64Array, to: number): void {
    this.#copy(at, count, step, into, to);
  }
}

function fromNumbers(data: TensorData) {
  return (at: number, count: number, step: number, into: Float64Array, to: number) => {
    if (step === 1) into.set(data.subarray(at, at + count), to);
    else for (let i = 0, from = at; i < count; i++, from += step) into[to + i] = data[from];
  };
}

/** By way of their float32 bits, some at a time: engines make objects of single numbers that go through a register. */
function fromHalves(bytes: Uint8Array, format: 'F16' | 'BF16') {
  const values = new Float32Array(SOME);
  const halves = new Uint8Array(2 * SOME);
  return (at: number, count: number, step: number, into: Float64Array, to: number) => {
    for (let done = 0; done < count; done += SOME) {
      const size = Math.min(SOME, count - done);
      const start = 2 * (at + done * step);
      let own = bytes.subarray(start, start + 2 * size);
      if (step !== 1) {
        for (let i = 0, from = start; i < 2 * size; i += 2, from += 2 * step) {
          halves[i] = bytes[from];
          halves[i + 1] = bytes[from + 1];
        }
        own = halves.subarray(0, 2 * size);
      }
      decodeFloats(own, format, values);
      into.set(size === SOME ? values : values.subarray(0, size), to + done);
    }
  };
}

const SOME = 2048;
