import type { Pacer } from '../../cooperate.js';
import type { Circuits } from '../parts/circuits.js';
import { inPlanes, type WeightTally } from '../weights.js';

/**
 * Adds the weights of two attention layers behind their norms, heads in the order of those that answer them, rows of
 * queries and keys in one order of planes. The basis inside of a head stays as it is.
 * @param answers for every head of the first one of the second, of as many and as many groups
 */
export async function addAttention(
  f: Circuits,
  g: Circuits,
  answers: Int32Array,
  tally: WeightTally,
  pacer: Pacer,
): Promise<void> {
  if (f.width !== g.width) return;
  const size = f.heads / f.groups;
  const groups = Array.from({ length: f.groups }, (_, group) => Math.floor(answers[group * size] / size));
  const ordered = (data: Float64Array, order: ArrayLike<number>) => {
    const run = data.length / order.length;
    const result = new Float64Array(data.length);
    for (let to = 0; to < order.length; to++)
      result.set(data.subarray(order[to] * run, (order[to] + 1) * run), to * run);
    return result;
  };
  for (const role of ['query', 'key', 'value', 'output'] as const) {
    const order = role === 'query' || role === 'output' ? answers : groups;
    const rows = (circuits: Circuits, data: Float64Array) =>
      role === 'query' || role === 'key' ? inPlanes(circuits, data, order.length) : data;
    await tally.add(rows(f, f[role].weight), ordered(rows(g, g[role].weight), order), pacer);
    const [own, other] = [f[role].bias, g[role].bias];
    if (own === null || other === null) continue;
    // What is added to the sum of all heads belongs to none of them.
    if (role === 'output') await tally.add(own, other, pacer);
    else await tally.add(rows(f, own), ordered(rows(g, other), order), pacer);
  }
}
