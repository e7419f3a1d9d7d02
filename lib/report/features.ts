import type { FeatureSimilarity } from '../similarity/features.js';
import { SCHEMAS } from './schemas.js';

/** A comparison of features as plain data, the contract `tensim.features/1`. */
export function featuresJson({ a, b, similarity, between, within }: FeatureSimilarity): Record<string, unknown> {
  return { schema: SCHEMAS.features, a, b, similarity, between, within };
}
