import type { SimilarityMatrix } from '../similarity/terms/types.js';
import { count, plural } from '../words/counts.js';
import { listed } from '../words/names.js';
import { oneLine } from '../words/quoting.js';

/** Models that are named of those that hold the same weights; beyond that they are counted. */
const MOST_SAME = 4;

/** Groups of them that are told. */
const MOST_GROUPS = 4;

/** Which models hold the same weights, a clause for each group of them. */
export function sameSentences(same: SimilarityMatrix['work']['same']): string[] {
  const told = same.slice(0, MOST_GROUPS).map((names) => {
    if (names.length <= MOST_SAME) return `${oneLine(listed(names, 'and'))} hold the same weights`;
    const shown = oneLine(names.slice(0, MOST_SAME - 1).join(', '));
    return `${count(names.length)} models hold the same weights: ${shown} … ${oneLine(names.at(-1)!)}`;
  });
  const left = same.length - told.length;
  return left === 0 ? told : [...told, `${count(left)} more ${plural(left, 'group')} of models hold the same weights`];
}
