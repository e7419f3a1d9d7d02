import { commonParts } from '../words/common_parts.js';
import { oneLine } from '../words/quoting.js';

/** Labels as a reader wants them: `step_00000 … step_08000` are all a "step", with the numbers 0 … 8000. */
export interface ShortLabels {
  /** What the labels have in common, without separators; empty if they are not numbered names. */
  readonly noun: string;
  /** One per label: its number, or the label itself. */
  readonly short: readonly string[];
  /** Whether `short` are numbers. */
  readonly numbered: boolean;
}

/**
 * Splits labels that differ in one number only into the common name and the numbers. Other labels stay as they are, on
 * one line.
 */
export function shortenLabels(labels: readonly string[]): ShortLabels {
  const asTheyAre = { noun: '', short: labels.map(oneLine), numbered: false };
  const first = labels[0];
  if (first === undefined || labels.length < 2) return asTheyAre;
  const { head, tail } = commonParts(labels);
  const numbers = labels.map((label) => label.slice(head, label.length - tail));
  if (!numbers.every((number) => /^\d{1,15}$/.test(number))) return asTheyAre;
  return {
    noun: oneLine(first.slice(0, head).replace(/[\s_.\-:=]+$/, '')),
    short: numbers.map((n) => `${Number(n)}`),
    numbered: true,
  };
}

/** "step 6000 → 6200", or "alpha → beta", each label within `limit` characters. */
export function stepName(
  { noun, short }: ShortLabels,
  from: number,
  to: number,
  limit = Number.POSITIVE_INFINITY,
): string {
  const [before, after] = abbreviateAll([short[from], short[to]], limit);
  return `${noun === '' ? '' : `${noun} `}${before} → ${after}`;
}

/** On one line and with at most `limit` characters, cut in the middle, where names of one family differ least. */
export function abbreviate(text: string, limit: number): string {
  const characters = [...oneLine(text)];
  if (characters.length <= limit) return characters.join('');
  const tail = Math.floor((limit - 1) / 2);
  return `${characters.slice(0, limit - 1 - tail).join('')}…${characters.slice(characters.length - tail).join('')}`;
}

/**
 * Labels of at most `limit` characters each that are told apart as the whole labels are: where cutting them in the
 * middle would make two alike, what they have in common is cut instead.
 */
export function abbreviateAll(labels: readonly string[], limit: number): string[] {
  const plain = labels.map((label) => abbreviate(label, limit));
  if (alike(labels, plain).length === 0) return plain;
  let short = differing(labels, limit);
  // Some of them may have more in common than all.
  for (const group of alike(labels, short)) {
    const own = differing(
      group.map((i) => labels[i]),
      limit,
    );
    short = short.map((label, i) => (group.includes(i) ? own[group.indexOf(i)] : label));
  }
  for (const group of alike(labels, short)) {
    const numbers = new Map([...new Set(group.map((i) => labels[i]))].map((label, i) => [label, `#${i + 1}`]));
    for (const i of group) {
      const number = numbers.get(labels[i])!;
      short[i] = abbreviate(short[i], Math.max(1, limit - number.length)) + number;
    }
  }
  return short;
}

/** The places of different labels that are short for the same, group by group. */
function alike(labels: readonly string[], short: readonly string[]): number[][] {
  const places = new Map<string, number[]>();
  for (const [i, text] of short.entries()) places.set(text, [...(places.get(text) ?? []), i]);
  return [...places.values()].filter((group) => group.some((i) => labels[i] !== labels[group[0]]));
}

/** Of each label what the others do not have, with as much around it as there is room for. */
function differing(labels: readonly string[], limit: number): string[] {
  const all = labels.map((label) => [...label]);
  const { head, tail } = commonParts(all);
  return all.map((characters) => {
    const size = characters.length;
    if (size <= limit) return characters.join('');
    const own = size - tail - head;
    if (head + own < limit) return `${characters.slice(0, limit - 1).join('')}…`;
    if (own + tail < limit) return `…${characters.slice(size - limit + 1).join('')}`;
    if (own > limit - 2) return abbreviate(`…${characters.slice(head, size - tail).join('')}`, limit);
    const from = head - Math.floor((limit - 2 - own) / 2);
    return `…${characters.slice(from, from + limit - 2).join('')}…`;
  });
}

/** The smallest of 1, 2, 5, 10, 20, 50 … by which `count` labels thin out to at most `room`. */
export function labelStride(count: number, room: number): number {
  for (let power = 1; ; power *= 10) {
    for (const digit of [1, 2, 5]) if (count <= digit * power * Math.max(1, room)) return digit * power;
  }
}

/** The numbers of those of `count` labels that there is room for. */
export function thinned(count: number, room: number): number[] {
  const stride = labelStride(count, Math.floor(room));
  return Array.from({ length: Math.ceil(count / stride) }, (_, i) => i * stride);
}
