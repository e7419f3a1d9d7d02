import { timesPower } from '../../tensor/power.js';
import type { Precision } from '../../tensor/tensor.js';
import { cosine, distance, type GramEntry, norm } from '../gram/derived.js';
import type { PairDifference } from '../terms/results.js';
import { gramResolution, linearResolution } from './resolution.js';

/**
 * Squared distances below this part of ‖a‖² + ‖b‖² come from the difference itself: expanded in a Gram matrix in double
 * precision they lose three digits and more.
 */
export const NEAR = 1e-3;

/** Both models of an entry in the same units: u = v. What is beyond them is zero beside the other. */
export function inOneUnit({ aa, ab, bb, u, v }: GramEntry): GramEntry {
  if (u === v) return { aa, ab, bb, u, v };
  const most = Math.max(u, v);
  const [x, y] = [u - most, v - most];
  return { aa: timesPower(aa, 2 * x), ab: timesPower(ab, x + y), bb: timesPower(bb, 2 * y), u: most, v: most };
}

/**
 * What two models differ by, from inner products of some precision; NaN and null where these are NaN.
 */
export function expanded(entry: GramEntry, precision: Precision): PairDifference {
  const { aa, ab, bb, u } = inOneUnit(entry);
  const away = distance(ab, aa, bb);
  const similarity = cosine(entry.ab, entry.aa, entry.bb);
  return {
    distance: timesPower(away, u),
    distanceResolution: timesPower(gramResolution(aa, bb, precision), u),
    dissimilarity: Number.isNaN(similarity) ? null : 1 - similarity,
    ...relativeTo(Math.sqrt(entry.aa), away, u - entry.u),
  };
}

/** A distance, in units of 2^exponent, in the measure of the norm of the reference. */
export function relativeTo(
  norm: number,
  away: number,
  exponent = 0,
): Pick<PairDifference, 'fidelityError' | 'relativeDistance'> {
  if (!(norm > 0)) return { fidelityError: null, relativeDistance: null };
  const relativeDistance = timesPower(away / norm, exponent);
  return { fidelityError: relativeDistance ** 2, relativeDistance };
}

/**
 * What two models differ by in samples, of which the distance comes from the differences of outputs.
 * @param away ‖a − b‖ in units of 2^exponent.
 */
export function sampledDifference(
  entry: GramEntry,
  away: number,
  exponent: number,
  precision: Precision,
): PairDifference {
  const plain = expanded(entry, precision);
  const normA = timesPower(norm(entry.aa), entry.u - exponent);
  const normB = timesPower(norm(entry.bb), entry.v - exponent);
  const near = away ** 2 <= NEAR * (normA ** 2 + normB ** 2);
  const rest = (away - (normA - normB)) * (away + (normA - normB));
  return {
    distance: timesPower(away, exponent),
    distanceResolution: away === 0 ? 0 : timesPower(linearResolution(Math.hypot(normA, normB), precision), exponent),
    dissimilarity: near && plain.dissimilarity !== null ? Math.max(0, rest / (2 * normA * normB)) : plain.dissimilarity,
    ...relativeTo(norm(entry.aa), away, exponent - entry.u),
  };
}
