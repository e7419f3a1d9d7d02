import type { PairDifference, SimilarityResult } from '../similarity/terms/types.js';
import { amountText } from '../words/numbers.js';

/** 1 − similarity is told by itself where a similarity shows little of it. */
const ALIKE = 0.01;

/** A distance, "< 1.2e-8" where it is less than could be told from zero. */
export function distanceText({ distance, distanceResolution }: PairDifference): string {
  return distance < distanceResolution ? `< ${amountText(distanceResolution, 2)}` : amountText(distance);
}

/** What two models differ by, as rows of a name and a value. */
export function differenceRows(result: SimilarityResult): [string, string][] {
  const { dissimilarity, distance, distanceResolution, fidelityError, relativeDistance, normA, normB } = result;
  const told = distance >= distanceResolution;
  const least = distanceResolution / normA;
  const amount = (value: number, bound: number) => (told ? amountText(value) : `< ${amountText(bound, 2)}`);
  const rest: [string, string] = ['1 − similarity', amount(dissimilarity, (least * (distanceResolution / normB)) / 2)];
  return [
    ...(dissimilarity < ALIKE && distance > 0 ? [rest] : []),
    ['distance', distanceText(result)],
    ['fidelity error', `${amount(fidelityError, least ** 2)} (relative distance ${amount(relativeDistance, least)})`],
  ];
}

/** The inner product and the norms, those beyond the range of numbers as powers of two. */
export function amountsText({ innerProduct, normA, normB, beyondRange }: SimilarityResult) {
  if (beyondRange === undefined) {
    return { innerProduct: amountText(innerProduct), normA: amountText(normA), normB: amountText(normB) };
  }
  const power = (level: number) => `2^${level.toFixed(1)}`;
  return {
    innerProduct: 'beyond the range of numbers',
    normA: power(beyondRange.log2NormA),
    normB: power(beyondRange.log2NormB),
  };
}
