import type { MemoryBudget } from '../budget.js';
import { type Fail, mayBeTensor, setItem } from './call.js';
import { COST, type Stack } from './stack.js';
import { Dict, List, Made, OPAQUE, Sequence, Text, type Value } from './values.js';

/** How a pickle is read. */
export interface UnpickleOptions {
  /** Is told of every persistent id. */
  readonly note?: ((id: Value) => void) | undefined;
  /** Texts of a list that are kept; default: few. */
  readonly mostTexts?: number | undefined;
}

/** Texts of a list that are kept: names of a few things, and not a vocabulary. */
const MOST_LISTED_TEXTS = 256;
/** Items from which on what a list takes as it grows, the old and the new of it side by side, shows in memory. */
const LARGE = 1 << 16;

/**
 * Puts items into the list on top of the stack. Lists matter only for what is made of others in them: one of a million
 * losses is passed over.
 * @param mostTexts that are kept
 */
export function extend(
  stack: Stack,
  items: readonly Value[],
  budget: MemoryBudget,
  fail: Fail,
  mostTexts = MOST_LISTED_TEXTS,
): true {
  const target = stack.top();
  if (target instanceof Made) target.holdsTensors ||= items.some(mayBeTensor);
  else if (target instanceof List) {
    for (const item of items) {
      const place = target.length++;
      const isKept = item instanceof Text ? target.kept.size < mostTexts : typeof item === 'object';
      if (isKept && item !== null) {
        budget.spend(target.kept.size < LARGE ? COST.kept : 2 * COST.kept);
        target.kept.set(place, item);
      } else stack.discard(item);
    }
  } else if (target instanceof Dict || isPlain(target)) throw fail('appends to what is no list');
  return true;
}

/** Puts keys and values, in turn, into the dictionary on top of the stack. */
export function setItems(stack: Stack, items: readonly Value[], budget: MemoryBudget, fail: Fail): true {
  const target = stack.top();
  if (items.length % 2 !== 0 || target instanceof List || isPlain(target))
    throw fail('sets entries of what is no dictionary');
  // Whatever else it is, what is put into it is of no use here.
  if (!(target instanceof Dict)) return true;
  for (let i = 0; i < items.length; i += 2) {
    const key = items[i];
    budget.spend(COST.entry + (key instanceof Text ? 2 * key.length : 0));
    setItem(target, key, items[i + 1]);
    stack.discard(key);
  }
  return true;
}

/** Numbers, tuples and the like, into which nothing can be put. */
function isPlain(value: Value): boolean {
  return value !== OPAQUE && (value === null || typeof value !== 'object' || value instanceof Sequence);
}
