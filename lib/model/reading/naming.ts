import type { Tensors } from '../blueprint.js';

/** Tensors under the names that they have in a network. The infos keep the names that they have in the file. */
export interface Naming {
  readonly tensors: Tensors;
  /** What all names in the file begin with and was taken off: `module.`; empty for nothing. */
  readonly prefix: string;
  /** Parts that were taken out of the middle of names. */
  readonly wrappers: readonly string[];
}

/** What PyTorch puts into names wherever it has wrapped a module: no network has modules of these names itself. */
export const WRAPPERS: ReadonlySet<string> = new Set([
  '_orig_mod',
  '_fsdp_wrapped_module',
  '_checkpoint_wrapped_module',
  '_forward_module',
]);

/** A wrapper's name for what it wraps; numbers are those of layers. */
const IDENTIFIER = /^[\p{L}_][\p{L}\p{N}_]*$/u;

/** Far above what programs that train networks pile up. */
const MOST_WRAPPED = 8;

/**
 * The ways to read names that all begin with the same modules, as wrappers leave them (`module.`, `_orig_mod.`,
 * `model.`, any of them in any order): with nothing taken off, with the first of these taken off, and so on.
 */
export function* namings(tensors: Tensors): Generator<Naming> {
  const paths = [...tensors.keys()].map((name) => name.split('.'));
  const [first] = paths;
  if (first === undefined) return;
  for (let depth = 0; depth <= MOST_WRAPPED; depth++) {
    const part = first[depth];
    const common = paths.every((path) => path.length > depth + 1 && path[depth] === part);
    if (!(common && WRAPPERS.has(part))) yield* unwrapped(tensors, paths, depth);
    if (!common || !IDENTIFIER.test(part)) return;
  }
}

/** The tensors without the first parts of their names, if that leaves each a name of its own. */
function* unwrapped(tensors: Tensors, paths: readonly (readonly string[])[], depth: number): Generator<Naming> {
  const infos = [...tensors.values()];
  const wrappers = new Set<string>();
  const own = paths.map((path) =>
    path
      .slice(depth)
      .filter((part) => !WRAPPERS.has(part) || wrappers.add(part).size === 0)
      .join('.'),
  );
  if (new Set(own).size < own.length || own.includes('')) return;
  yield {
    tensors: new Map(own.map((name, i) => [name, infos[i]])),
    prefix: paths[0]
      .slice(0, depth)
      .map((part) => `${part}.`)
      .join(''),
    wrappers: [...wrappers],
  };
}
