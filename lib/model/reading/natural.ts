import type { Pacer } from '../../cooperate.js';

/** Made when it is first needed: it takes milliseconds. */
let natural: Intl.Collator | undefined;

/** Compares names as people order them: `step_9` before `step_10`. */
export function compareNaturally(a: string, b: string): number {
  natural ??= new Intl.Collator('en', { numeric: true });
  return natural.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0);
}

/** Multiply-adds that take as long as comparing two names. */
const COMPARISON = 1000;
/** Values that are sorted at once. */
const RUN = 64;

/** Sorts values, of which there may be many thousands, without holding the event loop; equal ones keep their order. */
export async function sorted<Value>(
  values: readonly Value[],
  compare: (a: Value, b: Value) => number,
  pacer: Pacer,
): Promise<Value[]> {
  let runs: Value[][] = [];
  for (let from = 0; from < values.length; from += RUN) {
    runs.push(values.slice(from, from + RUN).sort(compare));
    if (pacer.due(RUN * 6 * COMPARISON)) await pacer.pause();
  }
  while (runs.length > 1) {
    const merged: Value[][] = [];
    for (let at = 0; at < runs.length; at += 2)
      merged.push(at + 1 < runs.length ? await merge(runs[at], runs[at + 1], compare, pacer) : runs[at]);
    runs = merged;
  }
  return runs[0] ?? [];
}

async function merge<Value>(
  first: readonly Value[],
  second: readonly Value[],
  compare: (a: Value, b: Value) => number,
  pacer: Pacer,
): Promise<Value[]> {
  const merged: Value[] = [];
  let [i, j] = [0, 0];
  while (i < first.length && j < second.length) {
    merged.push(compare(first[i], second[j]) <= 0 ? first[i++] : second[j++]);
    if (pacer.due(COMPARISON)) await pacer.pause();
  }
  return [...merged, ...first.slice(i), ...second.slice(j)];
}
