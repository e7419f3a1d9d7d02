import { LISTING_LIMITS } from '../entry.js';
import { ARRAY, Dict, Global, OPAQUE, PickledTensor, Sequence, Storage, type Value } from './values.js';

/** Makes the error for a pickle that does what it may not. */
export type Fail = (problem: string) => Error;

/**
 * What stands for the result of calling a global with arguments. Nothing is called: the few that a state dict needs are
 * described here.
 */
export function call(callable: Value, args: Value | undefined, fail: Fail): Value {
  if (!(callable instanceof Global) || !(args instanceof Sequence)) throw fail('calls what is no function');
  const { meaning, name } = callable;
  const { items } = args;
  switch (meaning.kind) {
    case 'opaque':
      return OPAQUE;
    case 'array':
      return ARRAY;
    case 'first':
      if (items.length === 0) throw fail(`calls ${name} with nothing`);
      return items[0];
    case 'subclass':
      if (!(items[0] instanceof Global) || items[0].meaning.kind === 'subclass')
        throw fail(`calls ${name} with no function`);
      return call(items[0], items[2], fail);
    case 'dict':
      return dictOf(items, fail);
    case 'tensor':
      return tensorOf(items, meaning.typed, fail);
    case 'storage':
    case 'dtype':
      throw fail(`calls ${name}, which is a type`);
  }
}

/** Puts a value under a key. */
export function setItem(dict: Dict, key: Value, value: Value): void {
  if (typeof key === 'string') {
    dict.entries ??= new Map();
    dict.entries.set(key, value);
  } else if (value instanceof PickledTensor) dict.hasNamelessTensors = true;
}

/**
 * The storage of a persistent id: ('storage', type, key, location, number of elements). Where it was, a GPU say, does
 * not matter.
 */
export function storageOf(id: Value, fail: Fail): Storage {
  const items = id instanceof Sequence ? id.items : [];
  const [tag, type, key, , elements] = items;
  if (tag === 'storage' && type instanceof Global && type.meaning.kind === 'storage')
    if (typeof key === 'string' && isCount(elements)) return new Storage(key, type.meaning.dtype, elements);
  throw fail('refers to something outside it that is no storage');
}

function dictOf(items: readonly Value[], fail: Fail): Dict {
  const dict = new Dict();
  const pairs = items.find((item) => item instanceof Sequence);
  for (const pair of pairs?.items ?? []) {
    if (!(pair instanceof Sequence) || pair.items.length !== 2) throw fail('makes a dictionary of what are no pairs');
    setItem(dict, pair.items[0], pair.items[1]);
  }
  return dict;
}

/** Arguments: storage, offset, shape, strides, requires_grad, hooks, the element type if `typed`, and perhaps flags. */
function tensorOf(items: readonly Value[], typed: boolean, fail: Fail): PickledTensor {
  const [storage, offset, shape, strides] = items;
  const type = typed ? items[6] : undefined;
  const flags = items[typed ? 7 : 6];
  if (!(storage instanceof Storage) || !isCount(offset)) throw fail('makes a tensor of what is no storage');
  const extents = counts(shape, fail);
  const steps = counts(strides, fail);
  if (extents.length !== steps.length) throw fail(`gives a tensor ${extents.length} axes and ${steps.length} strides`);
  const dtype = type instanceof Global && type.meaning.kind === 'dtype' ? type.meaning.dtype : storage.dtype;
  if (dtype === null || (typed && type === undefined)) throw fail('makes a tensor of bytes without an element type');
  if (flags instanceof Dict && [...(flags.entries?.values() ?? [])].includes(true))
    throw fail('has a tensor that is to be negated or conjugated when it is read');
  return new PickledTensor(storage, dtype, offset, extents, steps);
}

function counts(value: Value | undefined, fail: Fail): number[] {
  if (value instanceof Sequence && value.items.length <= LISTING_LIMITS.rank && value.items.every(isCount))
    return value.items as number[];
  throw fail(`has a tensor whose shape or strides are not up to ${LISTING_LIMITS.rank} whole numbers`);
}

function isCount(value: Value | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
