import type { Pacer } from '../../cooperate.js';
import { alibiSlopes, frequenciesOf, headSizes, kvHeadsOf } from '../../layers/softmax_attention.js';
import type { SoftmaxAttentionLayer } from '../../model/model.js';
import type { Tensor } from '../../tensor/tensor.js';
import { normalise } from './norm.js';
import { rotate, rotations, rotationsOf } from './rotary.js';
import type { Rows } from './rows.js';

/** Queries, keys and values as projected: (positions of all inputs, heads · features). */
export interface SoftmaxProjections {
  readonly q: Rows;
  readonly k: Rows;
  readonly v: Rows;
}

/** concat_heads Σ_t softmax_t(scores) v_t for every position s of every input; formula in `SoftmaxAttentionLayer`. */
export async function attendSoftly(
  layer: SoftmaxAttentionLayer,
  { q: projected, k: keys, v }: SoftmaxProjections,
  positions: number,
  pacer: Pacer,
): Promise<Rows> {
  const { heads, mask, window, softcap, alibi } = layer;
  const { size, valueSize } = headSizes(layer);
  const [q, k] = [normed(layer, projected, layer.qNorm), normed(layer, keys, layer.kNorm)];
  turn(layer, [q, k], positions, size);
  const scale = layer.scale ?? 1 / Math.sqrt(size);
  const slopes = alibi === null ? null : alibiSlopes(heads, alibi);
  const sharing = heads / kvHeadsOf(layer);
  const reach = window ?? positions;
  const width = heads * valueSize;
  const joined = new Float64Array(q.count * width);
  const weights = new Float64Array(positions);
  for (let row = 0; row < q.count; row++) {
    const s = row % positions;
    const begin = Math.max(0, s - reach + 1);
    const end = mask === 'causal' ? s + 1 : Math.min(positions, s + reach);
    for (let head = 0; head < heads; head++) {
      const shared = Math.floor(head / sharing);
      let most = Number.NEGATIVE_INFINITY;
      for (let t = begin; t < end; t++) {
        let score = 0;
        const [query, key] = [row * q.width + head * size, (row - s + t) * k.width + shared * size];
        for (let i = 0; i < size; i++) score += q.data[query + i] * k.data[key + i];
        score *= scale;
        if (softcap !== null) score = softcap * Math.tanh(score / softcap);
        if (slopes !== null) score -= slopes[head] * Math.abs(s - t);
        weights[t] = score;
        most = Math.max(most, score);
      }
      let sum = 0;
      for (let t = begin; t < end; t++) {
        weights[t] = Math.exp(weights[t] - most);
        sum += weights[t];
      }
      const to = row * width + head * valueSize;
      for (let t = begin; t < end; t++) {
        const weight = weights[t] / sum;
        const from = (row - s + t) * v.width + shared * valueSize;
        for (let i = 0; i < valueSize; i++) joined[to + i] += weight * v.data[from + i];
      }
    }
    if (pacer.due(heads * (size + valueSize) * (end - begin))) await pacer.pause();
  }
  return { data: joined, count: q.count, width };
}

/** RMS norms of every head, or of all heads as one, as the length of the weight says. */
function normed(
  { normEpsilon: epsilon, normOffset: offset }: SoftmaxAttentionLayer,
  rows: Rows,
  weight?: Tensor,
): Rows {
  if (weight === undefined) return rows;
  const width = weight.shape[0];
  const heads = { data: rows.data, count: rows.data.length / width, width };
  return { ...rows, data: normalise({ weight, epsilon, offset, features: null }, heads, false).data };
}

function turn(layer: SoftmaxAttentionLayer, all: readonly Rows[], positions: number, size: number): void {
  const { rotaryBase, rotaryDimension, rotaryLayout, rotaryScaling } = layer;
  if (rotaryBase === null) return;
  const turning = rotaryDimension ?? size;
  const scaled = frequenciesOf(layer, positions);
  const turns =
    scaled === null
      ? rotations(positions, turning, rotaryBase, rotaryScaling as number)
      : rotationsOf(positions, scaled);
  for (const rows of all)
    rotate(rows, turns, positions, { size, turning, interleaved: rotaryLayout === 'interleaved' });
}
