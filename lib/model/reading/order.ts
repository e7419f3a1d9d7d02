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
    }
  | {
      /** They are a set and no series, in whatever order: what follows what says nothing. */
      readonly by: 'set';
      /** They are of different seeds, differ in several settings at once, or were said to be a set. */
      readonly why: 'seeds' | 'settings' | 'said';
    }
  | {
      /** On what the caller said: they are a series as they stand. */
      readonly by: 'said';
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

/** A number in a name that is no time. */
const SEED = /(?:^|[^a-z])(?:seed|rng|fold|replica|replicate|trial)[\s_=.-]*(\d+)/i;
const NUMBERS = /\d+(?:\.\d+)?/g;

/** Whether all models state a seed, and not all the same. */
export function areOfSeveralSeeds(seeds: readonly (string | undefined)[]): boolean {
  return seeds.every((seed) => seed !== undefined) && new Set(seeds).size > 1;
}

/**
 * Why models with these labels are a set and no series: they differ in a seed, or in several numbers of which one goes
 * back where another goes on, as settings do that are tried with each other. Undefined for what may be a series.
 */
function whySet(labels: readonly string[]): 'seeds' | 'settings' | undefined {
  if (areOfSeveralSeeds(labels.map((label) => SEED.exec(label)?.[1]))) return 'seeds';
  const bare = labels.map((label) => label.replace(NUMBERS, '#'));
  if (labels.length < 2 || bare.some((one) => one !== bare[0])) return undefined;
  const rows = labels.map((label) => (label.match(NUMBERS) ?? []).map(Number));
  const differing = rows[0]
    .map((_, column) => rows.map((row) => row[column]))
    .filter((numbers) => numbers.some((number) => number !== numbers[0]));
  const [first] = differing;
  if (first === undefined) return undefined;
  const byFirst = [...first.keys()].sort((a, b) => first[a] - first[b]);
  // Where the first stands still, the others may go on in whatever order they are written in.
  const goesOn = (numbers: readonly number[]) =>
    byFirst.every((at, i) => {
      const before = byFirst[i - 1];
      return i === 0 || numbers[before] <= numbers[at] || first[before] === first[at];
    });
  return differing.every(goesOn) ? undefined : 'settings';
}

/** What the order of files that state no common number rests on: their names, if there is a number in what differs. */
export function orderByNames(paths: readonly string[]): Order {
  const labels = labelsOf(paths);
  const why = whySet(labels);
  if (why !== undefined) return { by: 'set', why };
  const { head, tail } = commonParts(labels);
  const numbered = labels.every((label) => /\d/.test(label.slice(head, label.length - tail)));
  return { by: numbered ? 'names' : 'none' };
}
