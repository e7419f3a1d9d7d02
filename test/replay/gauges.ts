import { type Random, random } from '../support/random.js';
import { columnsOf, rowsOf, type SmallLayer } from '../support/transformers.js';
import type { SmallTransformer } from '../support/whole_transformers.js';

/* Other numbers of the same function, one freedom at a time. */

type Change = (layer: SmallLayer, draw: Random) => Partial<SmallLayer>;

/** A network of which every layer, or the one of a number, is changed. */
export function inLayers(network: SmallTransformer, seed: number, change: Change, only?: number): SmallTransformer {
  const draw = random(seed ^ 0x5eed);
  const layers = network.layers.map((layer, number) =>
    only === undefined || only === number ? { ...layer, ...change(layer, draw) } : layer,
  );
  return { ...network, layers };
}

/** An order that moves something. */
export function shuffled(count: number, { uniform }: Random): number[] {
  const keys = Array.from({ length: count }, () => uniform());
  const order = [...keys.keys()].sort((i, j) => keys[i] - keys[j]);
  return order.every((one, i) => one === i) ? [...order.slice(1), order[0]] : order;
}

/** The rows of heads in this order. */
export const rowsOfHeads = (order: readonly number[], width: number): number[] =>
  order.flatMap((head) => Array.from({ length: width }, (_, i) => head * width + i));

/** Units in this order, of these matrices only. */
export function unitsMoved(
  { d, gate, up, upBias, down }: SmallLayer,
  order: readonly number[],
  parts: readonly ('gate' | 'up' | 'down')[] = ['gate', 'up', 'down'],
): Partial<SmallLayer> {
  return {
    ...(parts.includes('gate') && { gate: rowsOf(gate, d, order) }),
    ...(parts.includes('up') && { up: rowsOf(up, d, order), upBias: rowsOf(upBias, 1, order) }),
    ...(parts.includes('down') && { down: columnsOf(down, d, order) }),
  };
}

export const permutedUnits: Change = (layer, draw) => unitsMoved(layer, shuffled(layer.units, draw));

/** Units in units of their own: what is before a ReLU, or beside a gate. */
export const rescaledUnits: Change = ({ units, d, up, upBias, down }, { normal }) => {
  const scales = Array.from({ length: units }, () => Math.exp(normal() / 2));
  return {
    up: up.map((value, at) => value * scales[Math.floor(at / d)]),
    upBias: upBias.map((value, unit) => value * scales[unit]),
    down: down.map((value, at) => value / scales[at % units]),
  };
};

/** Groups in another order, and the heads in each. */
export const permutedHeads: Change = (layer, draw) => {
  const { d, heads, groups, width } = layer;
  const share = heads / groups;
  const orderOfGroups = shuffled(groups, draw);
  const order = orderOfGroups.flatMap((group) =>
    (share === 1 ? [0] : shuffled(share, draw)).map((i) => group * share + i),
  );
  const [all, shared] = [rowsOfHeads(order, width), rowsOfHeads(orderOfGroups, width)];
  return {
    query: rowsOf(layer.query, d, all),
    queryBias: rowsOf(layer.queryBias, 1, all),
    key: rowsOf(layer.key, d, shared),
    keyBias: rowsOf(layer.keyBias, 1, shared),
    value: rowsOf(layer.value, d, shared),
    valueBias: rowsOf(layer.valueBias, 1, shared),
    output: columnsOf(layer.output, d, all),
  };
};

/** M W_V and W_O M⁻¹: of every group, features are mixed by steps that are undone behind. */
export const mixedValues: Change = ({ d, heads, groups, width, value, valueBias, output }, draw) => {
  const share = heads / groups;
  const [v, bias, o] = [value.slice(), valueBias.slice(), output.slice()];
  for (let group = 0; group < groups; group++)
    for (let step = 0; step < 3 * width; step++) {
      const [to, from] = shuffled(width, draw);
      const s = 0.5 * draw.normal();
      const [a, b] = [group * width + to, group * width + from];
      for (let j = 0; j < d; j++) v[a * d + j] += s * v[b * d + j];
      bias[a] += s * bias[b];
      for (let head = group * share; head < (group + 1) * share; head++)
        for (let i = 0; i < d; i++) {
          const row = i * heads * width + head * width;
          o[row + from] -= s * o[row + to];
        }
    }
  return { value: v, valueBias: bias, output: o };
};

/** Queries of every group are scaled, its keys divided by as much. */
export const scaledQueries: Change = ({ d, heads, groups, width, query, queryBias, key, keyBias }, { normal }) => {
  const scales = Array.from({ length: groups }, () => Math.exp(normal() / 2));
  const [ofQuery, ofKey] = [(heads / groups) * width, width];
  return {
    query: query.map((value, at) => value * scales[Math.floor(at / d / ofQuery)]),
    queryBias: queryBias.map((value, row) => value * scales[Math.floor(row / ofQuery)]),
    key: key.map((value, at) => value / scales[Math.floor(at / d / ofKey)]),
    keyBias: keyBias.map((value, row) => value / scales[Math.floor(row / ofKey)]),
  };
};

const byColumn = (data: Float64Array, factors: Float64Array): Float64Array =>
  data.map((value, at) => value * factors[at % factors.length]);
/** W x. */
const applied = (data: Float64Array, x: Float64Array): Float64Array =>
  Float64Array.from({ length: data.length / x.length }, (_, i) =>
    x.reduce((sum, value, j) => sum + data[i * x.length + j] * value, 0),
  );
const sum = (a: Float64Array, b: Float64Array): Float64Array => a.map((value, i) => value + b[i]);

/** What reads behind the norm before attention is multiplied by its gain. */
export const foldedBeforeAttention = ({ query, key, value, gains: [gain] }: SmallLayer): Partial<SmallLayer> => ({
  ...{ query: byColumn(query, gain), key: byColumn(key, gain), value: byColumn(value, gain) },
});
export const foldedBeforeMlp = ({ gate, up, gains: [, gain] }: SmallLayer): Partial<SmallLayer> => ({
  ...{ gate: byColumn(gate, gain), up: byColumn(up, gain) },
});
const shiftsFolded = (one: SmallLayer): Partial<SmallLayer> => ({
  queryBias: sum(one.queryBias, applied(one.query, one.shifts[0])),
  keyBias: sum(one.keyBias, applied(one.key, one.shifts[0])),
  valueBias: sum(one.valueBias, applied(one.value, one.shifts[0])),
  upBias: sum(one.upBias, applied(one.up, one.shifts[1])),
});

const ones = (data: Float64Array) => data.map(() => 1);
const zeros = (data: Float64Array) => data.map(() => 0);

/** All norms are folded into what reads behind them: gains are 1, and shifts 0. */
export function foldedNorms(network: SmallTransformer): SmallTransformer {
  const folded = inLayers(network, 0, (one) => ({
    ...shiftsFolded(one),
    ...foldedBeforeAttention(one),
    ...foldedBeforeMlp(one),
    gains: [ones(one.gains[0]), ones(one.gains[1])],
    shifts: [zeros(one.shifts[0]), zeros(one.shifts[1])],
  }));
  return {
    ...folded,
    unembedding: byColumn(network.unembedding, network.gain),
    unembeddingBias: sum(network.unembeddingBias, applied(network.unembedding, network.shift)),
    gain: ones(network.gain),
    shift: zeros(network.shift),
  };
}
