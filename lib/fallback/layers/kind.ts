import type { Pacer } from '../../cooperate.js';
import type { Typed } from '../../layers/kind.js';
import type { LinearLayer } from '../../model/model.js';
import type { Covariance, Pairs, PerPosition, Term } from '../gaussian/covariance.js';
import type { Rows } from '../model/rows.js';

/** What a kind of layer does in the fallback: its room there. Layers that methods are given are of this kind only. */
export interface FallbackLayer {
  /**
   * The forward pass (MATH.md section 1) of every row, positions of all inputs one after the other. It may write over
   * nothing but its result.
   */
  forward(layer: Typed, x: Rows, positions: number, pacer: Pacer): Promise<Rows>;
  /** What it gives for one-hot vectors, for kinds that take tokens. */
  gather?(layer: Typed, tokens: Int32Array): Rows;
  /** How it passes through the Gaussian closure, for blocks that the method takes. */
  readonly closure?: ClosureKind;
}

/**
 * A kind of block in the Gaussian closure (MATH.md section 6). A step is a block with the linear layers behind it, if
 * they are folded in, and what its own input makes of it.
 */
export interface ClosureKind {
  /** @param mean,cov of the input, of every position, or of one that stands for all. */
  prepare(
    layer: Typed,
    after: readonly LinearLayer[],
    mean: PerPosition<Float64Array>,
    cov: Covariance,
    pacer: Pacer,
  ): Promise<{ step: Typed; mean: PerPosition<Float64Array> }>;
  /** Features that a step gives. */
  outputs(step: Typed): number;
  /** The terms of Cov(out_s, out'_t) of two steps of this kind for the pairs asked for, in their order. */
  terms(a: Typed, b: Typed, cov: Covariance, pairs: Pairs, pacer: Pacer): Promise<Term[][]>;
  /** The terms of Cov(out_s, x'_t), the other chain waiting at x'. */
  waiting(a: Typed, cov: Covariance, pairs: Pairs, pacer: Pacer): Promise<Term[][]>;
}
