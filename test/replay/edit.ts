import type { Given } from '../support/transformers.js';

/* What goes wrong with tensors by their names, as in loops over a state dict. */

type Numbers = Float64Array;
type Changed = Numbers | readonly [data: Numbers, ...shape: number[]];

/** Those of these names with other numbers, and shapes where these are given. */
export function changed(
  tensors: Given,
  names: RegExp,
  change: (data: Numbers, shape: readonly number[], name: string) => Changed,
): Given {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, given]) => {
      if (!names.test(name)) return [name, given];
      const [data, ...shape] = given;
      const made = change(data, shape, name);
      return [name, made instanceof Float64Array ? [made, ...shape] : [...made]];
    }),
  ) as Given;
}

export const without = (tensors: Given, names: RegExp): Given =>
  Object.fromEntries(Object.entries(tensors).filter(([name]) => !names.test(name)));

/** Under other names. */
export const renamed = (tensors: Given, rename: (name: string) => string): Given =>
  Object.fromEntries(Object.entries(tensors).map(([name, given]) => [rename(name), given]));

/** What is stored under names with `one` and under those with `other` in its place is exchanged. */
export function exchanged(tensors: Given, one: string, other: string): Given {
  const twin = (name: string) => (name.includes(one) ? name.replace(one, other) : name.replace(other, one));
  return Object.fromEntries(Object.keys(tensors).map((name) => [name, tensors[twin(name)] ?? tensors[name]]));
}

/** Tensors of these names are those of other ones. */
export function takenFrom(tensors: Given, names: RegExp, source: (name: string) => string): Given {
  return Object.fromEntries(
    Object.keys(tensors).map((name) => [name, tensors[names.test(name) ? source(name) : name]]),
  );
}

export const times = (factor: number) => (data: Numbers) => data.map((value) => factor * value);
export const plus = (constant: number) => (data: Numbers) => data.map((value) => value + constant);
