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
  return `${noun === '' ? '' : `${noun} `}${abbreviate(short[from], limit)} → ${abbreviate(short[to], limit)}`;
}

/** On one line and with at most `limit` characters, cut in the middle, where names of one family differ least. */
export function abbreviate(text: string, limit: number): string {
  const characters = [...oneLine(text)];
  if (characters.length <= limit) return characters.join('');
  const tail = Math.floor((limit - 1) / 2);
  return `${characters.slice(0, limit - 1 - tail).join('')}…${characters.slice(characters.length - tail).join('')}`;
}

/** The smallest of 1, 2, 5, 10, 20, 50 … by which `count` labels thin out to at most `room`. */
export function labelStride(count: number, room: number): number {
  for (let power = 1; ; power *= 10) {
    for (const digit of [1, 2, 5]) if (count <= digit * power * Math.max(1, room)) return digit * power;
  }
}
