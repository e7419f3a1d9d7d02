import { type NormOf, normKind } from './norm.js';

/** x ↦ (w + offset) ⊙ x / √(mean x² + ε) + b at every position; shapes as in `RmsNormLayer`. */
export interface RmsNormOf<T> extends NormOf<T> {
  /** Tells the kinds of layers apart. */
  readonly type: 'rms_norm';
}

export const rmsNorm = normKind(
  'rms_norm',
  { adjective: 'RMS norm', plural: 'RMS norms', noun: 'an RMS norm' },
  'RMS norm',
);
