import {
  additive,
  attentionAt,
  attentionWeights,
  biasOf,
  countLayers,
  type Family,
  linearAt,
  matchNames,
} from './family.js';

const LAYER = /^layers\.(0|[1-9]\d*)\./;
const ENERGY = 'final_norm.running_mean_energy';

/**
 * A token model of quadratic attention only, x ← x + s·attention(x). Tensors `embed.weight` (V, d), whose rows are the
 * tokens, `layers.{i}.{q1,k1,q2,k2,v,o}.weight` (or q, k alone) with optional biases, `unembed.weight` (V, d). A final
 * normalisation by a mean energy e fixed after training, `final_norm.running_mean_energy`, is the factor (e + 10⁻⁶)^−½
 * on the unembedding. Settings `n_head`, `n_ctx`, `mask`, `attn_scale` (s), `rotary_base`.
 */
export const attention: Family = {
  name: 'attention',
  looksFor: 'embed.weight, layers.{i}.{q1,k1,q2,k2,v,o}.weight, unembed.weight',
  match(tensors) {
    const layers = Array.from({ length: countLayers(tensors, LAYER) }, (_, index) =>
      attentionWeights(`layers.${index}`, tensors),
    ).flat();
    return matchNames(tensors, ['embed.weight', ...layers, 'unembed.weight'], [...layers.map(biasOf), ENERGY]);
  },
  blueprint(tensors, settings) {
    const positions = settings.context();
    const residual = additive(settings.scale('attn_scale'));
    const layers = Array.from({ length: countLayers(tensors, LAYER) }, (_, index) =>
      attentionAt(`layers.${index}`, tensors, settings, residual),
    );
    const { weight, ...unembed } = linearAt('unembed', tensors);
    return {
      family: 'attention',
      positions,
      layers: [
        { type: 'linear', weight: { tensor: 'embed.weight', transposed: true } },
        ...layers,
        { ...unembed, weight: tensors.has(ENERGY) ? { ...weight, energy: ENERGY } : weight },
      ],
    };
  },
};
