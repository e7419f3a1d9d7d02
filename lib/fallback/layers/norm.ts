import type { LayerNormLayer, RmsNormLayer } from '../../model/model.js';
import { normalise } from '../model/norm.js';
import type { FallbackLayer } from './kind.js';

export const rmsNorm: FallbackLayer = {
  forward: async (layer: RmsNormLayer, x) => normalise(layer, x, false),
};

export const layerNorm: FallbackLayer = {
  forward: async (layer: LayerNormLayer, x) => normalise(layer, x, true),
};
