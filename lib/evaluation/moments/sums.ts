import type { BackendName } from '../../backend/backend.js';
import { contractAsPart } from '../../contraction/running/contract.js';
import type { Pacer } from '../../cooperate.js';

/** How moments are computed. */
export interface MomentsOptions {
  /** Who multiplies. Default `'auto'`. */
  readonly backend?: 'auto' | BackendName | undefined;
  /** Worker threads. Default: all the process may use. */
  readonly threads?: number | undefined;
  /** Aborting rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Mean and covariance of blocks of samples, each about its own mean, put together as T. F. Chan, G. H. Golub and R. J.
 * LeVeque do (Updating formulae and a pairwise algorithm, 1979): no digit is lost where the mean is far from zero.
 */
export class MomentSums {
  count = 0;
  readonly #d: number;
  readonly #options: MomentsOptions;
  readonly #pacer: Pacer;
  readonly #mean: Float64Array;
  /** Σ (x − mean)(x − mean)ᵀ. */
  readonly #products: Float64Array;

  constructor(d: number, options: MomentsOptions, pacer: Pacer) {
    this.#d = d;
    this.#options = options;
    this.#pacer = pacer;
    this.#mean = new Float64Array(d);
    this.#products = new Float64Array(d * d);
  }

  /** @param rows (count, d), changed in place */
  async add(rows: Float64Array): Promise<void> {
    const d = this.#d;
    const count = rows.length / d;
    const own = new Float64Array(d);
    await this.#eachRow(rows, (at) => {
      for (let i = 0; i < d; i++) own[i] += rows[at + i] / count;
    });
    await this.#eachRow(rows, (at) => {
      for (let i = 0; i < d; i++) rows[at + i] -= own[i];
    });
    const operand = { data: rows, shape: [count, d] };
    const { data } = await contractAsPart('ni,nj->ij', [operand, operand], { ...this.#options, dtype: 'float64' });
    const all = this.count + count;
    const weight = (this.count * count) / all;
    const moved = own.map((value, i) => value - this.#mean[i]);
    for (let i = 0, at = 0; i < d; i++) {
      for (let j = 0; j < d; j++, at++) this.#products[at] += data[at] + weight * moved[i] * moved[j];
      if (this.#pacer.due(2 * d)) await this.#pacer.pause();
    }
    for (let i = 0; i < d; i++) this.#mean[i] += (moved[i] * count) / all;
    this.count = all;
  }

  async #eachRow({ length }: Float64Array, run: (at: number) => void): Promise<void> {
    for (let at = 0; at < length; at += this.#d) {
      run(at);
      if (this.#pacer.due(this.#d)) await this.#pacer.pause();
    }
  }

  /** (d) and (d, d), divided by the number of samples; there must be one. */
  async moments(): Promise<{ readonly mean: Float64Array; readonly covariance: Float64Array }> {
    const [d, products] = [this.#d, this.#products];
    const data = new Float64Array(d * d);
    // Products are symmetric but for the order in which they were added up.
    for (let i = 0; i < d; i++) {
      for (let j = 0; j <= i; j++) {
        const middle = (products[i * d + j] + products[j * d + i]) / 2 / this.count;
        data[i * d + j] = middle;
        data[j * d + i] = middle;
      }
      if (this.#pacer.due(8 * i)) await this.#pacer.pause();
    }
    return { mean: this.#mean, covariance: data };
  }
}
