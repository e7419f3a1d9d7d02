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
export interface ShardResult extends Pick<ResultInfo, 'measure' | 'method' | 'route' | 'dtype' | 'backend'> {
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
  /** What had to be cut off a damaged state file, in bytes. */
  readonly discarded: number;
}

/** What one shard of a matrix is expected to take. */
export interface PlannedShard extends ShardChoice {
  /** Tiles, the smallest parts that are dealt out. */
  readonly tiles: number;
  /** Inner products, those of models with themselves among them. */
  readonly pairs: number;
  /** Files that it reads. */
  readonly files: number;
  /** Bytes of weights in them, as they are in memory. */
  readonly bytes: number;
  /** Seconds of one thread of a usual machine: only their ratios are to be relied on. */
  readonly seconds: number;
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
  /** In order. */
  readonly shards: readonly PlannedShard[];
}

/** How parts are put together. */
export interface MergeOptions {
  /** Leave what is not there open, as NaN. Default: missing pairs are an error. */
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
  /** As one run would give it; NaN where a pair is missing. */
  readonly result: Result;
  /** How many shards there are. */
  readonly count: number;
  /** Shards of which pairs are missing, from 1, with how many; empty where all is there. */
  readonly missing: readonly {
    /** Which shard, from 1. */
    readonly shard: number;
    /** How many of its pairs are missing. */
    readonly pairs: number;
  }[];
  /** How the arithmetic of parts differs; none where all is alike. */
  readonly mixed: readonly string[];
}
