import type { Pacer } from '../cooperate.js';

/** Elements between two looks at the clock. */
const RUN = 1 << 14;

/** Goes through elements in runs, between which other work gets its turn. */
export async function inRuns(length: number, pacer: Pacer, run: (from: number, to: number) => void): Promise<void> {
  for (let from = 0; from < length; from += RUN) {
    const to = Math.min(length, from + RUN);
    run(from, to);
    if (pacer.due(to - from)) await pacer.pause();
  }
}

/** √Σ v². */
export async function lengthOf(values: Float64Array, pacer: Pacer): Promise<number> {
  let square = 0;
  await inRuns(values.length, pacer, (from, to) => {
    for (let at = from; at < to; at++) square += values[at] ** 2;
  });
  return Math.sqrt(square);
}
