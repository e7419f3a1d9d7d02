import type { Random } from '../../support/random.js';

/** What reading an input came to. Refusals are not told here: they are thrown. */
export interface Accepted {
  /** Whether it went all the way: a model was loaded, a plan was made, a record was taken. */
  readonly deep: boolean;
  /** Tells two readings of one input apart. */
  readonly digest: string;
}

/** Makes another input of one that is known. */
export type Mutate = (bytes: Uint8Array, random: Random, other: () => Uint8Array) => Uint8Array;

/** Something that reads what comes from outside. */
export interface Target {
  readonly name: string;
  /** What is read, in a few words. */
  readonly about: string;
  readonly mutate: Mutate;
  /** Smaller inputs of the same kind, that bytes left out do not lead to. */
  readonly simplify?: (bytes: Uint8Array) => Iterable<Uint8Array>;
  /** What is asked of this target is documented to hold the event loop. */
  readonly synchronous?: boolean;
  /** Prepares what the inputs are read beside, in a folder that is the target's own and empty. */
  prepare(folder: string): Promise<Prepared>;
}

export interface Prepared {
  /** Inputs to begin with, from writers of our own. */
  readonly seeds: readonly Uint8Array[];
  readonly read: Reader;
}

/**
 * Reads an input.
 * @param thorough also does what takes longer: compares with an oracle
 * @throws TensimError for one that is refused; `Wrong` for an answer that cannot be; anything else is a finding, too
 */
export type Reader = (bytes: Uint8Array, thorough: boolean) => Promise<Accepted>;

/** An answer that contradicts an oracle. */
export class Wrong extends Error {
  override readonly name = 'Wrong';
}
