import type { DType } from '../tensor/tensor.js';

/** Kinds of work, which machines do at different shares of their rate. */
export type WorkKind = 'pairs' | 'vectors' | 'closure' | 'units' | 'samples';

/**
 * What a task is expected to take before it is begun, for the choice between machines: it follows from the sizes of the
 * models alone.
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
  /** Bytes without which nothing can be computed: two models. */
  readonly held: number;
  /** As in `Control`. */
  readonly threads?: number | undefined;
}
