import type { Random } from '../../support/random.js';
import type { Mutate } from '../engine/target.js';
import { anyNumber, chance, LONGEST, mutateBytes, pick, timesOf } from './bytes.js';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** What a target knows of the values that its fields take. */
export interface Vocabulary {
  /** Words that mean something in texts and as names of fields. */
  readonly words: readonly string[];
  /** Whole values that fit somewhere. */
  readonly values?: (random: Random) => Json;
  /** Whole inputs. */
  readonly whole?: (random: Random) => Json;
}

/** Mutates a tree of JSON, and now and then its text. */
export function jsonMutation(vocabulary: Vocabulary): Mutate {
  return (bytes, random, other) => {
    if (vocabulary.whole !== undefined && chance(random, 0.1)) return textOf(vocabulary.whole(random));
    const tree = chance(random, 0.1) ? undefined : parsed(bytes);
    if (tree === undefined) return mutateBytes(bytes, random, other, vocabulary.words);
    const changed = mutateJson(tree, random, vocabulary, () => parsed(other()) ?? null);
    const text = textOf(changed);
    return chance(random, 0.05) ? mutateBytes(text, random, other, vocabulary.words) : text;
  };
}

/** A tree changed in one place, or in two or three. */
export function mutateJson(tree: Json, random: Random, vocabulary: Vocabulary, other: () => Json = () => null): Json {
  const holder: Json[] = [structuredClone(tree)];
  for (let times = timesOf(random, 3); times > 0; times--) {
    const places = placesIn(holder);
    change(pick(random, places), random, vocabulary, () => {
      const foreign = chance(random, 0.5) ? holder[0] : other();
      return structuredClone(valueAt(pick(random, placesIn([foreign as Json]))));
    });
  }
  return canBeWritten(holder[0]) ? holder[0] : tree;
}

/** Whether a tree is one at all, and neither too large nor too deep to be written: it may hold itself again and again. */
function canBeWritten(tree: Json | undefined): tree is Json {
  try {
    return tree !== undefined && textOf(tree).length <= LONGEST;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** Trees that lack something of this one. */
export function* smallerJson(bytes: Uint8Array): Generator<Uint8Array> {
  const tree = parsed(bytes);
  if (tree === undefined) return;
  for (let place = 1; ; place++) {
    const holder: Json[] = [structuredClone(tree)];
    const found = placesIn(holder)[place];
    if (found === undefined) return;
    if (Array.isArray(found.parent)) found.parent.splice(found.key as number, 1);
    else delete found.parent[found.key];
    yield textOf(holder[0]);
  }
}

export function parsed(bytes: Uint8Array): Json | undefined {
  try {
    return JSON.parse(Buffer.from(bytes).toString()) as Json;
  } catch {
    return undefined;
  }
}

export const textOf = (tree: Json): Buffer => Buffer.from(JSON.stringify(tree));

interface Place {
  readonly parent: Json[] | { [key: string]: Json };
  readonly key: string | number;
}

const valueAt = ({ parent, key }: Place): Json => (parent as { [key: string | number]: Json })[key];

/** Every value of a tree, by where it stands; the first is the whole. At most some thousand. */
function placesIn(holder: Json[]): Place[] {
  const places: Place[] = [{ parent: holder, key: 0 }];
  for (let i = 0; i < places.length && places.length < 2000; i++) {
    const value = valueAt(places[i]);
    if (Array.isArray(value)) places.push(...value.slice(0, 200).map((_, key) => ({ parent: value, key })));
    else if (typeof value === 'object' && value !== null)
      places.push(...Object.keys(value).map((key) => ({ parent: value, key })));
  }
  return places;
}

/** Changes the value at a place. */
function change(place: Place, random: Random, vocabulary: Vocabulary, foreign: () => Json): void {
  const value = valueAt(place);
  const list = Array.isArray(place.parent) ? place.parent : undefined;
  const parent = place.parent as { [key: string | number]: Json };
  const { key } = place;
  switch (random.integer(0, 7)) {
    case 0:
      parent[key] = anyValue(random, vocabulary);
      return;
    case 1:
      if (list !== undefined) list.splice(key as number, 1);
      else delete parent[key];
      return;
    case 2:
      if (list !== undefined) list.splice(key as number, 0, structuredClone(value));
      else parent[pick(random, vocabulary.words)] = structuredClone(value);
      return;
    case 3:
      parent[key] = foreign();
      return;
    case 4:
      parent[key] = chance(random, 0.5) ? [value] : { [pick(random, vocabulary.words)]: value };
      return;
    case 5:
      if (Array.isArray(value)) value.push(anyValue(random, vocabulary));
      else if (typeof value === 'object' && value !== null)
        value[pick(random, vocabulary.words)] = anyValue(random, vocabulary);
      else parent[key] = anyValue(random, vocabulary);
      return;
    default:
      if (typeof value === 'string') parent[key] = changedText(value, random, vocabulary.words);
      else if (typeof value === 'number') parent[key] = changedNumber(value, random);
      else parent[key] = anyValue(random, vocabulary);
  }
}

function changedNumber(value: number, random: Random): number {
  const changed = pick(random, [value + 1, value - 1, -value, value * 2, value / 3, anyNumber(random)]);
  return Number.isFinite(changed) ? changed : 0;
}

function changedText(text: string, random: Random, words: readonly string[]): string {
  const none = () => Buffer.alloc(0);
  return chance(random, 0.3) ? pick(random, words) : mutateBytes(Buffer.from(text), random, none, words).toString();
}

function anyValue(random: Random, { words, values }: Vocabulary): Json {
  if (values !== undefined && chance(random, 0.5)) return values(random);
  switch (random.integer(0, 7)) {
    case 0:
      return null;
    case 1:
      return chance(random, 0.5);
    case 2:
      return anyNumber(random);
    case 3:
      return random.normal();
    case 4:
      return pick(random, words);
    case 5:
      return Array.from({ length: random.integer(0, 4) }, () => anyNumber(random));
    case 6:
      return { [pick(random, words)]: anyNumber(random) };
    default:
      return chance(random, 0.2) ? nested(random.integer(1, 500)) : pick(random, words);
  }
}

function nested(depth: number): Json {
  let value: Json = [];
  for (; depth > 0; depth--) value = [value];
  return value;
}
