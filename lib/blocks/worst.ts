import type { LayerComparison, WorstBlock } from './terms.js';

/** Similarities closer to 1 than this, and smaller fidelity errors, say that two blocks are one function. */
export const SAME = 1e-12;

/** The part with the lowest similarity; null where all are one function. */
export function worstOf(layers: readonly LayerComparison[]): WorstBlock | null {
  let worst: WorstBlock | null = null;
  const consider = (layer: number, part: WorstBlock['part'], similarity: number | null | undefined) => {
    if (similarity === null || similarity === undefined || similarity > 1 - SAME) return;
    if (worst === null || similarity < worst.similarity) worst = { layer, part, similarity };
  };
  for (const { layer, mlp, experts, attention } of layers) {
    consider(layer, 'mlp', mlp?.similarity);
    for (const one of experts?.experts ?? []) consider(layer, 'expert', one.mlp?.similarity);
    consider(layer, 'expert', experts?.shared?.similarity);
    consider(layer, 'router', experts?.router?.similarity);
    consider(layer, 'ov', attention?.ov?.similarity);
    consider(layer, 'qk', meanOf(attention?.heads.map(({ qk }) => qk) ?? []));
  }
  return worst;
}

/** The mean of those that are known; null where none is. */
export function meanOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
}
