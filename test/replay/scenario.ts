import type { FaultCause, LayoutChange, MergedTensor, VerifyVerdict } from '../../lib/verify/terms.js';

/* What people met in public, rebuilt: two networks on disk, and what they are to be told of them. */

/** A network, and one that is to be it. */
export interface Pair {
  readonly reference: string;
  readonly candidate: string;
}

/** A base, adapters, and what is to be the base with these merged in. */
export interface Merge {
  readonly base: string;
  readonly adapters: readonly string[];
  readonly merged: string;
}

/** What is to be found wrong. Where several causes are named, a user is as well served by any of them. */
export interface ExpectedFault {
  readonly cause: FaultCause | readonly FaultCause[];
  /** Of the first fault; null for a setting. */
  readonly tensor: string | RegExp | null;
  readonly text?: RegExp;
  /** Of merges: what is said of that tensor. */
  readonly state?: MergedTensor['state'];
}

/** What is to be found right. */
export interface ExpectedPass {
  readonly verdict: VerifyVerdict | readonly VerifyVerdict[];
  /** Ways of writing that are to be named, among others. */
  readonly layouts?: readonly LayoutChange['kind'][];
}

interface Told {
  readonly name: string;
  /** One sentence: what went wrong, or what was done. */
  readonly story: string;
}

/** Of pairs: whether both give the same logits, as the makers are checked by; null where one of them cannot be run. */
interface OfPairs extends Told {
  readonly logits: 'same' | 'other' | null;
  /** Writes what is asked about to a folder of its own. */
  make(root: string, seed: number): Promise<Pair>;
}

interface OfMerges extends Told {
  make(root: string, seed: number): Promise<Merge>;
}

export type FaultyPair = OfPairs & { readonly expected: ExpectedFault };
export type RightPair = OfPairs & { readonly expected: ExpectedPass };
export type FaultyMerge = OfMerges & { readonly expected: ExpectedFault };
/** One that is right: all tensors of the adapters are merged, as they are or rounded. */
export type RightMerge = OfMerges;
