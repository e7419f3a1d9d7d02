import { quote } from '../../words/quoting.js';
import { LISTING_LIMITS } from '../entry.js';
import { meaningOf } from './globals.js';
import { arrayOf, bytesOf, scalarOf, setArrayState, setTypeState, typeOf } from './numpy.js';
import {
  Dict,
  Global,
  isTensor,
  List,
  Made,
  NumpyArray,
  NumpyType,
  PickledTensor,
  Sequence,
  Storage,
  Text,
  Unread,
  type Value,
} from './values.js';

/** Makes the error for a pickle that does what none may do. */
export type Fail = (problem: string) => Error;

/**
 * What stands for the result of calling something with arguments. Nothing is called: the few names that a state dict
 * needs are described here, and what all others make is opaque.
 */
export function call(callable: Value, args: Value, fail: Fail): Value {
  if (!(args instanceof Sequence)) throw fail('calls what is no function');
  if (callable instanceof Made) return made(callable.by, args.items);
  if (!(callable instanceof Global)) throw fail('calls what is no function');
  const { meaning, name } = callable;
  const { items } = args;
  switch (meaning?.kind) {
    case 'dict':
      return dictOf(name, items);
    case 'set':
      return items[0] instanceof List || items[0] instanceof Sequence ? items[0] : new List();
    case 'tensor':
      return tensorOf(items, meaning.typed);
    case 'unread':
      return new Unread(`makes it by ${quote(name)}, which is not read`, meaning.instead);
    case 'first':
      return items.length === 0 ? made(name, items) : items[0];
    case 'subclass':
      return items[0] instanceof Global && items[0].meaning?.kind !== 'subclass' && items[2] instanceof Sequence
        ? call(items[0], items[2], fail)
        : made(name, items);
    case 'instance':
      return items[0] instanceof Global && items[0].meaning?.kind !== 'instance'
        ? call(items[0], new Sequence(items.slice(1)), fail)
        : made(name, items);
    case 'derived':
      return derived(name, items);
    case 'bytes':
      return bytesOf(items) ?? made(name, items);
    case 'array':
      return new NumpyArray();
    case 'buffered':
      return arrayOf(items);
    case 'numpyType':
      return typeOf(items) ?? made(name, items);
    case 'numpyScalar':
      return scalarOf(items) ?? made(name, items);
    default:
      return made(name, items);
  }
}

/** What a function or class without a meaning makes of arguments, if any are known. */
export function made(by: string, args: readonly Value[]): Made {
  const result = new Made(by);
  result.holdsTensors = args.some(mayBeTensor);
  return result;
}

/** Whether what was made of it may be a tensor, as far as can be seen without looking deeper. */
export function mayBeTensor(value: Value): boolean {
  return isTensor(value) || (value instanceof Made && value.holdsTensors);
}

/** Puts a value under a key. */
export function setItem(dict: Dict, key: Value, value: Value): void {
  const name = key instanceof Text ? key.value : typeof key === 'number' ? key : undefined;
  if (name !== undefined) {
    dict.entries ??= new Map();
    dict.entries.set(name, value);
  } else if (isTensor(value)) dict.hasNamelessTensors = true;
}

/**
 * The storage of a persistent id: ('storage', type, key, location, number of elements). Where it was, a GPU say, does
 * not matter. Before version 1.6 a view of a storage could follow, and ('module', class, file, source) stood for a class
 * whose source was saved with it.
 */
export function storageOf(id: Value): Value {
  const items = id instanceof Sequence ? id.items : [];
  const [tag, type, key, , elements, view] = items;
  if (tag instanceof Text && tag.value === 'module' && type instanceof Global) return type;
  if (tag instanceof Text && tag.value === 'storage' && type instanceof Global && key instanceof Text)
    return type.meaning?.kind === 'storage' && isCount(elements) && (view ?? null) === null
      ? new Storage(key, type.meaning.dtype, elements)
      : new Made(type.name);
  return new Made('a persistent id');
}

function dictOf(name: string, items: readonly Value[]): Dict {
  const dict = new Dict();
  for (const pair of pairsIn(items)) {
    if (!(pair instanceof Sequence) || pair.items.length !== 2) return made(name, items);
    setItem(dict, pair.items[0], pair.items[1]);
  }
  return dict;
}

/** The pairs among the arguments of a dictionary. */
export function pairsIn(items: readonly Value[]): readonly Value[] {
  const pairs = items.find((item) => item instanceof List || item instanceof Sequence);
  return pairs instanceof List ? [...pairs.kept.values()] : pairs instanceof Sequence ? pairs.items : [];
}

/** Arguments: a class, what it is derived from, and a value of that, from which the instance is made. */
function derived(name: string, items: readonly Value[]): Made {
  const [type, , content] = items;
  const result = made(type instanceof Global ? type.name : name, items);
  if (content instanceof Dict) {
    result.entries = content.entries;
    result.hasNamelessTensors = content.hasNamelessTensors;
  }
  return result;
}

/** Arguments: storage, offset, shape, strides, requires_grad, hooks, the element type if `typed`, and perhaps flags. */
function tensorOf(items: readonly Value[], typed: boolean): PickledTensor | Unread {
  const [storage, offset, shape, strides] = items;
  const type = typed ? items[6] : undefined;
  const flags = items[typed ? 7 : 6];
  if (storage instanceof Made) return new Unread(`keeps it in a storage of ${quote(storage.by)}, which is not read`);
  if (!(storage instanceof Storage) || !isCount(offset)) return new Unread('makes a tensor of what is no storage');
  const extents = counts(shape);
  const steps = counts(strides);
  if (extents === undefined || steps === undefined)
    return new Unread(`has a tensor whose shape or strides are not up to ${LISTING_LIMITS.rank} whole numbers`);
  if (extents.length !== steps.length)
    return new Unread(`gives a tensor ${extents.length} axes and ${steps.length} strides`);
  const dtype = type instanceof Global && type.meaning?.kind === 'dtype' ? type.meaning.dtype : storage.dtype;
  if (type instanceof Global && type.meaning?.kind !== 'dtype')
    return new Unread(`makes a tensor of elements of type ${quote(type.name)}, which is not read`);
  if (dtype === null || (typed && type === undefined))
    return new Unread('makes a tensor of bytes without an element type');
  if (flags instanceof Dict && [...(flags.entries?.values() ?? [])].includes(true))
    return new Unread(
      'has a tensor that is to be negated or conjugated when it is read',
      'Save tensor.resolve_neg().resolve_conj() in its place',
    );
  return new PickledTensor(storage, dtype, offset, extents, steps);
}

function counts(value: Value | undefined): readonly number[] | undefined {
  if (value instanceof Sequence && value.items.length <= LISTING_LIMITS.rank && value.items.every(isCount))
    return value.items;
  return undefined;
}

export function isCount(value: Value | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** Gives something the state that it had: attributes, or the content of an array. What has a meaning of its own needs none. */
export function setState(value: Value, state: Value): void {
  if (value instanceof NumpyArray) setArrayState(value, state);
  else if (value instanceof NumpyType) setTypeState(value, state);
  else if (value instanceof Made) {
    value.state = state;
    value.holdsTensors ||= state instanceof Sequence && state.items.some(mayBeTensor);
  }
}

/** What a pickle means by a name of a module. */
export function globalOf(module: string, name: string): Global {
  const full = `${module}.${name}`;
  return new Global(full, meaningOf(full));
}
