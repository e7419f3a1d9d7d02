import type { BackendName } from '../backend/backend.js';
import type { LoadOptions } from '../model/reading/load.js';
import type { ToldSetting } from '../model/transformers/settings.js';
import type { Degrees } from '../similarity/terms/degrees.js';
import type { Progress, SimilarityOptions } from '../similarity/terms/types.js';

/** What is taken out before a comparison, each with what stands before it. */
export type Alignment = 'none' | 'heads' | 'units' | 'rotation';

/** How the blocks of two transformers are compared. */
export interface BlockOptions
  extends Pick<SimilarityOptions, 'backend' | 'threads'>,
    Pick<LoadOptions, 'config' | 'key' | 'ignore' | 'signal'> {
  /**
   * What two networks may differ in without differing in what they do, and is taken out before they are compared:
   * `none`; `heads`, their order (heads that share keys stay together); `units`, and the order and scale of hidden
   * units; `rotation`, and the basis of the residual stream, by their embeddings. Default: `heads`.
   */
  readonly align?: Alignment | undefined;
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
  /** Where units were matched, and both have some of one kind. */
  readonly units?: UnitComparison;
}

/** The hidden units of an MLP and those of another, each with the one that is most like it. */
export interface UnitComparison {
  /** Of the first network. */
  readonly count: number;
  /** Those that were given one of the second: all, unless that has fewer. */
  readonly matched: number;
  /** Those that were given one of another number. */
  readonly moved: number;
  /** Those whose unit is the same function, to 1e-9. */
  readonly partners: number;
  /** Mean over the pairs, 1 for the same functions: the product of the cosines of their vectors, and of how near their sizes are. */
  readonly similarity: number;
}

/** An orthogonal matrix that takes the residual stream of the second network into that of the first. */
export interface BasisAlignment {
  /** What it was found by. */
  readonly from: readonly ('embedding' | 'unembedding')[];
  /** ‖A − A' Bᵀ‖ / ‖A‖ of the embeddings, or of the unembeddings behind their norm where that is more: 0 where it fits. */
  readonly residual: number;
  /** The same without a rotation. */
  readonly unturned: number;
  /** Nothing was turned, as the embeddings would not fit 1.5 times as well: both have one basis already, or none in common. */
  readonly identity: boolean;
  /** ‖B − I‖ / √(2d): 0 for the identity, 1 for a basis that has nothing to do with the other. */
  readonly turn: number;
  /** ‖B Bᵀ − I‖ / √d, rounding. */
  readonly orthogonality: number;
  /** The largest singular value over the least of what it was found by: how well all directions are known. */
  readonly condition: number;
  /** Directions of which the embeddings say nothing, and that were turned as little as possible. */
  readonly undetermined: number;
  /** Layer norms take the mean over the features off: its direction was kept. */
  readonly keepsMean: boolean;
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
  /**
   * Of the weights, biases and gains of the layer that both have. Where units were matched: behind the norms, heads and
   * units in the order of those that answer them, and units in their scale.
   */
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

/** What the differences of two networks look like, by rules on their sizes; never a proof of how they came about. */
export interface Impression {
  /**
   * `same`: all numbers are equal. `conversion`: the same functions in other weights, names or precision. `patch`: few
   * layers changed. `fine-tune`: all changed a little, none much more than others. `unrelated`: nothing is alike, as in
   * another seed. `unclear`: none of these.
   */
  readonly kind: 'same' | 'conversion' | 'patch' | 'fine-tune' | 'unrelated' | 'unclear';
  /** One sentence. */
  readonly words: string;
  /** Of a patch: the numbers of the layers that changed, in the first network. */
  readonly layers: readonly number[];
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
  readonly alignment: Alignment;
  /** Where the residual stream was rotated. */
  readonly rotation?: BasisAlignment;
  /** In the order of the first network. */
  readonly layers: readonly LayerComparison[];
  /** Of tokens; absent where one of the two has none. */
  readonly embedding?: WeightComparison;
  /** Absent where one of the two has none of its own. */
  readonly unembedding?: WeightComparison;
  /** Null where all blocks are alike to 1e-12. */
  readonly worst: WorstBlock | null;
  /** What the differences look like. */
  readonly impression: Impression;
  /** Who multiplied. */
  readonly backend: BackendName;
}
