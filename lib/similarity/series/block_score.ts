import { TensimError } from '../../errors.js';
import type { Matrix } from '../terms/types.js';

/**
 * How clearly a series changes at a step: the mean similarity over the pairs of later models, minus that over the pairs
 * of an earlier with a later one. Near 0 nothing happens there; a new phase that is like itself and unlike what was
 * before comes near 1, or 2 where signs turn. Pairs whose similarity is undefined are left out; NaN if none is left on
 * one of the sides.
 *
 *     earlier │ across
 *     ────────┼───────
 *             │ later
 *
 *     blockScore(matrix.cosine, matrix.labels.indexOf('step_06200'));
 *
 * @param cosine similarities, N×N.
 * @param start index of the first later model, from 1 to N − 1.
 * @throws TensimError `INVALID_ARGUMENT` for a start that leaves no model on one of the sides.
 */
export function blockScore(cosine: Matrix, start: number): number {
  if (!(Number.isSafeInteger(start) && start >= 1 && start < cosine.length)) {
    throw new TensimError('INVALID_ARGUMENT', `a later block cannot start at model ${String(start)}`, {
      hint: `Models before and after it are needed: give 1 to ${cosine.length - 1}`,
    });
  }
  const later = { sum: 0, pairs: 0 };
  const across = { sum: 0, pairs: 0 };
  for (let j = start; j < cosine.length; j++) {
    for (let i = 0; i < j; i++) {
      const similarity = cosine[i][j];
      if (Number.isNaN(similarity)) continue;
      const block = i < start ? across : later;
      block.sum += similarity;
      block.pairs++;
    }
  }
  return later.sum / later.pairs - across.sum / across.pairs;
}
