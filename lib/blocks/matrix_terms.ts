import type { BlockSubject, BlocksResult } from './terms.js';

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
export interface BlocksMatrix
  extends Pick<BlocksResult, 'width' | 'input' | 'window' | 'alignment' | 'backend' | 'mlpBackends'> {
  /** Tells this result from others. */
  readonly kind: 'blocks-matrix';
  /** In the order of rows and columns. */
  readonly networks: readonly (BlockSubject & {
    /** Its name in the matrix. */
    readonly label: string;
  })[];
  /** In the order of the first network. */
  readonly layers: readonly LayerMatrices[];
}
