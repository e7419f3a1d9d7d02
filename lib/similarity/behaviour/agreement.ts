import type { Pacer } from '../../cooperate.js';
import type { Outputs } from './behavioural.js';

/** The number of the largest output at every position of every input, the first of equals. */
export async function choices({ values, outputs }: Outputs, pacer: Pacer): Promise<Int32Array> {
  const chosen = new Int32Array(values.length / outputs);
  for (let row = 0, at = 0; row < chosen.length; row++, at += outputs) {
    let best = 0;
    for (let c = 1; c < outputs; c++) if (values[at + c] > values[at + best]) best = c;
    chosen[row] = best;
    if (pacer.due(outputs)) await pacer.pause();
  }
  return chosen;
}

/** The share of places at which both chose the same. */
export async function agreement(a: Int32Array, b: Int32Array, pacer: Pacer): Promise<number> {
  let equal = 0;
  for (let i = 0; i < a.length; i++) {
    if (a[i] === b[i]) equal++;
    if (pacer.due(1)) await pacer.pause();
  }
  return equal / a.length;
}
