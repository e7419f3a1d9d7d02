import type { Pacer } from '../../../cooperate.js';
import { largest } from '../../../extremes.js';
import type { AttentionLayer, Layer } from '../../../model/model.js';
import { addLevels, levelOf } from '../../../tensor/power.js';
import type { Tensor } from '../../../tensor/tensor.js';
import { featuresOf, rowLevels, shifted, TO_ZERO } from '../rows.js';
import { type Choose, exponentsOf, isZero, less, split, type Units } from '../units.js';
import type { LayerLevels, LayerScale } from './kind.js';
import { withResidual } from './residual.js';

export const attention: LayerScale = {
  levels: attentionLevels,
  rescale: rescaleAttention,
  units: ({ alpha }: AttentionLayer) => ({ carried: alpha !== 0, even: false, fixed: false }),
};

async function attentionLevels(
  layer: AttentionLayer,
  input: Float64Array,
  positions: number,
  pacer: Pacer,
): Promise<LayerLevels> {
  const { heads } = layer;
  const features = featuresOf(input);
  const q1 = await rowLevels(layer.q1, layer.q1Bias, features, pacer);
  const k1 = await rowLevels(layer.k1, layer.k1Bias, features, pacer);
  const q2 = await rowLevels(layer.q2, layer.q2Bias, features, pacer);
  const k2 = await rowLevels(layer.k2, layer.k2Bias, features, pacer);
  const v = await rowLevels(layer.v, layer.vBias, features, pacer);
  const size = v.length / heads;
  const over = levelOf(positions) - 2 * Math.log2(size);
  const mixed = v.map((level, row) => {
    const head = row - (row % size);
    return over + level + scoreLevel(q1, k1, head, size) + scoreLevel(q2, k2, head, size);
  });
  const block = await rowLevels(layer.o, layer.oBias, featuresOf(mixed), pacer);
  return { inner: { q1, k1, q2, k2, v }, out: withResidual(block, input, layer) };
}

/** The level of Σ_i q_i k_i over a head. */
function scoreLevel(q: Float64Array, k: Float64Array, first: number, size: number): number {
  let level = Number.NEGATIVE_INFINITY;
  for (let row = first; row < first + size; row++) level = addLevels(level, q[row] + k[row]);
  return level;
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
  const values = exponentsOf(v, choose);
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
 * Units of the rows of q and k, whose products are in those of the head's score. Rotations turn a plane at a time,
 * whose two rows therefore share theirs.
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
    const level = (of: Float64Array, plane: number) => largest(rows(plane).map((row) => of[row]));
    const all = Array.from({ length: planes }, (_, plane) => [level(q, plane), level(k, plane)] as const);
    const alive = all.filter(([one, other]) => !isZero(one + other)).map(([one, other]) => choose(one) + choose(other));
    const most = alive.length === 0 ? 0 : largest(alive);
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
