import { cosine, norm } from '../gram/derived.js';
import { type Known, watchedPairs } from './monitor.js';

/** What a stage knows, which the samples of the next are held against: by slice, (functions, functions) each. */
export interface Basis {
  readonly samples: number;
  /** Of inner products. */
  readonly means: readonly Float64Array[];
  /** Standard errors of similarities, and what these are without being widened. */
  readonly errors: readonly Float64Array[];
  readonly plainErrors: readonly Float64Array[];
}

/** Of so many models; of two, also of their difference. */
export const functionsOf = (models: number): number => (models === 2 ? 3 : models);

/** What is known of watched pairs, by slice. */
export function knownOf({ means }: Basis, functions: number, models: number): readonly (readonly Known[])[] {
  return watchedPairs(models).map(([i, j]) =>
    means.map((own) => ({
      cosine: cosineIn(own, functions, i, j),
      normA: norm(own[i * (functions + 1)]),
      normB: norm(own[j * (functions + 1)]),
    })),
  );
}

/** The similarity of models i and j by the means of a slice. */
export function cosineIn(means: Float64Array, functions: number, i: number, j: number): number {
  return cosine(means[i * functions + j], means[i * (functions + 1)], means[j * (functions + 1)]);
}
