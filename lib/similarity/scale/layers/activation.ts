import { activation as kind } from '../../../layers/activation.js';
import type { ActivationLayer, Layer } from '../../../model/model.js';
import { hidden } from './hidden.js';
import { FREE, type LayerScale } from './kind.js';
import { activated, homogeneity } from './units.js';

export const activation: LayerScale = {
  levels: async (layer: ActivationLayer, input) => ({
    inner: homogeneity(layer) === null ? {} : { u: input },
    out: activated(layer, input),
  }),

  /** Where powers of two have to go through it, it becomes the hidden layer with W = I that does the same. */
  async rescale(layer: ActivationLayer, levels, units, choose, pacer): Promise<Layer> {
    const even = [units.from, units.to].every((exponents) => exponents.every((exponent) => exponent === 0));
    return even ? layer : hidden.rescale(kind.asUnits!(layer), levels, units, choose, pacer);
  },

  units: () => FREE,
};
