import type { BackendName } from '../backend/backend.js';
import type { Matrix, Progress, SimilarityOptions } from '../similarity/terms/types.js';
import type { DType } from '../tensor/tensor.js';
import type { AdapterKind } from './config.js';

/** How adapters are compared. */
export interface AdapterMatrixOptions extends Pick<SimilarityOptions, 'backend' | 'threads' | 'signal'> {
  /**
   * Compute type, default `'float64'`. Factors of 16 bits lose nothing but the last digits of their sums in `'float32'`,
   * which takes half the time or less.
   */
  readonly dtype?: DType | undefined;
  /**
   * Bytes that factors may take in memory as they are stored, default 1.25 GiB. Those of more adapters are read more than
   * once.
   */
  readonly memoryLimit?: number | undefined;
  /** Counts pairs of adapters, module by module. */
  readonly onProgress?: ((progress: Pick<Progress, 'done' | 'total'>) => void) | undefined;
}

/** An adapter that was compared. */
export interface AdapterSubject {
  /** Its name in the matrix. */
  readonly label: string;
  /** As the caller gave it. */
  readonly file: string;
  /** `LoRA`, `rsLoRA`, … */
  readonly kind: AdapterKind;
  /** The largest of its modules. */
  readonly rank: number;
  /** By what B A is multiplied in most of its modules. */
  readonly scale: number;
  /** Weights that it changes. */
  readonly modules: number;
}

/** What adapters change, each compared with each: all their ΔW = s · B A as one vector. */
export interface AdapterMatrix {
  /** Tells this result from others. */
  readonly kind: 'adapters';
  /** Names of the adapters, in the order of rows and columns. */
  readonly labels: readonly string[];
  /** In the order of rows and columns. */
  readonly adapters: readonly AdapterSubject[];
  /** Weights that one adapter at least changes. */
  readonly modules: number;
  /** Σ ⟨ΔWᵢ, ΔWⱼ⟩ over all weights, Frobenius. */
  readonly gram: Matrix;
  /** NaN where an adapter is zero. */
  readonly cosine: Matrix;
  /** The type that was computed in. */
  readonly dtype: DType;
  /** Who computed. */
  readonly backend: BackendName;
  /** What was left out, and what was taken for granted. */
  readonly notes: readonly string[];
}
