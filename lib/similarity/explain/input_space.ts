import type { WhitenedLaw } from '../../backend/grams.js';
import { Pacer } from '../../cooperate.js';
import type { Tensor } from '../../tensor/tensor.js';
import { type Dense, dense, type Engine, einsum } from './algebra.js';

/**
 * The way from where forms are taken apart back to the inputs: from the r coordinates ξ to the whitened input z by the
 * basis, and from there by C, so that a direction of z is shown as the way the input moves along it. Multiples are left
 * out: σ is one.
 */
export class InputSpace {
  readonly #engine: Engine;
  readonly #inputs: number;
  /** C, (d, k); null for a multiple of the identity. */
  readonly #factor: Dense | null;
  /** From ξ: (r, d); null for the identity. */
  readonly #map: Tensor | null;

  private constructor(engine: Engine, inputs: number, factor: Dense | null, map: Tensor | null) {
    this.#engine = engine;
    this.#inputs = inputs;
    this.#factor = factor;
    this.#map = map;
  }

  static async of(basis: Dense | null, { factor }: WhitenedLaw, inputs: number, engine: Engine): Promise<InputSpace> {
    if (factor === undefined) return new InputSpace(engine, inputs, null, basis);
    const { data, columns } = factor;
    const matrix = dense(data, inputs, columns);
    const transposed = { data, shape: [columns, inputs], strides: [1, columns] };
    const empty = basis !== null && basis.shape[0] === 0;
    const map = basis === null ? transposed : empty ? basis : await einsum('rk,dk->rd', [basis, matrix], engine);
    return new InputSpace(engine, inputs, matrix, map);
  }

  /** Directions of ξ, (n, r), as inputs of length 1: (n, d). */
  async fromCoordinates(vectors: Dense): Promise<Dense> {
    const inputs = this.#map === null ? vectors : await einsum('nr,rd->nd', [vectors, this.#map], this.#engine);
    return (await this.#unit(inputs)).directions;
  }

  /** Directions of z, (n, k), likewise, and −1 for those that were turned round, else 1. */
  async fromWhitened(vectors: Dense): Promise<{ readonly directions: Dense; readonly signs: Float64Array }> {
    return this.#unit(await this.#spread(vectors));
  }

  /** The diagonal, (d), that a positive form over ξ, (r, r), has over the inputs. */
  async diagonal(form: Dense): Promise<Float64Array> {
    if (form.shape[0] === 0) return new Float64Array(this.#inputs);
    if (this.#map === null) return form.data.filter((_, i) => i % (form.shape[0] + 1) === 0);
    return (await einsum('pq,pd,qd->d', [form, this.#map, this.#map], this.#engine)).data;
  }

  /** The diagonal, (d), of Σ_n v_n v_nᵀ for vectors of z, (n, k), over the inputs. */
  async squares(vectors: Dense): Promise<Float64Array> {
    const spread = await this.#spread(vectors);
    return (await einsum('nd,nd->d', [spread, spread], this.#engine)).data;
  }

  #spread(vectors: Dense): Promise<Dense> {
    if (this.#factor === null) return Promise.resolve(vectors);
    return einsum('nk,dk->nd', [vectors, this.#factor], this.#engine);
  }

  /** Rows scaled to length 1, the first largest entry positive: which of v and −v is shown must not be chance. */
  async #unit({ data, shape }: Dense): Promise<{ directions: Dense; signs: Float64Array }> {
    const pacer = new Pacer(this.#engine.signal);
    const [count, width] = shape;
    const result = new Float64Array(data.length);
    const signs = new Float64Array(count);
    for (let n = 0; n < count; n++) {
      const row = data.subarray(n * width, (n + 1) * width);
      let square = 0;
      let largest = 0;
      for (const value of row) {
        square += value * value;
        // By more than rounding: the entries of a direction are often equal in pairs.
        if (Math.abs(value) > Math.abs(largest) * (1 + 1e-9)) largest = value;
      }
      signs[n] = largest < 0 ? -1 : 1;
      const scale = square > 0 ? signs[n] / Math.sqrt(square) : 0;
      for (let i = 0; i < width; i++) result[n * width + i] = scale * row[i];
      if (pacer.due(2 * width)) await pacer.pause();
    }
    return { directions: dense(result, count, width), signs };
  }
}
