import { TensimError } from '../../errors.js';
import { plainly } from '../terms/plain.js';
import type { Matrix, SimilarityMatrix } from '../terms/types.js';
import { blockScore } from './block_score.js';
import { correlation } from './correlation.js';

/** Matrices of the same models by several measures, side by side. */
export interface MeasureComparison {
  /** Which kind of result it is. */
  readonly kind: 'measures';
  /** As they were given. */
  readonly matrices: readonly SimilarityMatrix[];
  /** Pearson's correlation between the similarities of every two matrices; NaN where one is constant. */
  readonly correlation: Matrix;
  /** How clearly each matrix changes at a step, if one was given: see `blockScore`. */
  readonly block: {
    /** Index of the first model after the step. */
    readonly start: number;
    /** One per matrix. */
    readonly scores: readonly number[];
  } | null;
}

/**
 * Puts matrices of the same models side by side.
 *
 *     const matrices = [];
 *     for (const measure of ['gaussian', 'weights']) matrices.push(await similarityMatrix(models, { measure }));
 *     compareMeasures(matrices, 31).block.scores;
 *
 * @param start index of the first model after the step that block scores are wanted for; null: none.
 * @throws TensimError `INVALID_ARGUMENT` without matrices, `SHAPE_MISMATCH` if their models are not the same; as
 * `blockScore`.
 */
export function compareMeasures(matrices: readonly SimilarityMatrix[], start: number | null = null): MeasureComparison {
  const [first, ...others] = matrices;
  if (first === undefined) throw new TensimError('INVALID_ARGUMENT', 'there is no matrix to compare');
  for (const { labels, measure } of others) {
    if (labels.length === first.labels.length && labels.every((label, i) => label === first.labels[i])) continue;
    throw new TensimError('SHAPE_MISMATCH', `the matrices by "${first.measure}" and "${measure}" are of other models`);
  }
  const correlations = matrices.map(() => new Float64Array(matrices.length));
  for (const [i, a] of matrices.entries()) {
    for (let j = i; j < matrices.length; j++) {
      const value = i === j ? 1 : correlation(a.cosine, matrices[j].cosine);
      correlations[i][j] = value;
      correlations[j][i] = value;
    }
  }
  const scores = start === null ? null : matrices.map(({ cosine }) => blockScore(cosine, start));
  const block = start === null || scores === null ? null : { start, scores };
  return plainly<MeasureComparison>({ kind: 'measures', matrices, correlation: correlations, block });
}
