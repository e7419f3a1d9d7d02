import { WRAPPERS } from '../../model/reading/naming.js';

/* Names of one network in two files, or in an adapter and a network: which are the same. */

/** What PEFT calls the module that it has put factors beside. */
const ADAPTED = 'base_layer';

const partsOf = (name: string): string[] => name.split('.').filter((part) => part !== ADAPTED && !WRAPPERS.has(part));
const WHOLE_NUMBER = /^\d+$/;

/**
 * Finds the counterpart of each name, one for one. In this order: the same name; the same with more before it, on either
 * side (`module.`, `base_model.model.`, `transformer.`); the same from a numbered layer on, whatever stands before it.
 */
export function matchNames(names: Iterable<string>, others: Iterable<string>): Map<string, string> {
  const found = new Map<string, string>();
  const left = new Map([...names].map((name) => [name, partsOf(name)]));
  const free = new Map([...others].map((name) => [name, partsOf(name)]));
  for (const key of [whole, shorter, longer, fromLayer]) {
    if (left.size === 0) break;
    for (const [name, other] of key(left, free)) {
      if (!left.has(name) || !free.has(other)) continue;
      found.set(name, other);
      left.delete(name);
      free.delete(other);
    }
  }
  return found;
}

type Parts = ReadonlyMap<string, readonly string[]>;
type Pairs = Iterable<readonly [name: string, other: string]>;

function whole(names: Parts, others: Parts): Pairs {
  return paired(names, new Map([...others].map(([name, parts]) => [parts.join('.'), name])), (parts) => [
    parts.join('.'),
  ]);
}

/** Names with something before what the others are called. */
function shorter(names: Parts, others: Parts): Pairs {
  return paired(names, new Map([...others].map(([name, parts]) => [parts.join('.'), name])), ends);
}

/** Others with something before what the names are called. */
function longer(names: Parts, others: Parts): Pairs {
  return paired(names, byEnd(others), (parts) => [parts.join('.')]);
}

/** Both with something of their own before a numbered layer. */
function fromLayer(names: Parts, others: Parts): Pairs {
  const inLayer = (parts: readonly string[]) => {
    const at = parts.findIndex((part) => WHOLE_NUMBER.test(part));
    return at < 1 ? [] : [parts.slice(at - 1).join('.')];
  };
  return paired(names, unique(others, inLayer), inLayer);
}

function* paired(
  names: Parts,
  others: ReadonlyMap<string, string>,
  keys: (parts: readonly string[]) => string[],
): Pairs {
  for (const [name, parts] of names) {
    const other = keys(parts)
      .map((key) => others.get(key))
      .find((one) => one !== undefined);
    if (other !== undefined) yield [name, other];
  }
}

/** The ends of a name that are not all of it, the longest first; a last part alone (`weight`) names nothing. */
function ends(parts: readonly string[]): string[] {
  return parts.slice(1, -1).map((_, i) => parts.slice(i + 1).join('.'));
}

const byEnd = (others: Parts) => unique(others, ends);

/** Those of these keys that only one name has. */
function unique(names: Parts, keys: (parts: readonly string[]) => string[]): Map<string, string> {
  const found = new Map<string, string | undefined>();
  for (const [name, parts] of names) for (const key of keys(parts)) found.set(key, found.has(key) ? undefined : name);
  return new Map([...found].filter((one): one is [string, string] => one[1] !== undefined));
}

/** The number of the layer that a tensor is in; null outside of layers. */
export function layerOf(name: string): number | null {
  const found = /(?:^|\.)(\d{1,9})\./.exec(name);
  return found === null ? null : Number(found[1]);
}
