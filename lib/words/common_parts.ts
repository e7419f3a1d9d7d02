import { smallest } from '../extremes.js';

/** A text, or its characters. */
type Characters = ArrayLike<string>;

/**
 * How many characters texts have in common at their beginning and, beyond that, at their end. Numbers are not cut in
 * two: what is in common ends before the digits of one. Of a single text, nothing.
 */
export function commonParts(texts: readonly Characters[]): { readonly head: number; readonly tail: number } {
  const [first, ...others] = texts;
  if (first === undefined || others.length === 0) return { head: 0, tail: 0 };
  let [head, tail] = [first.length, first.length];
  for (const text of others) {
    head = Math.min(
      head,
      commonLength(first, text, (one, i) => one[i]),
    );
    tail = Math.min(
      tail,
      commonLength(first, text, (one, i) => one[one.length - 1 - i]),
    );
  }
  while (head > 0 && isDigit(first[head - 1])) head--;
  while (tail > 0 && isDigit(first[first.length - tail])) tail--;
  const shortest = smallest(texts.map(({ length }) => length));
  return { head, tail: Math.min(tail, shortest - head) };
}

function commonLength(a: Characters, b: Characters, at: (text: Characters, i: number) => string | undefined): number {
  const limit = Math.min(a.length, b.length);
  let i = 0;
  while (i < limit && at(a, i) === at(b, i)) i++;
  return i;
}

function isDigit(character: string | undefined): boolean {
  return character !== undefined && character >= '0' && character <= '9';
}
