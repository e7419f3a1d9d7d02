import { Pacer } from '../../cooperate.js';
import type { ResolvedSettings } from '../terms/options.js';
import type { Behaviour, BehaviourMatrix } from '../terms/types.js';
import { agreement, choices } from './agreement.js';
import type { Behaviours, Outputs } from './behavioural.js';
import { linearCka } from './cka.js';

/** What is measured on given inputs beside the cosine, for two models. */
export async function pairBehaviour(behaviours: Behaviours, settings: ResolvedSettings): Promise<Behaviour> {
  const last = behaviours.outputs.length - 1;
  const { inputs, agreement, cka } = await matrixBehaviour(behaviours, Int32Array.of(0, last), null, settings);
  const number = (value: number) => (Number.isNaN(value) ? null : value);
  return { inputs, agreement: number(agreement[0][1]), cka: number(cka[0][1]) };
}

/**
 * The same for every pair; symmetric to the bit.
 * @param numbers which of the outputs stand at every place of the matrix.
 * @param window how far from the diagonal pairs are compared; null: all. NaN beyond.
 */
export async function matrixBehaviour(
  { outputs }: Behaviours,
  numbers: Int32Array,
  window: number | null,
  settings: ResolvedSettings,
): Promise<BehaviourMatrix> {
  const pacer = new Pacer(settings.signal);
  const all = Array.from(numbers, (number) => outputs[number]);
  const chosen = new Map<Outputs, Int32Array>(all.map((outputs) => [outputs, new Int32Array()]));
  for (const outputs of chosen.keys()) chosen.set(outputs, await choices(outputs, pacer));
  const ckaOf = await linearCka(all, settings);
  const empty = () => all.map(() => new Float64Array(all.length).fill(Number.NaN));
  const [agreements, ckas] = [empty(), empty()];
  const set = (matrix: Float64Array[], i: number, j: number, value: number) => {
    matrix[i][j] = value;
    matrix[j][i] = value;
  };
  // A single output is always the largest: that two models agree on it says nothing.
  const comparable = all[0].outputs > 1;
  for (let i = 0; i < all.length; i++) {
    for (let j = i; j < all.length && j - i <= (window ?? j); j++) {
      const same = comparable ? await agreement(chosen.get(all[i])!, chosen.get(all[j])!, pacer) : Number.NaN;
      set(agreements, i, j, same);
      set(ckas, i, j, await ckaOf(i, j));
    }
  }
  return { inputs: all[0].inputs, agreement: agreements, cka: ckas };
}
