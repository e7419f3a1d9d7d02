import type { GramRoute } from '../backend/grams.js';
import type { Order } from '../model/reading/order.js';
import type { MatrixOptions, Measure, ResultInfo } from '../similarity/terms/types.js';

/** Which part of a matrix: the `index`th of `count`, from 1. */
export interface ShardChoice {
  /** From 1 to `count`. */
  readonly index: number;
  /** How many shards there are. */
  readonly count: number;
}

/** What a matrix in shards is asked for; the same for every shard but for how fast, and within which memory. */
export interface ShardOptions extends Omit<MatrixOptions, 'onTile'> {
  /** What the order of the models rests on, as results tell it. Default: what that of a folder or pattern does. */
  readonly order?: Order | undefined;
  /**
   * The models are all of the sizes of the first: of the others only those that a shard compares are opened. What is
   * not is refused. Default: the headers of all are read.
   */
  readonly alike?: boolean | undefined;
}

/** A shard that is finished. */
export interface ShardResult extends Pick<ResultInfo, 'measure' | 'method' | 'route' | 'dtype' | 'tf32' | 'backend'> {
  /** Which kind of result it is. */
  readonly kind: 'shard';
  /** Which part it is. */
  readonly shard: ShardChoice;
  /** The file that keeps it. */
  readonly state: string;
  /** Models of the matrix. */
  readonly models: number;
  /** Files that this shard reads. */
  readonly files: number;
  /** Inner products of this shard. */
  readonly pairs: number;
  /** Of these, found in the state file. */
  readonly reused: number;
  /** How often a model was prepared. */
  readonly prepared: number;
  /** As `ResultInfo.devices`. */
  readonly devices?: number;
  /** What had to be cut off a damaged state file, in bytes. */
  readonly discarded: number;
  /** Of a sampled matrix: which samples. Absent: it is none. */
  readonly sampling?: ShardSampling;
}

/** What a shard of a sampled matrix has done: all pairs, on some of the samples. */
export interface ShardSampling {
  /** Inputs that models are evaluated on by all shards together, as far as it is known how many are wanted. */
  readonly samples: number;
  /** Groups of them that are this shard's. */
  readonly groups: number;
  /** Groups in all. */
  readonly of: number;
  /** Of this shard's, found in the state file. */
  readonly reused: number;
  /**
   * Whether more samples may be wanted: that follows from the sums of all shards. Run again with the state files of all
   * beside each other, a shard goes on with those.
   */
  readonly open: boolean;
}

/** What one shard of a matrix is expected to take. */
export interface PlannedShard extends ShardChoice {
  /** Tiles, the smallest parts that are dealt out; of a sampled matrix groups of samples. */
  readonly tiles: number;
  /** Inner products, those of models with themselves among them. */
  readonly pairs: number;
  /** Files that it reads. */
  readonly files: number;
  /** Bytes of weights in them, as they are in memory. */
  readonly bytes: number;
  /** Seconds of one thread of a usual machine: only their ratios are to be relied on. */
  readonly seconds: number;
  /** Of a sampled matrix: bytes of the state file, about. Absent: it is none. */
  readonly stateBytes?: number;
}

/** How a matrix is cut. */
export interface ShardPlan {
  /** Which kind of result it is. */
  readonly kind: 'shards';
  /** Models of the matrix. */
  readonly models: number;
  /** Inner products in all. */
  readonly pairs: number;
  /** What is compared. */
  readonly measure: Measure;
  /** How models of one block are multiplied; null where there is one way only. */
  readonly route: GramRoute | null;
  /** Who would compute here. */
  readonly backend: ResultInfo['backend'];
  /** Whether the models are all of the same sizes, so that shards can be told so. */
  readonly alike: boolean;
  /** Of a sampled matrix: the most inputs that models are evaluated on; seconds and bytes are of so many. Absent: it is none. */
  readonly maxSamples?: number;
  /** In order. */
  readonly shards: readonly PlannedShard[];
}

/** How parts are put together. */
export interface MergeOptions {
  /**
   * Leave what is not there open, as NaN; of a sampled matrix, estimate from the groups of samples that are there, at
   * least 8 of 32. Default: what is missing is an error.
   */
  readonly allowMissing?: boolean | undefined;
  /**
   * Take parts that were computed by several backends, or sets of instructions: the last digits of an inner product then
   * depend on the part that it is from. Default: refused.
   */
  readonly mixed?: boolean | undefined;
  /** Aborting rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/** What was put together, and what is not there. */
export interface Merged<Result> {
  /** As one run would give it; NaN where a pair is missing, and an estimate of fewer samples where some are. */
  readonly result: Result;
  /** How many shards there are. */
  readonly count: number;
  /** Shards of which pairs are missing, from 1, with how many; empty where all is there. */
  readonly missing: readonly {
    /** Which shard, from 1. */
    readonly shard: number;
    /** How many of its pairs are missing; of a sampled matrix none is. */
    readonly pairs: number;
    /** Of a sampled matrix: how many of its groups of samples are missing, or all, where one run would go on with others. */
    readonly groups?: number;
  }[];
  /** How the arithmetic of parts differs; none where all is alike. */
  readonly mixed: readonly string[];
}
