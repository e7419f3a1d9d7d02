import type { BackendName } from '../backend/backend.js';
import type { LoadOptions } from '../model/reading/load.js';
import type { OtherNorm, Uncompared } from '../model/transformers/network.js';
import type { ToldSetting } from '../model/transformers/settings.js';
import type { LawExtent } from '../similarity/law/extent.js';
import type { Degrees } from '../similarity/terms/degrees.js';
import type { Progress, SimilarityOptions } from '../similarity/terms/types.js';
import type { ByMlpBackends } from './backends.js';
import type { BlockInput } from './law/input.js';

/** What is taken out before a comparison, each with what stands before it. */
export type Alignment = 'none' | 'heads' | 'units' | 'rotation';

/** How the blocks of two transformers are compared. */
export interface BlockOptions
  extends Pick<SimilarityOptions, 'backend' | 'threads' | 'seed' | 'tolerance' | 'maxSamples'>,
    Pick<LoadOptions, 'config' | 'key' | 'ignore' | 'model' | 'signal'> {
  /**
   * What two networks may differ in without differing in what they do, and is taken out before they are compared:
   * `none`; `heads`, their order (heads that share keys stay together); `units`, and the order and scale of hidden
   * units; `rotation`, and the basis of the residual stream, by their embeddings. Default: `heads`.
   */
  readonly align?: Alignment | undefined;
  /** How many offsets between query and key scores are compared over, from 0; default 64. Alike without rotation. */
  readonly window?: number | undefined;
  /**
   * How MLPs are compared: `exact`, `sampled`, or `auto`, exactly unless all of them together take more than a minute of
   * one thread and sampling a small part of that. Samples are drawn until the half width of the 95 % interval of a
   * similarity is below `tolerance` (default 0.005), and that of a fidelity error below a tenth of it; at most
   * `maxSamples` (default 8192). Default: `auto`.
   */
  readonly method?: 'auto' | 'exact' | 'sampled' | undefined;
  /** The law of what the norm before a block gives, before its gain. Default: `standard`. */
  readonly input?: BlockInput | undefined;
  /**
   * Path of a file that keeps finished layers: it is made, or gone on from where a run was stopped. What is kept counts
   * for the same weights, settings and options only.
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

/** The law that numbers stand under. */
export interface UnderLaw {
  /** `standard`, `sphere`, or the name of the moments: `standard` where they have none for this block. */
  readonly input: string;
  /** How much of the input's space moments reach; absent where there are none. */
  readonly extent?: LawExtent;
}

export interface MlpComparison extends BlockSimilarity, UnderLaw {
  /** Whether it was computed by a formula; else it was sampled. */
  readonly exact: boolean;
  /** Of the similarity, where it was sampled; else null. */
  readonly standardError: number | null;
  /** Inputs that were drawn, where it was sampled. */
  readonly samples?: number;
  /** What a series that was cut off can have changed of the similarity, proven. */
  readonly certified?: number;
  /**
   * By the degrees of the normalised input: the constant, the linear part, the quadratic one, the rest. On the sphere
   * they are those of spherical harmonics.
   */
  readonly byDegree?: Degrees;
  /** On the sphere only. */
  readonly sphere?: {
    /**
     * By a series of zonal polynomials; or, for blocks so large that it would take minutes, by the first order in 1/d
     * from what the blocks are under N(0, I), which is no exact number.
     */
    readonly method: 'series' | 'first-order';
    /** The similarity under N(0, I): how far it is from this one says what the sphere changes. */
    readonly standard: number;
  };
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

export interface AttentionComparison extends UnderLaw {
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
  /** Which of them. */
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
  /** The MLP, an expert or the shared one, the router, the scores of the heads, or what they write. */
  readonly part: 'mlp' | 'expert' | 'router' | 'qk' | 'ov';
  /** Of the part; of `qk` the mean of the heads, of `expert` the lowest. */
  readonly similarity: number;
}

/** A network as its blocks are compared. */
export interface BlockSubject {
  /** As it was given. */
  readonly path: string;
  /** Paths of its files. */
  readonly files?: readonly string[];
  /** Of its files, in hexadecimal; empty where parts were put together without it. */
  readonly sha256: string;
  /** `llama`, `gpt2`, … */
  readonly layout: string;
  /** Names of tensors that no comparison has looked at: scales, sinks, heads of classifiers. */
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
export interface BlocksResult extends ByMlpBackends {
  /** Tells this result from others. */
  readonly kind: 'blocks';
  /** The first, which fidelity errors refer to. */
  readonly a: BlockSubject;
  /** The second. */
  readonly b: BlockSubject;
  /** The width of the residual stream. */
  readonly width: number;
  /**
   * The law of what norms give before their gains: `standard` (independent and standard normal), `sphere`, or what the
   * moments are called. MLPs and attention say themselves which law they were compared under: moments may be of some
   * blocks only.
   */
  readonly input: string;
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
  /** What it adds; absent where one of the two has none. */
  readonly unembeddingBias?: WeightComparison;
  /** Learned positions; absent where one of the two has none. */
  readonly positions?: WeightComparison;
  /** The norms behind the embedding and behind the last layer, of those that both have. */
  readonly norms?: readonly NormComparison[];
  /** Null where all blocks are alike to 1e-12. */
  readonly worst: WorstBlock | null;
  /** What the differences look like. */
  readonly impression: Impression;
  /** Who multiplied. */
  readonly backend: BackendName;
}
