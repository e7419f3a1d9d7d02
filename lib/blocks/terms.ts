import type { BackendName } from '../backend/backend.js';
import type { LoadOptions } from '../model/reading/load.js';
import type { OtherNorm, Uncompared } from '../model/transformers/network.js';
import type { ToldSetting } from '../model/transformers/settings.js';
import type { Degrees } from '../similarity/terms/degrees.js';
import type { Progress, SimilarityOptions } from '../similarity/terms/types.js';

/** How the blocks of two transformers are compared. */
export interface BlockOptions
  extends Pick<SimilarityOptions, 'backend' | 'threads'>,
    Pick<LoadOptions, 'config' | 'key' | 'ignore' | 'model' | 'signal'> {
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
  /**
   * Scores also get what the distance and the number of the head say (ALiBi), which no weight tells; what is compared is
   * what weights say. Heads keep their order.
   */
  readonly slopes?: true;
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

/** One expert of the first network, and the expert of the second that answers it. */
export interface ExpertComparison {
  /** Its number in the first network, from 0. */
  readonly expert: number;
  /** The number of the expert that it was compared with: its own, unless heads were aligned. */
  readonly answeredBy: number;
  /** Cosine of the router's rows for the two, less the mean of all rows; null where one is zero. */
  readonly router: number | null;
  /** Absent where experts are no functions that are compared: `uncompared` says why. */
  readonly mlp?: MlpComparison;
  /** Of the expert's own weights; absent where they cannot be read. */
  readonly weights?: WeightComparison;
}

/** A mixture of MLPs. */
export interface ExpertsComparison {
  /** One for every expert of the first network. */
  readonly experts: readonly ExpertComparison[];
  /** The router's rows less their mean, which is all that a softmax over experts sees, in the order of the answers. */
  readonly router: BlockSimilarity | null;
  /** The MLP that every token is given; absent where one of the two has none. */
  readonly shared?: MlpComparison;
  /** Of how much it counts. */
  readonly sharedGate?: WeightComparison;
}

/** Where a norm stands: before a block, behind one, within attention, behind the embedding, behind the last layer. */
export type NormName = 'attention' | 'mlp' | OtherNorm | 'embedding' | 'final';

/** What two norms multiply by and add. */
export interface NormComparison {
  readonly norm: NormName;
  /** Of gains as they multiply; absent where both have none. */
  readonly gain?: WeightComparison;
  /** Absent where both have none. */
  readonly bias?: WeightComparison;
}

export interface LayerComparison {
  /** Its number in the first network. */
  readonly layer: number;
  /** Absent where one of the two has none. */
  readonly mlp?: MlpComparison;
  /** Absent where one of the two has none, or they have not as many. */
  readonly experts?: ExpertsComparison;
  /** Absent where one of the two has none. */
  readonly attention?: AttentionComparison;
  /** Of those that both have. */
  readonly norms?: readonly NormComparison[];
  /** What of the layer is not compared, or not whole, and why. */
  readonly uncompared?: readonly Uncompared[];
  /** Of the weights, biases and gains of the layer that both have. */
  readonly weights: WeightComparison;
}

/** Where a network differs most, and by what. */
export interface WorstBlock {
  /** Its number in the first network. */
  readonly layer: number;
  /** The MLP, an expert or the shared one, the router, the scores of the heads, or what they write. */
  readonly part: 'mlp' | 'expert' | 'router' | 'qk' | 'ov';
  /** Of the part; of `qk` the mean of the heads, of `expert` the lowest. */
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
  /** Names of tensors that no comparison has looked at: scales, sinks, heads of classifiers. */
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
  /** What it adds; absent where one of the two has none. */
  readonly unembeddingBias?: WeightComparison;
  /** Learned positions; absent where one of the two has none. */
  readonly positions?: WeightComparison;
  /** The norms behind the embedding and behind the last layer, of those that both have. */
  readonly norms?: readonly NormComparison[];
  /** Null where all blocks are alike to 1e-12. */
  readonly worst: WorstBlock | null;
  /** Who multiplied. */
  readonly backend: BackendName;
}
