import { count, plural } from '../../words/counts.js';
import { quote } from '../../words/quoting.js';
import type { MemoryBudget } from '../budget.js';
import type { Fail } from './call.js';
import { isModule } from './module.js';
import { findPlaces, isContainer, isUsual, itemsOf, type Place, pathText } from './places.js';
import { Dict, isTensor, PickledTensor, type Value } from './values.js';

/** The names under which training scripts keep the state dict of the one model that they train. */
export const PLACES = [
  'model_state_dict',
  'state_dict',
  'model',
  'model_state',
  'net',
  'network',
  'module',
  'weights',
  'params',
] as const;

/** Places that an error lists. */
const MOST_LISTED = 12;

/** Where a state dict is. */
export interface Choice {
  readonly path: readonly string[];
  readonly value: Value;
  /** Whether what is nested in it belongs to it, under names with points. */
  readonly nested: boolean;
}

/** Errors for what cannot be chosen. */
export interface Refusals {
  readonly fail: Fail;
  /** For a file in which there is no model at all. */
  readonly none: Fail;
  /** For one in which it is not clear which, or the key leads nowhere; the text ends with the places. */
  readonly several: Fail;
}

/**
 * Where the state dict of a checkpoint is: the only place that could be one. Of several none is taken.
 * @throws Error of `refusals`
 */
export function* chooseStateDict(root: Value, budget: MemoryBudget, refusals: Refusals): Generator<void, Choice> {
  if (isTensor(root)) return { path: [], value: root, nested: false };
  if (!isContainer(root)) throw refusals.none('holds no dictionary, so no state dict');
  const found = (yield* findPlaces(root, budget)).filter(({ path }) => path.length > 0 || root instanceof Dict);
  const likely = rivals(found);
  const tree = wholeTree(likely, root);
  if (tree !== undefined) return tree;
  const pool = different(likely);
  if (pool.length === 0)
    throw root instanceof Dict ? nothing(refusals) : refusals.none('holds no dictionary, so no state dict');
  const [first, ...others] = pool;
  if (others.length === 0) return { path: first.path, value: first.container, nested: false };
  const inner = others.find(({ path }) => first.path.length > 0 && first.path.every((name, i) => path[i] === name));
  throw refusals.several(
    inner === undefined
      ? `holds ${count(pool.length)} sets of tensors, any of which could be the model: ${listing(pool)}`
      : `has tensors in ${quote(inner.path.slice(first.path.length).join('.'))} within its state dict: ${listing(pool)}`,
  );
}

/** The error for a checkpoint in which there are no tensors. */
export function nothing(refusals: Refusals): Error {
  return refusals.none(`has no tensors at the top, and none under ${PLACES.map((name) => `"${name}"`).join(', ')}`);
}

/**
 * What a key leads to: names and numbers with points between. Names may have points themselves; `.` is the checkpoint
 * itself.
 * @throws Error of `refusals`
 */
export function* followKey(
  root: Value,
  key: string,
  budget: MemoryBudget,
  refusals: Refusals,
): Generator<void, Choice> {
  const path = key === '.' ? [] : resolve(root, key.split('.'));
  const value = path?.reduce((at, name) => new Map(itemsOf(at)).get(name) as Value, root);
  if (path === undefined || value === undefined) {
    const places = isContainer(root) ? yield* findPlaces(root, budget) : [];
    throw refusals.several(`has nothing under the key ${quote(key)}. Tensors are at: ${listing(places)}`);
  }
  return { path, value, nested: true };
}

/** Those of the places that could be the model: what is certainly none is passed over if there are others. */
function rivals(places: readonly Place[]): Place[] {
  const weights = places.filter((place) => place.weights);
  const found = weights.length > 0 ? weights : places;
  // Beside a model in its usual place there may be anything at the top, but not a state dict.
  const named = found.some(({ path: [name, ...more] }) => more.length === 0 && isPlace(name));
  const kept = found.filter(({ path, dotted }) => path.length > 0 || !named || dotted);
  const likely = kept.filter((place) => place.likely);
  return likely.length > 0 ? likely : kept;
}

function isPlace(name: string | undefined): boolean {
  return PLACES.some((place) => place === name);
}

/** A model that is there twice, the very same tensors under the same names, is one. */
function different(places: readonly Place[]): Place[] {
  return places.filter(
    (place, i) => !places.slice(0, Math.min(i, MOST_LISTED)).some((earlier) => isSame(earlier, place)),
  );
}

function isSame(a: Place, b: Place): boolean {
  if (a.container === b.container) return true;
  if (a.tensors !== b.tensors || a.elements !== b.elements || isModule(a.container) || isModule(b.container))
    return false;
  const others = new Map(itemsOf(b.container));
  for (const [name, tensor] of itemsOf(a.container)) {
    const other = others.get(name);
    if (!isTensor(tensor) || tensor === other) continue;
    if (!(tensor instanceof PickledTensor && other instanceof PickledTensor) || !isSameView(tensor, other))
      return false;
  }
  return true;
}

function isSameView(a: PickledTensor, b: PickledTensor): boolean {
  const isEqual = (x: readonly number[], y: readonly number[]) =>
    x.length === y.length && x.every((extent, axis) => extent === y[axis]);
  return (
    a.dtype === b.dtype &&
    a.offset === b.offset &&
    isEqual(a.shape, b.shape) &&
    isEqual(a.strides, b.strides) &&
    a.storage.key.value === b.storage.key.value
  );
}

/**
 * Where a model is kept as a tree of dictionaries, as JAX does: all places lie beside each other, none has names with
 * points or one that says that it is a model by itself.
 */
function wholeTree(places: readonly Place[], root: Value): Choice | undefined {
  if (places.length < 2) return undefined;
  const [first, ...others] = places.map(({ path }) => path);
  let common = first.findIndex((name, i) => others.some((path) => path[i] !== name));
  if (common < 0) common = first.length;
  const whole = places.every(
    ({ path, container, dotted }) =>
      path.length > common &&
      container instanceof Dict &&
      !isModule(container) &&
      !dotted &&
      !path.slice(common).some(isUsual),
  );
  if (!whole) return undefined;
  const path = first.slice(0, common);
  const value = path.reduce((at, name) => new Map(itemsOf(at)).get(name) as Value, root);
  return { path, value, nested: true };
}

/** The names that a key is made of, the longest first where there are several ways to part it. */
function resolve(value: Value, words: readonly string[]): readonly string[] | undefined {
  if (words.length === 0) return [];
  if (!isContainer(value)) return undefined;
  const items = new Map(itemsOf(value));
  for (let length = words.length; length > 0; length--) {
    const name = words.slice(0, length).join('.');
    const item = items.get(name);
    const rest = item === undefined ? undefined : resolve(item, words.slice(length));
    if (rest !== undefined) return [name, ...rest];
  }
  return undefined;
}

function listing(places: readonly Place[]): string {
  const shown = places.slice(0, MOST_LISTED).map(({ path, tensors, elements }) => {
    const parts = `${count(tensors)} ${plural(tensors, 'tensor')}, ${count(elements)} ${plural(elements, 'number')}`;
    return `${quote(pathText(path))} (${parts})`;
  });
  if (places.length > MOST_LISTED) shown.push(`${count(places.length - MOST_LISTED)} more`);
  return shown.length === 0 ? 'none' : shown.join(', ');
}
