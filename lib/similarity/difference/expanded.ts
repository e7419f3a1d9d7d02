import type { DType } from '../../tensor/tensor.js';
import { cosine, distance } from '../derived.js';
import type { PairDifference } from '../results.js';
import { gramResolution } from './resolution.js';

/** ⟨a,a⟩, ⟨a,b⟩ and ⟨b,b⟩. */
export type GramEntry = readonly [aa: number, ab: number, bb: number];

/** What two models differ by, from inner products of the dtype they were computed in; NaN and null where these are NaN. */
export function expanded([aa, ab, bb]: GramEntry, dtype: DType): PairDifference {
  const away = distance(ab, aa, bb);
  const similarity = cosine(ab, aa, bb);
  return {
    distance: away,
    distanceResolution: gramResolution(aa, bb, dtype),
    dissimilarity: Number.isNaN(similarity) ? null : 1 - similarity,
    ...relativeTo(Math.sqrt(aa), away),
  };
}

/** A distance in the measure of the norm of the reference. */
export function relativeTo(norm: number, away: number): Pick<PairDifference, 'fidelityError' | 'relativeDistance'> {
  if (!(norm > 0)) return { fidelityError: null, relativeDistance: null };
  const relativeDistance = away / norm;
  return { fidelityError: relativeDistance ** 2, relativeDistance };
}
