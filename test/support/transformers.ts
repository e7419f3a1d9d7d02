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

/** Tensors by name, with their shapes. */
export type Given = Record<string, [data: Float64Array, ...shape: number[]]>;

/** A network of these layers as transformers names Llama. */
export function llamaTensors(layers: readonly SmallLayer[], prefix = 'model.'): Given {
  const [{ d, embedding, gains }] = layers;
  const tensors: Given = {
    [`${prefix}embed_tokens.weight`]: [embedding, TOKENS, d],
    [`${prefix}norm.weight`]: [gains[0], d],
  };
  for (const [number, one] of layers.entries()) {
    const { heads, groups, width, units } = one;
    const own: Given = {
      'self_attn.q_proj.weight': [one.query, heads * width, d],
      'self_attn.k_proj.weight': [one.key, groups * width, d],
      'self_attn.v_proj.weight': [one.value, groups * width, d],
      'self_attn.o_proj.weight': [one.output, d, heads * width],
      'mlp.gate_proj.weight': [one.gate, units, d],
      'mlp.up_proj.weight': [one.up, units, d],
      'mlp.down_proj.weight': [one.down, d, units],
      'input_layernorm.weight': [one.gains[0], d],
      'post_attention_layernorm.weight': [one.gains[1], d],
    };
    for (const [name, tensor] of Object.entries(own)) tensors[`${prefix}layers.${number}.${name}`] = tensor;
  }
  return tensors;
}

/** Columns of a matrix of so many rows, in another order. */
export const columnsOf = (data: Float64Array, rows: number, order: readonly number[]): Float64Array => {
  const columns = data.length / rows;
  return transposed(rowsOf(transposed(data, rows, columns), rows, order), columns, rows);
};

/**
 * The same function in other weights: units in another order and rescaled, groups of heads and the heads in them in
 * another order, planes of the rotary embedding turned and stretched, and another basis of every group's values.
 */
export function gauged(one: SmallLayer, seed: number): SmallLayer {
  const { d, heads, groups, width, units } = one;
  const { normal, uniform } = random(seed);
  const shuffled = (count: number) => {
    const keys = Array.from({ length: count }, (): number => uniform());
    return keys.map((_, i) => i).sort((a, b) => keys[a] - keys[b]);
  };
  const copies = Object.fromEntries(
    Object.entries(one).map(([name, value]) => [name, value instanceof Float64Array ? value.slice() : value]),
  ) as unknown as { -readonly [key in keyof SmallLayer]: SmallLayer[key] };
  const { query, key, value, output, up, down } = copies;
  const half = width / 2;
  const share = heads / groups;
  for (let group = 0; group < groups; group++) {
    for (let p = 0; p < half; p++) {
      const [x, y] = [normal(), normal()];
      // z on the queries, 1/conj(z) = z/|z|² on the keys.
      const turn = (data: Float64Array, first: number, scale: number) => {
        for (let j = 0; j < d; j++) {
          const [a, b] = [data[first * d + j], data[(first + half) * d + j]];
          data[first * d + j] = scale * (x * a - y * b);
          data[(first + half) * d + j] = scale * (y * a + x * b);
        }
      };
      turn(key, group * width + p, 1 / (x * x + y * y));
      for (let i = 0; i < share; i++) turn(query, (group * share + i) * width + p, 1);
    }
    // Row 0 of the values gains s times row 1; column 1 of the outputs loses s times column 0.
    const s = normal();
    for (let j = 0; j < d; j++) {
      value[group * width * d + j] += s * value[(group * width + 1) * d + j];
      for (let i = 0; i < share; i++) {
        const at = j * heads * width + (group * share + i) * width;
        output[at + 1] -= s * output[at];
      }
    }
  }
  for (let u = 0; u < units; u++) {
    const scale = 0.5 + uniform();
    for (let j = 0; j < d; j++) {
      up[u * d + j] *= scale;
      down[j * units + u] /= scale;
    }
  }
  const orderOfUnits = shuffled(units);
  const orderOfGroups = shuffled(groups);
  const orderOfHeads = orderOfGroups.flatMap((group) => shuffled(share).map((i) => group * share + i));
  const rows = (order: readonly number[]) =>
    order.flatMap((one) => Array.from({ length: width }, (_, i) => one * width + i));
  return {
    ...copies,
    query: rowsOf(query, d, rows(orderOfHeads)),
    key: rowsOf(key, d, rows(orderOfGroups)),
    value: rowsOf(value, d, rows(orderOfGroups)),
    output: columnsOf(output, d, rows(orderOfHeads)),
    gate: rowsOf(one.gate, d, orderOfUnits),
    up: rowsOf(up, d, orderOfUnits),
    down: columnsOf(down, d, orderOfUnits),
  };
}
