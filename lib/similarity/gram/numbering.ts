import type { Member } from '../members/members.js';
import { distinct, inOrder, type Ranked } from './distinct.js';
import { ranks } from './orientation.js';
import { allPairs, bandPairs, crossPairs, type PairSet } from './pairs.js';

/** Models numbered by their first appearance, with the place of each in the order of what they hold. */
export async function ranked(given: readonly Member[]): Promise<Ranked> {
  const found = await distinct(given);
  return { ...found, listed: found.members, rank: await ranks(found.members) };
}

/** Models numbered so that jobs cut well, and the pairs that are wanted of them. */
export interface Numbered {
  readonly models: Ranked;
  readonly pairs: PairSet;
}

/** Every model with every other, or with those at most `window` places away. */
export function squareOrder(found: Ranked, window: number | null): Numbered {
  // In a band the order of the series keeps neighbours together.
  const models = window === null ? inOrder(found) : found;
  const count = models.members.length;
  return { models, pairs: window === null ? allPairs(count) : bandPairs(count, models.numbers, window) };
}

/** Rows with columns, of which the rows were listed first. */
export function crossOrder(found: Ranked, rows: number): Numbered {
  const isRow = new Set(found.numbers.subarray(0, rows));
  const isColumn = new Set(found.numbers.subarray(rows));
  const group = (number: number) => (isColumn.has(number) ? (isRow.has(number) ? 1 : 2) : 0);
  const models = inOrder(found, group);
  const groups = [...found.members.keys()].map(group);
  const [onlyRows, inRows] = [groups.filter((g) => g === 0).length, groups.filter((g) => g < 2).length];
  return { models, pairs: crossPairs(onlyRows, inRows, groups.length) };
}
