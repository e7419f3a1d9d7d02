import type { ActivationName } from '../../layers/activations.js';
import type { Cut } from '../../tensor/cut.js';

/* A transformer by its blocks, as places in a checkpoint, before any weight is read. */

export type { Runs } from '../../tensor/cut.js';

/** A matrix of outputs by inputs, or a vector over outputs, within a tensor. */
export interface Piece extends Cut {
  /** The name of the tensor in the checkpoint. */
  readonly tensor: string;
}

/** What stands before a block, or behind it. Before a block of a network that normalises sums, the norm of the sum. */
export interface Norm {
  readonly kind: 'rms' | 'layer';
  /** Absent: all are 1. */
  readonly gain?: Piece;
  /** The gain is 1 + what is stored. */
  readonly fromOne?: true;
  readonly bias?: Piece;
}

/** How a rotary embedding turns the rows of a head: plane p by `angles[p]` from one position to the next. */
export interface Rotation {
  /** Radians, for half as many planes as rows are turned; the rows behind them are not. */
  readonly angles: Float64Array;
  /** Rows 2p and 2p + 1 are a plane; else rows p and p + n, where n are the planes. */
  readonly interleaved: boolean;
  /** What the angles are still to be divided by, plane by plane, where the checkpoint has a tensor of that. */
  readonly divisors?: Piece;
}

/** D φ(U x + u) + c; with a gate D (φ(G x + g) ⊙ (U x + u)) + c. */
export interface Mlp {
  readonly activation: ActivationName;
  readonly gate?: Piece;
  readonly gateBias?: Piece;
  readonly up: Piece;
  readonly upBias?: Piece;
  readonly down: Piece;
  readonly downBias?: Piece;
}

/** MLPs of which a token is given some, as the router says. */
export interface Experts {
  /** (experts, d): scores, of what the MLP's norm gives. */
  readonly router: Piece;
  readonly routerBias?: Piece;
  /** In the order of the router's rows; none where their weights cannot be read. */
  readonly experts: readonly Mlp[];
  /** That every token is given. */
  readonly shared?: Mlp;
  /** (1, d): of how much the shared one counts. */
  readonly sharedGate?: Piece;
}

/** A part of a layer that is no function of the form that is compared, or whose weights cannot be read, and why. */
export interface Uncompared {
  /** Which part. */
  readonly part: 'attention' | 'mlp' | 'experts';
  /** Ends a sentence that begins with the part. */
  readonly reason: string;
}

export interface Attention {
  readonly heads: number;
  /** Heads of keys and values, each for `heads / groups` heads one after the other. */
  readonly groups: number;
  /** Of a head's query and key, and of its value. */
  readonly width: number;
  /** (heads · width, d), (groups · width, d), (groups · width, d), (d, heads · width). */
  readonly query: Piece;
  readonly key: Piece;
  readonly value: Piece;
  readonly output: Piece;
  readonly queryBias?: Piece;
  readonly keyBias?: Piece;
  readonly valueBias?: Piece;
  readonly outputBias?: Piece;
  /** Null: no rotary embedding. */
  readonly rotation: Rotation | null;
  /** Queries and keys are normalised, which is no bilinear form: what is compared is their form before that. */
  readonly normalised?: true;
  /** Scores get what the distance and the number of the head say (ALiBi), so that heads are not to be exchanged. */
  readonly slopes?: true;
}

/** Norms that stand before no block: behind one, within attention. */
export type OtherNorm = 'behindAttention' | 'behindMlp' | 'query' | 'key';

export interface LayerBlocks {
  /** Its number in the checkpoint. */
  readonly number: number;
  readonly attention?: Attention;
  readonly attentionNorm?: Norm;
  readonly mlp?: Mlp;
  readonly experts?: Experts;
  readonly mlpNorm?: Norm;
  readonly norms?: Readonly<Partial<Record<OtherNorm, Norm>>>;
  readonly uncompared?: readonly Uncompared[];
  /** Names of tensors that belong to the layer and to none of these: scales, sinks. */
  readonly others: readonly string[];
}

export interface BlockNetwork {
  /** The layout, as docs/guide/blocks.md lists them. */
  readonly layout: string;
  /** d, the width of the residual stream. */
  readonly width: number;
  readonly layers: readonly LayerBlocks[];
  readonly embedding?: Piece;
  /** Learned, (positions, d). */
  readonly positions?: Piece;
  /** Behind the embedding. */
  readonly embeddingNorm?: Norm;
  readonly finalNorm?: Norm;
  /** Absent where the embedding serves for it. */
  readonly unembedding?: Piece;
  readonly unembeddingBias?: Piece;
  /** Names of tensors that belong to no layer and to none of these. */
  readonly others: readonly string[];
}

/** All pieces of a part of a network, each under the role that it has there. */
export function* piecesIn(part: object | undefined, prefix = ''): Generator<[role: string, piece: Piece]> {
  for (const [role, value] of Object.entries(part ?? {})) {
    if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) continue;
    if ('tensor' in value) yield [`${prefix}${role}`, value as Piece];
    else yield* piecesIn(value, `${prefix}${role}.`);
  }
}

/** Those of a network that blocks are made of. */
export function allPieces({ layout: _, width: __, others: ___, ...parts }: BlockNetwork): Piece[] {
  return [...piecesIn(parts)].map(([, piece]) => piece);
}
