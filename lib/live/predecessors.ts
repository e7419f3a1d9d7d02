import { hasOrder } from '../report/order.js';
import { check, type GateCheck } from '../similarity/gate/gate.js';
import type { SimilarityMatrix } from '../similarity/terms/types.js';

/** A model held against the one before it. */
export interface Judged extends GateCheck {
  readonly from: string;
  readonly to: string;
}

/**
 * Holds models against those before them in the series, as the gate holds a candidate against its reference: what is
 * undefined fails, and what is sampled and too near to the limit to tell is undecided. The first of a series has none
 * before it.
 * @param places of the models in the matrix
 */
export function judgePredecessors(matrix: SimilarityMatrix, places: readonly number[], min: number): Judged[] {
  if (!hasOrder(matrix)) return [];
  const { labels, cosine, cosineError, sampling } = matrix;
  return places
    .filter((place) => place > 0)
    .map((place) => {
      const similarity = cosine[place - 1][place];
      const standardError = cosineError === undefined ? null : cosineError[place - 1][place];
      const held = check('minimum', null, { similarity, standardError, reached: sampling?.reached ?? true }, min);
      return { ...held, from: labels[place - 1], to: labels[place] };
    });
}
