import type { LoadOptions } from '../model/reading/load.js';
import type { Progress, SimilarityOptions } from '../similarity/terms/types.js';

/** How two networks, or a merge, are verified. */
export interface VerifyOptions
  extends Pick<SimilarityOptions, 'backend' | 'threads'>,
    Pick<LoadOptions, 'config' | 'key' | 'ignore' | 'model' | 'signal'> {
  /**
   * How many times the best error that its format allows a quantised tensor may have; at least 1. A block by itself is a
   * fault only where it lost half of its norm and four times as much again. Default 3.
   */
  readonly tolerance?: number | undefined;
  /** Counts layers, or tensors where these are in no layers. */
  readonly onProgress?: ((progress: Pick<Progress, 'done' | 'total'>) => void) | undefined;
}
