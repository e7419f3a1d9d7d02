import type { BackendName } from '../../backend/backend.js';
import type { ShardChoice } from '../../shards/terms.js';
import type { BlockOptions } from '../terms.js';

/** What a comparison of blocks in shards is asked for; the same for every shard but for how fast. */
export interface BlocksShardOptions extends BlockOptions {
  /** Each of any number of networks is compared with each, as by `blockMatrix`. Default: two, as by `similarityOfBlocks`. */
  readonly matrix?: boolean | undefined;
}

/** What a shard computes beside layers: what stands at an end of the networks, or the norms that belong to no layer. */
export type OtherPart = 'embedding' | 'positions' | 'unembedding' | 'unembeddingBias' | 'norms';

/** What a shard has, of the networks. */
export interface BlocksShare {
  /** Numbers of its layers, in the first network. */
  readonly layers: readonly number[];
  /** What it has beside layers. */
  readonly others: readonly OtherPart[];
  /** Places of the networks of which it reads all, for the digest of their files. */
  readonly digests: readonly number[];
}

/** A shard of blocks that is finished. */
export interface BlocksShardResult extends BlocksShare {
  /** Which kind of result it is. */
  readonly kind: 'blocks-shard';
  /** Which part it is. */
  readonly shard: ShardChoice;
  /** The file that keeps it. */
  readonly state: string;
  /** Two networks, or each of several with each. */
  readonly what: 'pair' | 'matrix';
  /** How many there are. */
  readonly networks: number;
  /** Layers of the networks in all. */
  readonly total: number;
  /** Of its layers and what it has beside them, how many were found in the state file. */
  readonly reused: number;
  /** What had to be cut off a damaged state file, in bytes. */
  readonly discarded: number;
  /** Who multiplied. */
  readonly backend: BackendName;
}

/** What one shard of blocks is expected to take. */
export interface PlannedBlocksShard extends ShardChoice, BlocksShare {
  /** Bytes of weights that it reads, as they are stored. */
  readonly bytes: number;
  /** Seconds of one thread of a usual machine: only their ratios are to be relied on. */
  readonly seconds: number;
}

/** How the layers of networks are dealt to shards. */
export interface BlocksShardPlan {
  /** Which kind of result it is. */
  readonly kind: 'blocks-shards';
  /** Two networks, or each of several with each. */
  readonly what: 'pair' | 'matrix';
  /** As they were given. */
  readonly networks: readonly string[];
  /** Layers in all. */
  readonly layers: number;
  /** Who would compute here. */
  readonly backend: BackendName;
  /** In order. */
  readonly shards: readonly PlannedBlocksShard[];
}

/** What a shard still owes. */
export interface MissingBlocks extends BlocksShare {
  /** Which shard, from 1. */
  readonly shard: number;
}

/** What was put together of blocks, and what is not there. */
export interface MergedBlocks<Result> {
  /**
   * As one run would give it, without what is missing: layers and ends are left out, the digest of a network that no
   * part has read as a whole is empty, and there is no impression.
   */
  readonly result: Result;
  /** How many shards there are. */
  readonly count: number;
  /** What is missing, by shard; empty where all is there. */
  readonly missing: readonly MissingBlocks[];
  /** How the arithmetic of parts differs; none where all is alike. */
  readonly mixed: readonly string[];
}
