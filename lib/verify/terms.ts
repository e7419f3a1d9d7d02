/* The words of `tensim verify`: what is asked, and what is told. */

/**
 * How a network and the one that is to be it are the same, or that they are not, from the strictest on:
 *
 * - `same-bytes`: files of the same bytes.
 * - `same-function`: the same weights under the same names, in other bytes: another container, other shards.
 * - `other-layout`: the same function written in another way that is named: other names, other packing, pairs of rows
 *   elsewhere, units or heads in another order, folded norms, a rotated stream.
 * - `rounded`: the same but for one rounding of each weight to a type of fewer digits.
 * - `quantised`: weights of a quantised format, none worse than the format makes them.
 * - `moved`: the same numbers in other places: not the same function.
 * - `different`: none of these.
 * - `unknown`: what is compared is the same, and some of it cannot be compared.
 */
export type VerifyVerdict =
  | 'same-bytes'
  | 'same-function'
  | 'other-layout'
  | 'rounded'
  | 'quantised'
  | 'moved'
  | 'different'
  | 'unknown';

/** Whether what was promised holds. Nothing that is unknown passes. */
export type VerifyOutcome = 'pass' | 'fail' | 'undecided';

/** What is the matter with a tensor, or with a setting. */
export type FaultCause =
  /** A tensor, or a part of it, is not there, or is there and has no counterpart. */
  | 'missing-tensor'
  | 'extra-tensor'
  | 'wrong-shape'
  /** NaN or infinite. */
  | 'not-finite'
  /** All zero, or all the same, where the reference's are not. */
  | 'collapsed'
  /** Rows of queries or keys: pairs of the rotary embedding stand as if neighbours, or half a head apart, were one. */
  | 'pairs-order'
  /** The same, put in order as if there were another number of heads. */
  | 'head-count'
  | 'transposed'
  /** What is stored under two names is exchanged: queries and keys, gate and up, scale and shift. */
  | 'swapped'
  /** What another layer has. */
  | 'other-layer'
  /** What another expert has. */
  | 'other-expert'
  /** Parts that lie in one tensor were taken out in another order than they were put in. */
  | 'packing'
  /** A constant times what it should be. */
  | 'scaled'
  | 'sign'
  /** Gains of norms stored from 1, or the other way around. */
  | 'gain-offset'
  /** The gain of a norm was set to 1, and what follows was not multiplied by it; or was, and it was kept. */
  | 'norm-not-folded'
  | 'norm-folded-twice'
  /** Heads, units or inputs stand in another order, and what belongs to them does not. */
  | 'heads-moved'
  | 'units-moved'
  /** The same numbers in other places, in none of these orders. */
  | 'numbers-moved'
  /** The difference has a low rank, as an adapter's. */
  | 'low-rank'
  /** A setting: number of heads, base of the rotary embedding, activation, epsilon, … */
  | 'setting'
  /** A quantised tensor that is worse than its format makes it. */
  | 'coarse'
  /** Near, and none of these. */
  | 'perturbed'
  /** Other numbers altogether. */
  | 'replaced'
  /** Of merges. */
  | 'not-merged'
  | 'merged-twice'
  | 'wrong-scale'
  | 'wrong-slice'
  | 'changed-elsewhere';

/** What is wrong, and where it shows first. */
export interface Fault {
  /** What is the matter. */
  readonly cause: FaultCause;
  /** One sentence, with the tensor's name and numbers. */
  readonly text: string;
  /** The first tensor of the candidate that has it; of the reference where the candidate has none; null for a setting. */
  readonly tensor: string | null;
  /** The number of its layer; null outside of layers. */
  readonly layer: number | null;
  /** All tensors that have it, in the order of the network. */
  readonly tensors: readonly string[];
}

/** One way in which the candidate is written otherwise and is the same function. */
export interface LayoutChange {
  /** What is written otherwise. */
  readonly kind:
    | 'names'
    | 'container'
    | 'interleaved-pairs'
    | 'packing'
    | 'transposed'
    | 'units-permuted'
    | 'units-rescaled'
    | 'heads-permuted'
    | 'head-basis'
    | 'norm-folded'
    | 'tied-head'
    | 'gain-offset'
    | 'rotated-stream';
  /** In a few words. */
  readonly text: string;
  /** Numbers of the layers in which it is so; absent where it is of the whole network. */
  readonly layers?: readonly number[];
  /** Of a rotated stream: what shows that it is one. */
  readonly certificate?: RotationCertificate;
}

/** What shows that a residual stream was rotated, and nothing else. */
export interface RotationCertificate {
  /** ‖QᵀQ − I‖, the largest element. */
  readonly orthogonality: number;
  /** The largest error of a weight behind the rotation, relative to the root mean square of its tensor. */
  readonly residual: number;
}

/** A tensor of the candidate beside what answers it in the reference. */
export interface TensorCheck {
  /** The number of its layer; null outside of layers. */
  readonly layer: number | null;
  /** What it is in the network: `attention.query`, `mlp.down`, `embedding`, …; of other networks its name. */
  readonly role: string;
  /** Its name in the reference. */
  readonly reference: string;
  /** Its name in the candidate. */
  readonly candidate: string;
  /** `equal` also where it is so in its named layout; `same-function` where only the block as a whole is the same. */
  readonly state: 'equal' | 'rounded' | 'quantised' | 'same-function' | 'different' | 'not-compared';
  /** ‖candidate − reference‖ / ‖reference‖, Frobenius; 0 where equal, null where it makes no sense. */
  readonly error: number | null;
  /** Of quantised tensors. */
  readonly quantised?: QuantisedCheck;
}

/** How good a quantised tensor is. Errors are relative to the norm of what was quantised. */
export interface QuantisedCheck {
  /** `Q4_K`, `GPTQ int4`, … */
  readonly format: string;
  /** Blocks that share a scale. */
  readonly blocks: number;
  /** ‖candidate − reference‖ / ‖reference‖. */
  readonly error: number;
  /** The same for the best that was found for each block in this format. */
  readonly best: number;
  /** The block whose error exceeds the best the most: its number, row-major, and both errors relative to its norm. */
  readonly worst: {
    /** Its number. */
    readonly block: number;
    /** Relative to the norm of the block. */
    readonly error: number;
    /** The least that was found for it. */
    readonly best: number;
  };
}

/** A file as it was found. */
export interface VerifySide {
  /** As the caller gave it. */
  readonly file: string;
  /** Of its files, in hexadecimal. */
  readonly sha256: string;
  /** The layout of a transformer, the family of another network; null where it is compared by names alone. */
  readonly layout: string | null;
  /** Element types of its weights, or formats where they are quantised, the most frequent first. */
  readonly types: readonly string[];
}

/** What `verify` tells of two files. */
export interface VerifyResult {
  /** Whether the candidate may stand for the reference. */
  readonly outcome: VerifyOutcome;
  /** How the two are the same, or that they are not. */
  readonly verdict: VerifyVerdict;
  /** One sentence. */
  readonly summary: string;
  /** The network as it was. */
  readonly reference: VerifySide;
  /** The network that is to be the same. */
  readonly candidate: VerifySide;
  /** How the candidate is written otherwise. */
  readonly layouts: readonly LayoutChange[];
  /** In the order of the network; none where the verdict is a pass. */
  readonly faults: readonly Fault[];
  /** All that were compared, or should have been. */
  readonly tensors: readonly TensorCheck[];
  /** What is not compared, and what was taken for granted. */
  readonly notes: readonly string[];
}

/** A tensor that an adapter is to change, and whether it did. ΔW is what it should have changed by, all adapters together. */
export interface MergedTensor {
  /** The number of its layer; null outside of layers. */
  readonly layer: number | null;
  /** Its name in the base. */
  readonly tensor: string;
  /** `different`: what changed is no multiple of ΔW. */
  readonly state: 'merged' | 'rounded' | 'not-merged' | 'merged-twice' | 'wrong-scale' | 'wrong-slice' | 'different';
  /** ⟨merged − base, ΔW⟩ / ⟨ΔW, ΔW⟩: 1 where merged once, 0 where not; null where ΔW is zero. */
  readonly factor: number | null;
  /** ‖merged − base − ΔW‖ / ‖ΔW‖. */
  readonly error: number | null;
}

/** What `verify` tells of a merge. */
export interface MergeResult {
  /** Whether every adapter was merged once, as its settings say, and nothing else changed. */
  readonly outcome: VerifyOutcome;
  /** One sentence. */
  readonly summary: string;
  /** The network that adapters were merged into. */
  readonly base: VerifySide;
  /** What came out. */
  readonly merged: VerifySide;
  /** In the order that they were given. */
  readonly adapters: readonly {
    /** As the caller gave it. */
    readonly file: string;
    /** `LoRA`, `rsLoRA`, … */
    readonly kind: string;
    /** The largest of its modules. */
    readonly rank: number;
    /** By what B A is multiplied in most of its modules. */
    readonly scale: number;
  }[];
  /** All that an adapter is to change. */
  readonly tensors: readonly MergedTensor[];
  /** In the order of the network; none where the outcome is a pass. */
  readonly faults: readonly Fault[];
  /** What was left out, and what was taken for granted. */
  readonly notes: readonly string[];
}
