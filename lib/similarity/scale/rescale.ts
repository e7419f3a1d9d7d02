import type { WhitenedLaw } from '../../backend/grams.js';
import type { Pacer } from '../../cooperate.js';
import type { AttentionLayer, BilinearLayer, Layer, LinearLayer } from '../../model/model.js';
import { timesPower } from '../../tensor/power.js';
import type { Tensor } from '../../tensor/tensor.js';
import { diagonal, shifted, TO_ZERO } from './rows.js';
import type { LayerLevels } from './stream.js';

/*
 * Layers in other units: with x_i = 2^from_i x̂_i before a layer and 2^to_i x̂_i behind it, the same function of x̂. What lies inside of a
 * layer gets units of its own, so that every number in it is near 1. All factors are powers of two: no digit of a weight changes.
 */

/** The power of two that a level is divided by: none while it is near 0, so that most networks stay as they are. */
export type Choose = (level: number) => number;

/** Exponents of the features before and behind a layer; where it has a residual they are the same. */
export interface Units {
  readonly from: Int32Array;
  readonly to: Int32Array;
}

/** x = μ + C z in units `to`; without a factor these must be all the same. */
export async function rescaleLaw(law: WhitenedLaw, to: Int32Array, pacer: Pacer): Promise<WhitenedLaw> {
  if (to.every((exponent) => exponent === 0)) return law;
  const { mean, factor, sigma } = law;
  const scaledMean = mean && { mean: mean.map((value, i) => timesPower(value, -to[i])) };
  if (factor === undefined) return { ...scaledMean, sigma: timesPower(sigma, -to[0]) };
  const { data } = await shifted({ data: factor.data, shape: [to.length, factor.columns] }, to, null, pacer);
  return { ...scaledMean, sigma, factor: { data: data as Float64Array, columns: factor.columns } };
}

export function rescaleLayer(
  layer: Layer,
  levels: LayerLevels,
  units: Units,
  choose: Choose,
  pacer: Pacer,
): Promise<Layer> {
  switch (layer.type) {
    case 'linear':
      return rescaleLinear(layer, units, pacer);
    case 'bilinear':
      return rescaleBilinear(layer, levels, units, choose, pacer);
    case 'attention':
      return rescaleAttention(layer, levels, units, choose, pacer);
  }
}

async function rescaleLinear(layer: LinearLayer, { from, to }: Units, pacer: Pacer): Promise<Layer> {
  const { type, weight, bias } = layer;
  return {
    type,
    weight: await shifted(weight, to, from, pacer),
    ...(bias && { bias: await shifted(bias, to, null, pacer) }),
  };
}

async function rescaleBilinear(
  layer: BilinearLayer,
  { inner: { u, v } }: LayerLevels,
  { from, to }: Units,
  choose: Choose,
  pacer: Pacer,
): Promise<Layer> {
  const { leftBias, rightBias, downBias } = layer;
  if (layer.down === undefined && isEven(to) && areNear(u) && areNear(v)) {
    return rescaleProducts(layer, shared(u, choose), shared(v, choose), { from, to }, pacer);
  }
  const [left, right] = [exponents(u, choose), exponents(v, choose)];
  const { factor, rest } = split(layer.beta, choose);
  const units = left.map((exponent, h) => (isZero(u[h] + v[h]) ? TO_ZERO : exponent + right[h] + factor));
  return {
    ...layer,
    beta: rest,
    left: await shifted(layer.left, left, from, pacer),
    right: await shifted(layer.right, right, from, pacer),
    ...(leftBias && { leftBias: await shifted(leftBias, left, null, pacer) }),
    ...(rightBias && { rightBias: await shifted(rightBias, right, null, pacer) }),
    down: await shifted(layer.down ?? diagonal(units.map(() => 1)), to, units, pacer),
    ...(downBias && { downBias: await shifted(downBias, less(to, factor), null, pacer) }),
  };
}

/** A block without D, whose products are the outputs: one unit for all, which β takes up. */
async function rescaleProducts(
  layer: BilinearLayer,
  left: Int32Array,
  right: Int32Array,
  { from, to }: Units,
  pacer: Pacer,
): Promise<Layer> {
  const { leftBias, rightBias, downBias } = layer;
  const products = left.map((exponent, h) => exponent + right[h]);
  return {
    ...layer,
    beta: timesPower(layer.beta, products[0] - to[0]),
    left: await shifted(layer.left, left, from, pacer),
    right: await shifted(layer.right, right, from, pacer),
    ...(leftBias && { leftBias: await shifted(leftBias, left, null, pacer) }),
    ...(rightBias && { rightBias: await shifted(rightBias, right, null, pacer) }),
    ...(downBias && { downBias: await shifted(downBias, products, null, pacer) }),
  };
}

async function rescaleAttention(
  layer: AttentionLayer,
  { inner: { q1, k1, q2, k2, v } }: LayerLevels,
  { from, to }: Units,
  choose: Choose,
  pacer: Pacer,
): Promise<Layer> {
  const { heads, rotaryBase, oBias } = layer;
  const first = scoreUnits(q1, k1, heads, rotaryBase !== null, choose);
  const second = scoreUnits(q2, k2, heads, rotaryBase !== null, choose);
  const values = exponents(v, choose);
  const { factor, rest } = split(layer.beta, choose);
  const size = v.length / heads;
  const mixed = values.map((exponent, row) => {
    const head = Math.floor(row / size);
    if (isZero(v[row] + first.levels[head] + second.levels[head])) return TO_ZERO;
    return exponent + first.score[head] + second.score[head] + factor;
  });
  const rows = { q1: first.q, k1: first.k, q2: second.q, k2: second.k, v: values };
  const parts: Record<string, Tensor> = {};
  for (const [name, row] of Object.entries(rows)) {
    const bias = layer[`${name}Bias` as 'q1Bias'];
    parts[name] = await shifted(layer[name as 'q1'], row, from, pacer);
    if (bias) parts[`${name}Bias`] = await shifted(bias, row, null, pacer);
  }
  return {
    ...layer,
    ...parts,
    beta: rest,
    o: await shifted(layer.o, to, mixed, pacer),
    ...(oBias && { oBias: await shifted(oBias, less(to, factor), null, pacer) }),
  };
}

/**
 * Units of the rows of q and k, whose products are in those of the head's score. Rotations turn a plane at a time, whose two rows therefore
 * share theirs.
 */
function scoreUnits(q: Float64Array, k: Float64Array, heads: number, rotary: boolean, choose: Choose) {
  const size = q.length / heads;
  const [rowsOfQ, rowsOfK] = [new Int32Array(q.length), new Int32Array(q.length)];
  const score = new Int32Array(heads);
  const levels = new Float64Array(heads);
  const planes = rotary ? size / 2 : size;
  for (let head = 0; head < heads; head++) {
    const start = head * size;
    const rows = (plane: number) => (rotary ? [start + plane, start + plane + planes] : [start + plane]);
    const level = (of: Float64Array, plane: number) => Math.max(...rows(plane).map((row) => of[row]));
    const all = Array.from({ length: planes }, (_, plane) => [level(q, plane), level(k, plane)] as const);
    const alive = all.filter(([one, other]) => !isZero(one + other)).map(([one, other]) => choose(one) + choose(other));
    const most = alive.length === 0 ? 0 : Math.max(...alive);
    score[head] = most;
    levels[head] = alive.length === 0 ? Number.NEGATIVE_INFINITY : 0;
    for (const [plane, [one, other]] of all.entries()) {
      const none = isZero(one + other);
      for (const row of rows(plane)) {
        rowsOfQ[row] = none ? TO_ZERO : choose(one);
        rowsOfK[row] = none ? TO_ZERO : most - choose(one);
      }
    }
  }
  return { q: rowsOfQ, k: rowsOfK, score, levels };
}

const isZero = (level: number) => level === Number.NEGATIVE_INFINITY;

/** How far apart, in bits, levels may be that share a unit. */
const NEAR = 16;

/** Whether all that are not zero can have one unit. */
export function areNear(levels: Float64Array): boolean {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const level of levels) {
    if (level === Number.NEGATIVE_INFINITY) continue;
    least = Math.min(least, level);
    most = Math.max(most, level);
  }
  return !(most - least > NEAR);
}

/** The exponent that the largest needs, for all. */
export function shared(levels: Float64Array, choose: Choose): Int32Array {
  const most = levels.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  return new Int32Array(levels.length).fill(choose(most));
}

const isEven = (exponents: Int32Array) => exponents.every((exponent) => exponent === exponents[0]);
const exponents = (levels: Float64Array, choose: Choose) => Int32Array.from(levels, choose);
const less = (exponent: Int32Array, factor: number) => exponent.map((value) => value - factor);

/** β = rest · 2^factor. */
function split(beta: number, choose: Choose): { factor: number; rest: number } {
  const factor = choose(Math.log2(Math.abs(beta)));
  return { factor, rest: timesPower(beta, -factor) };
}
