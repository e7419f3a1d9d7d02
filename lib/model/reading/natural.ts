import type { Pacer } from '../../cooperate.js';

/** Made when it is first needed: it takes milliseconds. */
let natural: Intl.Collator | undefined;

/** Compares names as people order them: `step_9` before `step_10`. */
export function compareNaturally(a: string, b: string): number {
  return (byNumber(a, b) ?? collated(a, b)) || (a < b ? -1 : a > b ? 1 : 0);
}

function collated(a: string, b: string): number {
  natural ??= new Intl.Collator('en', { numeric: true });
  return natural.compare(a, b);
}

/** What numbers and letters are to all collators. */
const PLAIN = /^[ -~]*$/;
/** Digits of a number that is told exactly. */
const MOST_DIGITS = 15;

/** As `collated` where names differ first in a number, or not at all: those of a series do. Undefined for others. */
function byNumber(a: string, b: string): number | undefined {
  if (!PLAIN.test(a) || !PLAIN.test(b)) return undefined;
  const [parts, others] = [a, b].map((name) => name.split(/(\d+)/));
  for (const [i, part] of parts.entries()) {
    const other = others[i];
    if (part === other) continue;
    const isNumber = i % 2 === 1 && other !== undefined && Math.max(part.length, other.length) <= MOST_DIGITS;
    if (!isNumber) return undefined;
    if (Number(part) !== Number(other)) return Number(part) - Number(other);
  }
  return parts.length === others.length ? 0 : undefined;
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
