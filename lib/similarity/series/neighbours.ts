import { TensimError } from '../../errors.js';
import type { Matrix } from '../terms/types.js';

/** A model and how near it is. */
export interface Neighbour {
  /** Index of the model. */
  readonly index: number;
  /** To the model that was asked about. */
  readonly similarity: number;
}

/**
 * The models most similar to model `index`, the nearest first and of equals the first; not itself, and none whose
 * similarity is undefined.
 *
 *     nearestNeighbours(matrix.cosine, 31, 3); // [{ index: 32, similarity: 0.99 }, …]
 *
 * @param cosine similarities, N×N.
 * @param count how many at most, a whole number; default: all.
 * @throws TensimError `INVALID_ARGUMENT` if there is no such model, or for a count that is none.
 */
export function nearestNeighbours(cosine: Matrix, index: number, count?: number): Neighbour[] {
  const row = Number.isSafeInteger(index) ? cosine[index] : undefined;
  if (row === undefined) {
    throw new TensimError('INVALID_ARGUMENT', `there is no model ${String(index)}`, {
      hint: `Models are numbered from 0 to ${cosine.length - 1}`,
    });
  }
  if (count !== undefined && !(Number.isSafeInteger(count) && count >= 0)) {
    throw new TensimError('INVALID_ARGUMENT', `${String(count)} is no number of neighbours`, {
      hint: 'Give a whole number from 0, or leave it out for all',
    });
  }
  return Array.from(row, (similarity, i) => ({ index: i, similarity }))
    .filter((neighbour) => neighbour.index !== index && !Number.isNaN(neighbour.similarity))
    .sort((a, b) => b.similarity - a.similarity)
    .slice(0, count);
}
