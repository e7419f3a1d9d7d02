import type { ActivationLayer, Layer } from '../../../model/model.js';
import { FIXED, type LayerScale } from './kind.js';
import { activated } from './units.js';

/** No power of two goes through an activation: it takes and gives numbers as they are. */
export const activation: LayerScale = {
  levels: async (layer: ActivationLayer, input) => ({ inner: {}, out: activated(layer, input) }),
  rescale: async (layer: ActivationLayer): Promise<Layer> => layer,
  units: () => FIXED,
};
