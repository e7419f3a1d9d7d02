import type { GramTile } from '../../backend/backend.js';
import type { Sampling } from '../sampling.js';

/** What is known of two models beside their inner products: in all, then per output if asked for. */
export interface SampledPair {
  /** ‖f − g‖ from the differences of outputs: as exact as these are. */
  readonly distance: Float64Array;
  readonly distanceError: Float64Array;
  readonly innerProductError: Float64Array;
  readonly normAError: Float64Array;
  readonly normBError: Float64Array;
  readonly effectiveSamples: Float64Array;
  /** Half the width of the 95 % interval of the similarity. */
  readonly interval: Float64Array;
  /** Whether samples enough carry it to rely on the interval. */
  readonly trusted: readonly boolean[];
}

/** A Gram matrix estimated from samples. */
export interface SampledGram extends GramTile {
  /** (n, n): of every similarity. */
  readonly standardError: Float64Array;
  /** (n, n, slices), if asked for. */
  readonly perOutputError?: Float64Array;
  readonly sampling: Sampling;
  /** Of two models. */
  readonly pair?: SampledPair;
}
