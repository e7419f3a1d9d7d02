import type { BackendName } from '../../backend/backend.js';
import { contract } from '../../contraction/running/contract.js';
import { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import type { Tensor, TensorData } from '../../tensor/tensor.js';

/** Who multiplies, and until when. */
export interface SumsControl {
  readonly backend?: BackendName | 'auto' | undefined;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Mean and covariance of vectors that come in batches. Sums are of the vectors less the mean of the first batch, so that
 * a large mean takes no digits from a small covariance.
 */
export class Sums {
  readonly #name: string;
  readonly #width: number;
  readonly #control: SumsControl;
  readonly #sum: Float64Array;
  readonly #products: Float64Array;
  #shift: Float64Array | undefined;
  #count = 0;

  /** @param name of the block, for messages */
  constructor(name: string, width: number, control: SumsControl) {
    this.#name = name;
    this.#width = width;
    this.#control = control;
    this.#sum = new Float64Array(width);
    this.#products = new Float64Array(width * width);
  }

  /**
   * @param rows vectors one after the other
   * @throws TensimError `NOT_FINITE`
   */
  async add(rows: TensorData): Promise<void> {
    const width = this.#width;
    const count = rows.length / width;
    const { signal, threads, backend } = this.#control;
    const pacer = new Pacer(signal);
    this.#shift ??= await meanOf(rows, width, pacer);
    const shifted = new Float64Array(rows.length);
    for (let s = 0, at = 0; s < count; s++) {
      for (let i = 0; i < width; i++, at++) {
        shifted[at] = rows[at] - this.#shift[i];
        this.#sum[i] += shifted[at];
      }
      if (pacer.due(width)) await pacer.pause();
    }
    if (!this.#sum.every(Number.isFinite))
      throw new TensimError('NOT_FINITE', `the stream before ${this.#name} has numbers that are not finite`, {
        hint: 'Run it in float64 (--dtype float64, option "dtype")',
      });
    const operand = { data: shifted, shape: [count, width] };
    const { data } = await contract('si,sj->ij', [operand, operand], {
      ...{ backend, threads, signal, dtype: 'float64' },
    });
    for (let i = 0; i < width; i++) {
      for (let at = i * width; at < (i + 1) * width; at++) this.#products[at] += data[at];
      if (pacer.due(width)) await pacer.pause();
    }
    this.#count += count;
  }

  /** Of all vectors, the covariance divided by their number; there must be one. */
  async moments(): Promise<{ readonly mean: Tensor; readonly covariance: Tensor }> {
    const [width, count] = [this.#width, this.#count];
    const off = this.#sum.map((value) => value / count);
    const mean = off.map((value, i) => this.#shift![i] + value);
    const covariance = new Float64Array(width * width);
    const pacer = new Pacer(this.#control.signal);
    for (let i = 0; i < width; i++) {
      for (let j = 0; j <= i; j++) {
        const [at, across] = [i * width + j, j * width + i];
        const value = (this.#products[at] + this.#products[across]) / 2 / count - off[i] * off[j];
        covariance[at] = value;
        covariance[across] = value;
      }
      if (pacer.due(width)) await pacer.pause();
    }
    return { mean: { data: mean, shape: [width] }, covariance: { data: covariance, shape: [width, width] } };
  }
}

async function meanOf(rows: TensorData, width: number, pacer: Pacer): Promise<Float64Array> {
  const mean = new Float64Array(width);
  for (let at = 0; at < rows.length; at += width) {
    for (let i = 0; i < width; i++) mean[i] += rows[at + i];
    if (pacer.due(width)) await pacer.pause();
  }
  return mean.map((sum) => (sum * width) / rows.length);
}
