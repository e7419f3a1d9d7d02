import { Pacer } from '../cooperate.js';
import { agreement, choices } from './agreement.js';
import type { Behaviours, Outputs } from './behavioural.js';
import { linearCka } from './cka.js';
import type { ResolvedSettings } from './options.js';
import type { Behaviour, BehaviourMatrix } from './types.js';

/** What is measured on given inputs beside the cosine, for two models. */
export async function pairBehaviour(behaviours: Behaviours, settings: ResolvedSettings): Promise<Behaviour> {
  const { inputs, agreement, cka } = await matrixBehaviour(behaviours, settings);
  const number = (value: number) => (Number.isNaN(value) ? null : value);
  return { inputs, agreement: number(agreement[0][1]), cka: number(cka[0][1]) };
}

/** The same for every pair; symmetric to the bit. */
export async function matrixBehaviour(
  { outputs: all }: Behaviours,
  settings: ResolvedSettings,
): Promise<BehaviourMatrix> {
  const pacer = new Pacer(settings.signal);
  const chosen = new Map<Outputs, Int32Array>(all.map((outputs) => [outputs, new Int32Array()]));
  for (const outputs of chosen.keys()) chosen.set(outputs, await choices(outputs, pacer));
  const ckaOf = await linearCka(all, settings);
  const empty = () => all.map(() => new Float64Array(all.length));
  const [agreements, ckas] = [empty(), empty()];
  const set = (matrix: Float64Array[], i: number, j: number, value: number) => {
    matrix[i][j] = value;
    matrix[j][i] = value;
  };
  // A single output is always the largest: that two models agree on it says nothing.
  const comparable = all[0].outputs > 1;
  for (let i = 0; i < all.length; i++) {
    for (let j = i; j < all.length; j++) {
      const same = comparable ? await agreement(chosen.get(all[i])!, chosen.get(all[j])!, pacer) : Number.NaN;
      set(agreements, i, j, same);
      set(ckas, i, j, await ckaOf(i, j));
    }
  }
  return { inputs: all[0].inputs, agreement: agreements, cka: ckas };
}
