import type { DType } from '../tensor/tensor.js';

/** Kinds of work, which machines do at different shares of their rate. */
export type WorkKind = 'pairs' | 'vectors' | 'closure' | 'units' | 'samples' | 'outputs' | 'contraction';

/**
 * What a task is expected to take before it is begun, for the choice between machines: it follows from sizes alone.
 */
export interface Work {
  readonly kind: WorkKind;
  readonly dtype: DType;
  /** Of everything that is left to the backend, multiply and add as two. */
  readonly flops: number;
  /** Flops on the processor whatever the backend: preparing models. */
  readonly hostFlops: number;
  /** Bytes that are handed over, once. */
  readonly bytes: number;
  /** Bytes that steps read and write in the memory of the machine, where it is these that take time. Default: 0. */
  readonly moved?: number | undefined;
  /**
   * Parts that devices can share, of a machine of so many flops per second: tiles of a matrix. Default: it is one whole.
   */
  readonly tilesAt?: ((flopsPerSecond: number) => number) | undefined;
  /** Bytes without which nothing can be computed: two models, or all that a contraction needs. */
  readonly held: number;
  /** As in `Control`. */
  readonly threads?: number | undefined;
}
