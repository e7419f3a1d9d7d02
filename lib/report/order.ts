import type { SimilarityMatrix } from '../similarity/terms/types.js';

export { hasOrder } from '../similarity/series/leaves.js';

const SETS = {
  seeds: 'A set of models of different seeds, and no series',
  settings: 'A set of models that differ in several numbers at once, and no series',
  said: 'A set of models, and no series',
} as const;

/** Why models are a set and no series. */
export function reasonOfSet({ order }: Pick<SimilarityMatrix, 'order'>): string {
  return order?.by === 'set' ? SETS[order.why] : 'Nothing says which model comes after which';
}

/** What the order rests on, where it was found and not given. */
export function orderSentence({ order, labels }: Pick<SimilarityMatrix, 'order' | 'labels'>): string[] {
  if (order === undefined || labels.length < 2) return [];
  switch (order.by) {
    case 'metadata':
      return [`In the order of "${order.key}" in their metadata.`];
    case 'names':
      return ['In the order of the numbers in their names.'];
    case 'said':
      return ['In the order that was given.'];
    case 'none':
      return [
        'In alphabetical order, as nothing says which comes after which: not all metadata have a step, nor all names a number. Changes from one to the next would mean nothing and are not told.',
      ];
    case 'set':
      return [`${reasonOfSet({ order })}: changes from one to the next would mean nothing and are not told.`];
  }
}
