import type { Blueprint, Tensors } from '../blueprint.js';

/** A kind of model that is recognised by the names of its tensors. */
export interface Family {
  readonly name: string;
  /** The names that make it, for messages. */
  readonly looksFor: string;
  /** Compares the names of a checkpoint with those of the family. */
  match(tensors: Tensors): Match;
  /**
   * The layers of a checkpoint that matched completely.
   * @throws TensimError `INVALID_FILE` if the checkpoint's metadata contradicts the family.
   */
  blueprint(tensors: Tensors, metadata: Readonly<Record<string, string>>, file: string): Blueprint;
}

/** How near a checkpoint is to a family: it belongs to it if nothing is missing and nothing is left over. */
export interface Match {
  readonly found: readonly string[];
  readonly missing: readonly string[];
  readonly extra: readonly string[];
}

/** Sorts the names of a checkpoint into those a family needs, may have, and does not know. */
export function matchNames(tensors: Tensors, required: readonly string[], optional: readonly string[]): Match {
  const known = new Set([...required, ...optional]);
  return {
    found: [...tensors.keys()].filter((name) => known.has(name)),
    missing: required.filter((name) => !tensors.has(name)),
    extra: [...tensors.keys()].filter((name) => !known.has(name)),
  };
}
