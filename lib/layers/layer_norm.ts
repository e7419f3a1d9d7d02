import { type NormOf, normKind } from './norm.js';

/** x ↦ (w + offset) ⊙ (x − mean x) / √(var x + ε) + b at every position; shapes as in `LayerNormLayer`. */
export interface LayerNormOf<T> extends NormOf<T> {
  /** Tells the kinds of layers apart. */
  readonly type: 'layer_norm';
}

export const layerNorm = normKind(
  'layer_norm',
  { adjective: 'layer norm', plural: 'layer norms', noun: 'a layer norm' },
  'layer norm',
);
