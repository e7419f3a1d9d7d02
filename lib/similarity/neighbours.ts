import { TensimError } from '../errors.js';
import type { Matrix } from './types.js';

export interface Neighbour {
  /** Index of the model. */
  readonly index: number;
  readonly similarity: number;
}

/**
 * The models most similar to model `index`, the nearest first and of equals the first; not itself, and none whose similarity is
 * undefined.
 *
 * @param cosine similarities, N×N.
 * @param count how many at most; default: all.
 * @throws TensimError `INVALID_ARGUMENT` if there is no such model.
 */
export function nearestNeighbours(cosine: Matrix, index: number, count = Number.POSITIVE_INFINITY): Neighbour[] {
  const row = cosine[index];
  if (row === undefined) {
    throw new TensimError('INVALID_ARGUMENT', `there is no model ${String(index)}`, {
      hint: `Models are numbered from 0 to ${cosine.length - 1}`,
    });
  }
  return Array.from(row, (similarity, i) => ({ index: i, similarity }))
    .filter((neighbour) => neighbour.index !== index && !Number.isNaN(neighbour.similarity))
    .sort((a, b) => b.similarity - a.similarity)
    .slice(0, count);
}
