import { commonParts } from '../../words/common_parts.js';
import { parseDecimal } from '../../words/names.js';
import { STEP_NAMES } from '../../words/steps.js';
import { labelsOf } from '../labels.js';

/** What the order of a series of models rests on. */
export type Order =
  | {
      /** On a number in the metadata of every file. */
      readonly by: 'metadata';
      /** The name that the metadata have for it. */
      readonly key: string;
    }
  | {
      /** On the numbers in their names. */
      readonly by: 'names';
    }
  | {
      /** On nothing: they stand by the alphabet, and what follows what says nothing. */
      readonly by: 'none';
    };

/** How far a training was, as metadata tell it under whatever names: `step`, `global_step`, … */
export type StatedSteps = ReadonlyMap<string, number>;

/** The names that metadata have for it, the most believed first, with their numbers. */
export function statedSteps(metadata: Readonly<Record<string, string>>): StatedSteps {
  const found = new Map<string, number>();
  for (const key of STEP_NAMES) {
    const value = Object.hasOwn(metadata, key) ? parseDecimal(metadata[key]) : undefined;
    if (value !== undefined) found.set(key, value);
  }
  return found;
}

/**
 * The name under which every model states a number, and not all the same: that of a whole training, say. Undefined if
 * there is none.
 */
export function commonKey(all: readonly StatedSteps[]): string | undefined {
  return STEP_NAMES.find((key) => {
    const first = all[0]?.get(key);
    return all.every((steps) => steps.has(key)) && all.some((steps) => steps.get(key) !== first);
  });
}

/** What the order of files that state no common number rests on: their names, if there is a number in what differs. */
export function orderByNames(paths: readonly string[]): Order {
  const labels = labelsOf(paths);
  const { head, tail } = commonParts(labels);
  const numbered = labels.every((label) => /\d/.test(label.slice(head, label.length - tail)));
  return { by: numbered ? 'names' : 'none' };
}
