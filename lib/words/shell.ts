import { oneLine } from './quoting.js';

/** A word as a shell takes it back: in single quotes where it would read anything into it. What is invisible is shown. */
export function shellWord(text: string): string {
  const word = oneLine(text);
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
