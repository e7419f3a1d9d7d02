import type { GramTile } from '../../backend/grams.js';
import type { Pacer } from '../../cooperate.js';
import type { ScaledTile } from '../scale/model_scale.js';
import type { Sampling } from '../terms/sampling.js';

/** What is known of two models beside their inner products: in all, then per output if asked for. */
export interface SampledPair {
  /** Distances and their errors are in units of 2^exponent. */
  readonly exponent: number;
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
export interface SampledGram extends GramTile, Partial<Pick<ScaledTile, 'exponents' | 'sliceExponents'>> {
  /** (n, n): of every similarity. */
  readonly standardError: Float64Array;
  /** (n, n, slices), if asked for. */
  readonly perOutputError?: Float64Array;
  readonly sampling: Sampling;
  /** Of two models. */
  readonly pair?: SampledPair;
}

/** Exponents of every two of some models, `size` times each: those of the cells of a tile. */
export function pairSums(exponents: readonly number[], size: number): Int32Array {
  return Int32Array.from(exponents.flatMap((u) => exponents.flatMap((v) => new Array<number>(size).fill(u + v))));
}

/**
 * Matrices of `models` different ones, one after the other in every cell, at the places of the models as they were given.
 */
export async function asGiven(
  matrices: readonly Float64Array[],
  models: number,
  places: readonly number[],
  pacer: Pacer,
): Promise<Float64Array> {
  const size = matrices.length;
  const all = new Float64Array(places.length ** 2 * size);
  let at = 0;
  for (const from of places) {
    for (const to of places) {
      for (const matrix of matrices) all[at++] = matrix[from * models + to];
      if (pacer.due(size)) await pacer.pause();
    }
  }
  return all;
}
