import type { BilinearOf } from '../../layers/layer.js';
import type { Place } from '../../layers/place.js';
import { additive, biasOf, countLayers, type Family, linearAt, matchNames } from './family.js';

const BLOCK = /^blocks\.(0|[1-9]\d*)\.(?:weight|bias)$/;

/**
 * Embedding, n ≥ 1 blocks x ← (L x + l) ⊙ (R x + r), or x plus that with the setting `residual`, head. Tensors
 * `embed.weight` (h, d), `blocks.{i}.weight` (2h, h) with the rows of L first, `head.weight` (o, h), each with an
 * optional `.bias`; i counts from 0.
 */
export const image: Family = {
  name: 'image',
  looksFor: 'embed.weight, blocks.{i}.weight, head.weight',
  match(tensors) {
    const blocks = Array.from({ length: countLayers(tensors, BLOCK) }, (_, index) => `blocks.${index}.weight`);
    const weights = ['embed.weight', ...blocks, 'head.weight'];
    return matchNames(tensors, weights, weights.map(biasOf));
  },
  blueprint(tensors, settings) {
    const residual = settings.residual(false) ? additive(1) : { alpha: 0, beta: 1 };
    const block = (index: number): BilinearOf<Place> => {
      const [weight, bias] = [`blocks.${index}.weight`, `blocks.${index}.bias`];
      return {
        type: 'bilinear',
        left: { tensor: weight, half: 'first' },
        right: { tensor: weight, half: 'second' },
        ...(tensors.has(bias) && {
          leftBias: { tensor: bias, half: 'first' },
          rightBias: { tensor: bias, half: 'second' },
        }),
        ...residual,
      };
    };
    const blocks = Array.from({ length: countLayers(tensors, BLOCK) }, (_, index) => block(index));
    return {
      family: 'image',
      positions: 1,
      layers: [linearAt('embed', tensors), ...blocks, linearAt('head', tensors)],
    };
  },
};
