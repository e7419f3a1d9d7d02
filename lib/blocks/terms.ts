import type { BackendName } from '../backend/backend.js';
import type { LoadOptions } from '../model/reading/load.js';
import type { ToldSetting } from '../model/transformers/settings.js';
import type { Degrees } from '../similarity/terms/degrees.js';
import type { Progress, SimilarityOptions } from '../similarity/terms/types.js';

/** How the blocks of two transformers are compared. */
export interface BlockOptions
  extends Pick<SimilarityOptions, 'backend' | 'threads' | 'seed' | 'tolerance' | 'maxSamples'>,
    Pick<LoadOptions, 'config' | 'key' | 'ignore' | 'signal'> {
  /**
   * What two networks may differ in without differing in what they do, and is taken out before they are compared:
   * `none`, or `heads`, their order (heads that share keys stay together). Default: `heads`.
   */
  readonly align?: 'none' | 'heads' | undefined;
  /**
   * Offsets between a query and a key over which scores are compared, from 0 to this many less one; default 64. Without
   * a rotary embedding they are all alike.
   */
  readonly window?: number | undefined;
  /**
   * How MLPs are compared: `exact`, `sampled`, or `auto`, exactly unless all of them together take more than a minute of
   * one thread and sampling a small part of that. Samples are drawn until the half width of the 95 % interval of a
   * similarity is below `tolerance` (default 0.005), and that of a fidelity error below a tenth of it; at most
   * `maxSamples` (default 8192). Default: `auto`.
   */
  readonly method?: 'auto' | 'exact' | 'sampled' | undefined;
  /**
   * Path of a file that keeps finished layers: it is made, or gone on from where a run was stopped. What is kept counts
   * for the same weights, settings and options only. Layers with experts are not kept.
   */
  readonly state?: string | undefined;
  /** Counts layers, in the phase `compare`. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** One head of the first network, and the head of the second that answers it. */
export interface HeadComparison {
  /** Its number in the first network, from 0. */
  readonly head: number;
  /** The number of the head that it was compared with: its own, unless heads were aligned. */
  readonly answeredBy: number;
  /** Cosine of the scores qᵀR k over independent positions, mean over the window; null where one is zero. */
  readonly qk: number | null;
  /** Cosine of W_O W_V; null where one is zero. */
  readonly ov: number | null;
}

/** Two functions of one input, compared. */
export interface BlockSimilarity {
  /** Their cosine, in −1 … 1. */
  readonly similarity: number;
  /** E‖f − g‖² / E‖f‖², of the first: not below 0. */
  readonly fidelityError: number;
}

export interface MlpComparison extends BlockSimilarity {
  /** Whether it was computed by a formula; else it was sampled. */
  readonly exact: boolean;
  /** Of the similarity, where it was sampled; else null. */
  readonly standardError: number | null;
  /** Inputs that were drawn, where it was sampled. */
  readonly samples?: number;
  /** What a series that was cut off can have changed of the similarity, proven. */
  readonly certified?: number;
  /** By the degrees of the normalised input: the constant, the linear part, the quadratic one, the rest. */
  readonly byDegree?: Degrees;
}

export interface AttentionComparison {
  /** One for every head of the first network. */
  readonly heads: readonly HeadComparison[];
  /** Σ_h W_O W_V, with what the means of the values and the biases add: what attention gives for given weights. */
  readonly ov: BlockSimilarity | null;
  /** Queries or keys are normalised: scores were compared before that, where they are bilinear. */
  readonly normalised?: true;
}

/** The numbers themselves, in one order for both networks. */
export interface WeightComparison {
  /** In −1 … 1; null where all of one network are zero. */
  readonly cosine: number | null;
  /** ‖w − w'‖² / ‖w‖². */
  readonly nmse: number | null;
  /** All are the same number. */
  readonly equal: boolean;
}

export interface LayerComparison {
  /** Its number in the first network. */
  readonly layer: number;
  /** Absent where one of the two has none. */
  readonly mlp?: MlpComparison;
  /** Absent where one of the two has none. */
  readonly attention?: AttentionComparison;
  /** Of the weights, biases and gains of the layer that both have. */
  readonly weights: WeightComparison;
}

/** Where a network differs most, and by what. */
export interface WorstBlock {
  /** Its number in the first network. */
  readonly layer: number;
  /** The MLP, the scores of the heads, or what they write. */
  readonly part: 'mlp' | 'qk' | 'ov';
  /** Of the part; of `qk` the mean of the heads. */
  readonly similarity: number;
}

/** A network as its blocks are compared. */
export interface BlockSubject {
  /** As it was given. */
  readonly path: string;
  /** Of its files, in hexadecimal. */
  readonly sha256: string;
  /** `llama`, `gpt2`, … */
  readonly layout: string;
  /** Names of tensors that no comparison has looked at: experts, norms behind blocks, learned positions. */
  readonly left: readonly string[];
  /** What its tensors do not tell, and who said it. */
  readonly settings: Readonly<Record<string, ToldSetting>>;
}

/** Two transformers, block by block. Never a statement about the networks as wholes. */
export interface BlocksResult {
  /** Tells this result from others. */
  readonly kind: 'blocks';
  /** The first, which fidelity errors refer to. */
  readonly a: BlockSubject;
  /** The second. */
  readonly b: BlockSubject;
  /** The width of the residual stream. */
  readonly width: number;
  /** The law of what a norm divides: independent and standard normal. */
  readonly input: 'standard';
  /** Offsets over which scores were compared. */
  readonly window: number;
  /** What was taken out before. */
  readonly alignment: 'none' | 'heads';
  /** In the order of the first network. */
  readonly layers: readonly LayerComparison[];
  /** Of tokens; absent where one of the two has none. */
  readonly embedding?: WeightComparison;
  /** Absent where one of the two has none of its own. */
  readonly unembedding?: WeightComparison;
  /** Null where all blocks are alike to 1e-12. */
  readonly worst: WorstBlock | null;
  /** Who multiplied. */
  readonly backend: BackendName;
}

/** The same numbers of every two of several networks, (networks, networks); null where one of the two is zero. */
export type BlockMatrixValues = readonly (readonly (number | null)[])[];

/** The MLPs of one layer of several networks, compared with each other. */
export interface MlpMatrices {
  /** Cosines. */
  readonly similarity: BlockMatrixValues;
  /** E‖f − g‖² / E‖f‖², where f is that of the row. */
  readonly fidelityError: BlockMatrixValues;
  /** Whether they were computed by a formula; else they were sampled. */
  readonly exact: boolean;
  /** Of the similarities, where they were sampled; else null. */
  readonly standardError: BlockMatrixValues | null;
}

/** The attention of one layer of several networks. */
export interface AttentionMatrices {
  /** Means of the cosines of the scores of heads. */
  readonly qk: BlockMatrixValues;
  /** Of the sums of all heads. */
  readonly ov: BlockMatrixValues;
}

/** One layer of several networks. */
export interface LayerMatrices {
  /** Its number in the first network. */
  readonly layer: number;
  /** Absent where one of the networks has none. */
  readonly mlp?: MlpMatrices;
  /** Absent where one of the networks has none. */
  readonly attention?: AttentionMatrices;
}

/** Several transformers, block by block, each compared with each. */
export interface BlocksMatrix extends Pick<BlocksResult, 'width' | 'input' | 'window' | 'alignment' | 'backend'> {
  /** Tells this result from others. */
  readonly kind: 'blocks-matrix';
  /** In the order of rows and columns. */
  readonly networks: readonly (BlockSubject & { readonly label: string })[];
  /** In the order of the first network. */
  readonly layers: readonly LayerMatrices[];
}
