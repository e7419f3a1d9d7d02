import type { FormExplanation } from '../../lib/similarity/explain/types.js';

/** What is said of every explanation. */
export const info = {
  measure: 'gaussian',
  method: 'exact',
  exact: true,
  route: null,
  estimates: [],
  standardError: null,
  sampling: null,
  input: 'standard',
  dtype: 'float64',
  backend: 'native',
} as const;

/** A vector over six inputs with these entries. */
export const along = (...entries: readonly [index: number, value: number][]) => {
  const vector = new Float64Array(6);
  for (const [index, value] of entries) vector[index] = value;
  return vector;
};

/** Two models that differ in forms over six inputs. */
export const formsOf = (changes: Partial<FormExplanation> = {}): FormExplanation => ({
  ...info,
  kind: 'forms',
  a: 'step_100',
  b: 'step_200',
  similarity: 0.9,
  distance: 2.5,
  fidelityError: 0.25,
  relativeDistance: 0.5,
  normA: 5,
  normB: 6,
  inputs: 6,
  shares: Float64Array.of(0.25, 0.7, 0.05),
  parts: { quadratic: 0.9, linear: 0.1, mean: 0 },
  joint: {
    directions: [{ value: 3, share: 0.8, vector: along([5, 0.8], [2, -0.6]) }],
    energy: along([5, 0.64], [2, 0.36]),
  },
  outputs: [
    {
      output: 1,
      share: 0.7,
      parts: { quadratic: 0.8, linear: 0.2, mean: 0 },
      directions: [
        { value: -4, share: 0.75, vector: along([5, 0.8], [2, -0.6]) },
        { value: 2, share: 0.25, vector: along([0, 1]) },
      ],
      linear: along([3, 1]),
    },
    { output: 0, share: 0.25, parts: { quadratic: 1, linear: 0, mean: 0 }, directions: [], linear: null },
  ],
  ...changes,
});
