import { random } from './random.js';

/** Numbers of a small transformer of one layer, as (rows, columns) matrices and vectors, before any layout. */
export interface SmallLayer {
  readonly d: number;
  readonly heads: number;
  readonly groups: number;
  readonly width: number;
  readonly units: number;
  readonly query: Float64Array;
  readonly key: Float64Array;
  readonly value: Float64Array;
  readonly output: Float64Array;
  readonly queryBias: Float64Array;
  readonly keyBias: Float64Array;
  readonly valueBias: Float64Array;
  readonly outputBias: Float64Array;
  readonly gate: Float64Array;
  readonly up: Float64Array;
  readonly down: Float64Array;
  readonly upBias: Float64Array;
  readonly downBias: Float64Array;
  readonly gains: readonly [Float64Array, Float64Array];
  readonly shifts: readonly [Float64Array, Float64Array];
  readonly embedding: Float64Array;
}

export const TOKENS = 5;

export function smallLayer(seed: number, groups = 2): SmallLayer {
  const { normal } = random(seed);
  const [d, heads, width, units] = [12, 4, 4, 10];
  const draw = (count: number) => Float64Array.from({ length: count }, normal);
  return {
    ...{ d, heads, groups, width, units },
    query: draw(heads * width * d),
    key: draw(groups * width * d),
    value: draw(groups * width * d),
    output: draw(d * heads * width),
    queryBias: draw(heads * width),
    keyBias: draw(groups * width),
    valueBias: draw(groups * width),
    outputBias: draw(d),
    gate: draw(units * d),
    up: draw(units * d),
    down: draw(d * units),
    upBias: draw(units),
    downBias: draw(d),
    gains: [draw(d), draw(d)],
    shifts: [draw(d), draw(d)],
    embedding: draw(TOKENS * d),
  };
}

/** Rows of a matrix of so many columns, one after the other, in another order. */
export function rowsOf(data: Float64Array, columns: number, order: readonly number[]): Float64Array {
  return Float64Array.from(order.flatMap((row) => [...data.subarray(row * columns, (row + 1) * columns)]));
}

export function transposed(data: Float64Array, rows: number, columns: number): Float64Array {
  return Float64Array.from({ length: data.length }, (_, at) => data[(at % rows) * columns + Math.floor(at / rows)]);
}

export const joined = (...parts: readonly Float64Array[]): Float64Array =>
  Float64Array.from(parts.flatMap((part) => [...part]));

/** Rows `from` to `to` of a matrix. */
export const cut = (data: Float64Array, columns: number, from: number, to: number): Float64Array =>
  data.subarray(from * columns, to * columns);
