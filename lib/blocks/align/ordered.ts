import type { Pacer } from '../../cooperate.js';
import type { Circuits } from '../parts/circuits.js';
import { rowsInPairs, type WeightTally } from '../weights.js';

/**
 * Adds the weights of two attention layers behind their norms, head by head in the order of those that answer them, rows
 * of queries and keys in one order of planes. The basis inside of a head stays as it is.
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
  const orders = [rowsInPairs(f), rowsInPairs(g)];
  for (const role of ['query', 'key', 'value'] as const)
    for (const [head, answer] of (role === 'query' ? answers : groups).entries()) {
      const [own, other] = [
        await f[role]({ from: head, to: head + 1 }),
        await g[role]({ from: answer, to: answer + 1 }),
      ];
      const isTurned = role !== 'value';
      const rows = (of: 0 | 1, data: Float64Array) => (isTurned ? orders[of](data, data.length / f.width) : data);
      await tally.add(rows(0, own.weight), rows(1, other.weight), pacer);
      if (own.bias !== null && other.bias !== null) await tally.add(rows(0, own.bias), rows(1, other.bias), pacer);
    }
  for (const [head, answer] of answers.entries())
    await tally.add(
      await f.output({ from: head, to: head + 1 }),
      await g.output({ from: answer, to: answer + 1 }),
      pacer,
    );
  // What is added to the sum of all heads belongs to none of them.
  if (f.outputBias !== null && g.outputBias !== null) await tally.add(f.outputBias, g.outputBias, pacer);
}
