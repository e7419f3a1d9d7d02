import type { DType } from '../tensor/tensor.js';
import type { Strategy } from './cost.js';

/**
 * A contraction, fully resolved: what an executor does, without a label or an equation. Plain data, all offsets and
 * strides in elements. Executing it is
 *
 *     allocate the output buffer; fill it with zeros if output.zero
 *     run every step of `once`
 *     for each combination of the loops in `slices`, the last fastest:        (a single pass if there are none)
 *       run every step of `steps`
 *
 * and running a step is, for every combination (x, y, z, w) of its loops,
 *
 *     out[x y z] = (accumulate: out[x y z] +) Σ_w a[x y w] · b[x z w]        x batch, y left, z right, w contracted
 *
 * then freeing the buffers in `release`. Buffers are allocated at their first use and need no initial value.
 */
export interface ContractionPlan {
  /** Changes when this format does. */
  readonly version: 1;
  /** Of the operands, the intermediates and the result. */
  readonly dtype: DType;
  readonly strategy: Strategy;
  readonly operands: readonly OperandLayout[];
  /** The operands first, in their order; then intermediates; the output last. */
  readonly buffers: readonly BufferSpec[];
  readonly slices: readonly Slice[];
  /** Steps that no slice changes. Buffers they leave behind live until the end. */
  readonly once: readonly PlanStep[];
  readonly steps: readonly PlanStep[];
  readonly output: OutputSpec;
  /**
   * Keep every intermediate within range: the true value of buffer i is data · 2^exponent. Before a step reads a
   * buffer, its values count as scaled by the power of two that brings the largest into [0.5, 1); the exponents of the
   * inputs add up to that of the result. An accumulating step first brings both sides to the larger exponent. At the
   * end the output is scaled so that its largest magnitude is in [0.5, 1), and its exponent is part of the result.
   */
  readonly stripExponent: boolean;
  /** Index combinations of all steps and slices together: the unit of progress. */
  readonly points: number;
  /** Operations of all steps and slices together. */
  readonly flops: number;
  /** Bytes read and written by all steps and slices together. */
  readonly bytes: number;
  /** Largest number of bytes alive at once: intermediates, output and workspace, without the operands. */
  readonly peakBytes: number;
  /** By the cost model. */
  readonly seconds: number;
}

/** How the data of an operand must be laid out for this plan. */
export interface OperandLayout {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  /** Place of the element with all indices 0. Not 0 only where a stride is negative. */
  readonly offset: number;
  /** Elements the data must have at least. */
  readonly elements: number;
}

export interface BufferSpec {
  readonly kind: 'operand' | 'intermediate' | 'output';
  readonly elements: number;
}

/**
 * An outer loop over `count` parts of a label: part i covers the indices i·chunk … min((i+1)·chunk, size) − 1. The last
 * part may be shorter; then loops over the label name the slice (`Loop.slice`).
 */
export interface Slice {
  /** The label, as it is written. */
  readonly name: string;
  /** Its extent. */
  readonly size: number;
  /** Extent of a part. */
  readonly chunk: number;
  /** How many parts. */
  readonly count: number;
}

export interface OutputSpec {
  readonly buffer: number;
  readonly shape: readonly number[];
  /** Zeros before the first step: slices accumulate into it, or there is no step at all. */
  readonly zero: boolean;
}

/** A strided view: element 0 is at offset + Σ_s part_s · sliceStrides[s], part_s the current part of slice s. */
export interface View {
  readonly buffer: number;
  readonly offset: number;
  /** One per slice of the plan. */
  readonly sliceStrides: readonly number[];
}

/**
 * A loop of a step: adjacent labels that are contiguous in all views of the step are one loop. A stride is 0 where a
 * view does not have the label.
 */
export interface Loop {
  readonly size: number;
  readonly strideA: number;
  readonly strideB: number;
  readonly strideOut: number;
  /** −1, or the slice whose current part gives the size: `size` except in a shorter last part. */
  readonly slice: number;
}

/**
 * | kernel | the step |
 * |---|---|
 * | `gemm` | contracted loops; packed, blocked |
 * | `small` | all of m, n, k at most 32: without packing |
 * | `gemv` | m = 1 or n = 1 |
 * | `dot` | m = n = 1 |
 * | `multiply` | no contracted loops: element-wise with broadcasting, outer products; all loops are in `batch` |
 * | `reduce` | one input: sums over `contracted` |
 * | `copy` | one input, nothing to sum |
 */
export type Kernel = 'gemm' | 'small' | 'gemv' | 'dot' | 'multiply' | 'reduce' | 'copy';

export interface PlanStep {
  readonly kernel: Kernel;
  readonly a: View;
  /** null for `reduce` and `copy`. */
  readonly b: View | null;
  readonly out: View;
  /** Loops of each bundle, outermost first: by falling stride in the output, contracted ones in a. */
  readonly batch: readonly Loop[];
  readonly left: readonly Loop[];
  readonly right: readonly Loop[];
  readonly contracted: readonly Loop[];
  readonly accumulate: boolean;
  /** Buffers that no later step of the pass reads. */
  readonly release: readonly number[];
  /** Bytes the executor may allocate for the step itself, as it declared them in `Machine.workspaceBytes`. */
  readonly workspaceBytes: number;
  /** Per execution with full slices. */
  readonly points: number;
  readonly flops: number;
  readonly bytes: number;
  /** For people: `hi,ki->hk`. */
  readonly text: string;
}

/** The product of the sizes of loops. */
export function loopSize(loops: readonly Loop[]): number {
  return loops.reduce((size, loop) => size * loop.size, 1);
}
