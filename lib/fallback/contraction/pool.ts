import { TensimError } from '../../errors.js';
import type { DType, TensorData } from '../../tensor/tensor.js';

/** Buffers of one execution. What is given back is used again for the next buffer of the same size. */
export class BufferPool {
  /** Bytes of the buffers in use and of those kept, at the worst moment so far. */
  peakBytes = 0;
  readonly #free = new Map<number, TensorData[]>();
  readonly #dtype: DType;
  readonly #limit: number;
  #used = 0;
  #kept = 0;

  /** Kept buffers are dropped as soon as they and those in use would pass `limit` bytes. */
  constructor(dtype: DType, limit: number) {
    this.#dtype = dtype;
    this.#limit = limit;
  }

  /**
   * A buffer with any content; a new one is zero.
   * @throws TensimError `MEMORY_LIMIT` if the system has no memory for it.
   */
  take(elements: number): TensorData {
    const kept = this.#free.get(elements)?.pop();
    const bytes = elements * (this.#dtype === 'float64' ? 8 : 4);
    if (kept !== undefined) this.#kept -= bytes;
    else if (this.#used + this.#kept + bytes > this.#limit) {
      this.#free.clear();
      this.#kept = 0;
    }
    this.#used += bytes;
    this.peakBytes = Math.max(this.peakBytes, this.#used + this.#kept);
    return kept ?? this.#allocate(elements, bytes);
  }

  #allocate(elements: number, bytes: number): TensorData {
    try {
      return this.#dtype === 'float64' ? new Float64Array(elements) : new Float32Array(elements);
    } catch (cause) {
      throw new TensimError('MEMORY_LIMIT', `a buffer of ${bytes} bytes could not be allocated`, {
        hint: 'Set memoryLimit, so that intermediates are sliced',
        cause,
      });
    }
  }

  give(buffer: TensorData): void {
    this.#used -= buffer.byteLength;
    this.#kept += buffer.byteLength;
    const free = this.#free.get(buffer.length);
    if (free === undefined) this.#free.set(buffer.length, [buffer]);
    else free.push(buffer);
  }
}
