import { TensimError } from '../../errors.js';

/** Queries, keys and values of one head stand in the order q1, k1, q2, k2, v; the first four are rotated. */
export const PARTS = 5;
const ROTATED_PARTS = 4;

/**
 * Rotary position embedding in the half-split layout (MATH.md section 1): (x_j, x_{j + size/2}) turns by
 * s·base^(−2j/size) at position s. A rotation without a base leaves everything as it is.
 */
export class Rotary {
  readonly #size: number;
  readonly #frequencies: Float64Array | null;

  /** @throws TensimError `SHAPE_MISMATCH` for a base with an odd size. */
  constructor(size: number, base: number | null) {
    if (base !== null && size % 2 === 1) {
      throw new TensimError('SHAPE_MISMATCH', `rotary positions need an even size of the heads, but it is ${size}`);
    }
    this.#size = size;
    this.#frequencies =
      base === null ? null : Float64Array.from({ length: size / 2 }, (_, j) => base ** ((-2 * j) / size));
  }

  /** Whether it does nothing at this position. */
  isIdentity(position: number): boolean {
    return this.#frequencies === null || position === 0;
  }

  /** Turns the rows of a (5·size, columns) matrix, in place. */
  turnRows(data: Float64Array, columns: number, position: number): void {
    this.#turn(data, columns, columns, 1, position, ROTATED_PARTS);
  }

  /** Turns the columns of a (rows, 5·size) matrix, in place. */
  turnColumns(data: Float64Array, rows: number, position: number): void {
    this.#turn(data, rows, 1, PARTS * this.#size, position, ROTATED_PARTS);
  }

  /** N · Rot for N (rows, 5·size), part by part, in place: it turns the columns the other way. */
  timesRotation(data: Float64Array, rows: number, position: number): void {
    this.#turn(data, rows, 1, PARTS * this.#size, -position, ROTATED_PARTS);
  }

  #turn(data: Float64Array, count: number, stride: number, across: number, position: number, parts: number): void {
    if (this.#frequencies === null || position === 0) return;
    const half = this.#size / 2;
    for (let part = 0; part < parts; part++) {
      for (const [j, frequency] of this.#frequencies.entries()) {
        const [cos, sin] = [Math.cos(position * frequency), Math.sin(position * frequency)];
        let first = (part * this.#size + j) * stride;
        let second = first + half * stride;
        for (let i = 0; i < count; i++, first += across, second += across) {
          const [x, y] = [data[first], data[second]];
          data[first] = cos * x - sin * y;
          data[second] = cos * y + sin * x;
        }
      }
    }
  }
}
