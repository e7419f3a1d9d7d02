import { count } from './counts.js';
import { quote } from './quoting.js';

const SHOWN = 4;

/** `"a", "b" and 3 more`: names from a file, safe to print and few enough for one line. */
export function quoted(names: readonly string[]): string {
  const shown = names.slice(0, SHOWN).map(quote).join(', ');
  return names.length > SHOWN ? `${shown} and ${count(names.length - SHOWN)} more` : shown;
}

/** `a, b and c`. */
export function listed(words: readonly string[], conjunction: 'and' | 'or'): string {
  const last = words.at(-1) ?? '';
  return words.length < 2 ? last : `${words.slice(0, -1).join(', ')} ${conjunction} ${last}`;
}

/** `a, b and 3 more`: all, or the first of many. */
export function listedFew(words: readonly string[], most: number): string {
  const more = words.length - most;
  return listed(more > 0 ? [...words.slice(0, most), `${more} more`] : words, 'and');
}

const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/**
 * A number as checkpoints write it in their metadata, or undefined for everything else (`nan`, `0x10`, the empty
 * string).
 */
export function parseDecimal(text: string | undefined): number | undefined {
  const value = text !== undefined && DECIMAL.test(text.trim()) ? Number(text) : Number.NaN;
  return Number.isFinite(value) ? value : undefined;
}
