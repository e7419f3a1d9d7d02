import type { BlocksResult, LayerComparison } from '../../lib/blocks/terms.js';

const EQUAL = { cosine: 1, nmse: 0, equal: true } as const;

/** A layer of two heads that answer each other. */
export function layerOf(layer: number, similarity: number, changes: Partial<LayerComparison> = {}): LayerComparison {
  return {
    layer,
    mlp: {
      input: 'standard',
      ...{ similarity, fidelityError: 2 * (1 - similarity), exact: true, standardError: null },
      byDegree: {
        parts: (['constant', 'linear', 'quadratic', 'higher'] as const).map((name, i) => ({
          ...{ name, similarity: i === 3 ? null : similarity, innerProduct: 1, shareA: 0.25, shareB: 0.25 },
        })) as never,
        centred: similarity,
      },
    },
    attention: {
      input: 'standard',
      heads: [
        { head: 0, answeredBy: 1, qk: 0.5, ov: 0.75 },
        { head: 1, answeredBy: 0, qk: null, ov: 1 },
      ],
      ov: { similarity: 1, fidelityError: 0 },
    },
    weights: { cosine: 0.999, nmse: 0.002, equal: false },
    ...changes,
  };
}

export function blocksOf(changes: Partial<BlocksResult> = {}): BlocksResult {
  const subject = { sha256: '0123456789abcdef'.repeat(4), layout: 'llama', left: [], settings: {} };
  return {
    kind: 'blocks',
    a: { ...subject, path: 'base' },
    b: { ...subject, path: 'tuned', layout: 'gguf', left: ['scale'] },
    width: 64,
    input: 'standard',
    window: 64,
    alignment: 'heads',
    layers: [layerOf(0, 0.999), layerOf(1, 0.25), layerOf(2, 1 - 1e-14)],
    embedding: EQUAL,
    worst: { layer: 1, part: 'mlp', similarity: 0.25 },
    impression: { kind: 'patch', words: 'It looks like a patch: layer 1 changed.', layers: [1] },
    backend: 'native',
    ...changes,
  };
}
