import { aboutActivation, activationOf } from '../../lib/layers/activations.js';
import { kindOf } from '../../lib/layers/table.js';
import type {
  AttentionLayer,
  BilinearLayer,
  GatedLayer,
  HiddenLayer,
  Layer,
  LinearLayer,
} from '../../lib/model/model.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { type PolynomialLayer, polynomial } from './polynomial.js';
import type { Random } from './random.js';

/** 2^exponent · x, by steps that are powers of two in range. */
function power(x: number, exponent: number): number {
  let value = x;
  for (let left = exponent; left !== 0; ) {
    const step = Math.max(-500, Math.min(500, left));
    value *= 2 ** step;
    left -= step;
  }
  return value;
}

/** 2^(out_i + in_j) W_ij. */
function scaled({ data, shape }: Tensor, out: readonly number[], into?: readonly number[]): Tensor {
  const columns = shape[1] ?? 1;
  const values = Float64Array.from(data, (value, at) =>
    power(value, out[Math.floor(at / columns)] + (into?.[at % columns] ?? 0)),
  );
  return { data: values, shape };
}

/**
 * The same function in another gauge: features between layers, hidden units and heads in units of powers of two up to
 * 2^±most, and the outputs all multiplied by 2^output. Where there is a residual the units of features stay, and those of
 * the arguments of activations through which no power of two goes. Units must have a D behind them.
 */
export function regauged(layers: readonly Layer[], draw: Random, most: number, output: number): Layer[] {
  const pick = () => draw.integer(-most, most);
  let from: number[] | undefined;
  return layers.map(known).map((layer, i) => {
    const width = widthOf(layer);
    const last = i === layers.length - 1;
    const kept = layer.type !== 'linear' && layer.alpha !== 0;
    const start = from ?? new Array(inputsOf(layer)).fill(0);
    const shared = layer.type === 'bilinear' && layer.down === undefined ? pick() : undefined;
    const to = kept && !last ? start : Array.from({ length: width }, () => (last ? output : (shared ?? pick())));
    if (kept && last && output !== 0) throw new Error('a residual at the end leaves no choice of units');
    const result = rescale(layer, start, kept ? start : to, pick);
    from = kept ? start : to;
    return result;
  });
}

type KnownLayer = PolynomialLayer | HiddenLayer | GatedLayer;

const known = (layer: Layer): KnownLayer =>
  layer.type === 'hidden' || layer.type === 'gated' ? layer : polynomial(layer);

const inputsOf = (layer: KnownLayer): number => kindOf(layer).widths(layer).takes;
const widthOf = (layer: KnownLayer): number => kindOf(layer).widths(layer).gives;

function rescale(layer: KnownLayer, from: readonly number[], to: readonly number[], pick: () => number): Layer {
  const into = from.map((exponent) => -exponent);
  switch (layer.type) {
    case 'linear':
      return linear(layer, into, to);
    case 'bilinear':
      return bilinear(layer, into, to, pick);
    case 'attention':
      return attention(layer, into, to, pick);
    case 'hidden':
    case 'gated':
      return units(layer, into, to, pick);
  }
}

/** The argument of φ may be scaled where φ(s x) = s^k φ(x), what multiplies it always. */
function units(
  layer: HiddenLayer | GatedLayer,
  into: readonly number[],
  to: readonly number[],
  pick: () => number,
): Layer {
  const { homogeneous } = aboutActivation(activationOf(layer).name);
  const hidden = kindOf(layer).hidden!(layer);
  const u = Array.from({ length: hidden }, () => (homogeneous === null ? 0 : pick()));
  const v = Array.from({ length: hidden }, () => (layer.type === 'gated' ? pick() : 0));
  const back = u.map((exponent, h) => -(homogeneous ?? 0) * exponent - v[h]);
  const { down, downBias, skip } = layer;
  const behind = {
    down: scaled(down!, to, back),
    ...(downBias && { downBias: scaled(downBias, to) }),
    ...(skip && { skip: scaled(skip, to, into) }),
  };
  if (layer.type === 'hidden') {
    const { weight, bias } = layer;
    return { ...layer, weight: scaled(weight, u, into), ...(bias && { bias: scaled(bias, u) }), ...behind };
  }
  const { gate, gateBias, up, upBias } = layer;
  return {
    ...layer,
    gate: scaled(gate, u, into),
    up: scaled(up, v, into),
    ...(gateBias && { gateBias: scaled(gateBias, u) }),
    ...(upBias && { upBias: scaled(upBias, v) }),
    ...behind,
  };
}

function linear({ type, weight, bias }: LinearLayer, into: readonly number[], to: readonly number[]): Layer {
  return { type, weight: scaled(weight, to, into), ...(bias && { bias: scaled(bias, to) }) };
}

function bilinear(layer: BilinearLayer, into: readonly number[], to: readonly number[], pick: () => number): Layer {
  const { left, right, leftBias, rightBias, down, downBias } = layer;
  if (down === undefined) return products(layer, into, to, [pick(), pick()]);
  const units = Array.from({ length: left.shape[0] }, () => [pick(), pick()] as const);
  const [u, v] = [units.map(([one]) => one), units.map(([, other]) => other)];
  const back = units.map(([one, other]) => -one - other);
  return {
    ...layer,
    left: scaled(left, u, into),
    right: scaled(right, v, into),
    down: scaled(down, to, back),
    ...(leftBias && { leftBias: scaled(leftBias, u) }),
    ...(rightBias && { rightBias: scaled(rightBias, v) }),
    ...(downBias && { downBias: scaled(downBias, to) }),
  };
}

/** Without D the units are the outputs, and β takes up what they share. */
function products(
  layer: BilinearLayer,
  into: readonly number[],
  to: readonly number[],
  [u, v]: readonly [number, number],
): Layer {
  const { left, right, leftBias, rightBias, downBias } = layer;
  const all = (exponent: number) => to.map(() => exponent);
  return {
    ...layer,
    left: scaled(left, all(u), into),
    right: scaled(right, all(v), into),
    beta: power(layer.beta, to[0] - u - v),
    ...(leftBias && { leftBias: scaled(leftBias, all(u)) }),
    ...(rightBias && { rightBias: scaled(rightBias, all(v)) }),
    ...(downBias && { downBias: scaled(downBias, all(u + v)) }),
  };
}

function attention(layer: AttentionLayer, into: readonly number[], to: readonly number[], pick: () => number): Layer {
  const { heads, v } = layer;
  const size = v.shape[0] / heads;
  const perHead = () => Array.from({ length: heads }, pick);
  const [q1, k1, q2, k2] = [perHead(), perHead(), perHead(), perHead()];
  const rows = (of: readonly number[]) => Array.from({ length: v.shape[0] }, (_, row) => of[Math.floor(row / size)]);
  const values = Array.from({ length: v.shape[0] }, pick);
  const back = values.map((exponent, row) => {
    const head = Math.floor(row / size);
    return -exponent - q1[head] - k1[head] - q2[head] - k2[head];
  });
  const own = { q1: rows(q1), k1: rows(k1), q2: rows(q2), k2: rows(k2), v: values };
  const parts = Object.entries(own).flatMap(([name, out]) => {
    const bias = layer[`${name}Bias` as 'q1Bias'];
    const weight: [string, Tensor] = [name, scaled(layer[name as 'q1'], out, into)];
    return bias === undefined ? [weight] : [weight, [`${name}Bias`, scaled(bias, out)] as [string, Tensor]];
  });
  return {
    ...layer,
    ...Object.fromEntries(parts),
    o: scaled(layer.o, to, back),
    ...(layer.oBias && { oBias: scaled(layer.oBias, to) }),
  };
}
