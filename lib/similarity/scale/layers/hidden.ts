import type { HiddenLayer } from '../../../model/model.js';
import { featuresOf, rowLevels, shifted } from '../rows.js';
import type { LayerScale } from './kind.js';
import { rescaleBehind, unitExponents, unitLevels } from './units.js';

export const hidden: LayerScale = {
  async levels(layer: HiddenLayer, input, _, pacer) {
    const u = await rowLevels(layer.weight, layer.bias, featuresOf(input), pacer);
    return unitLevels(layer, u, null, input, pacer);
  },

  async rescale(layer: HiddenLayer, levels, units, choose, pacer): Promise<HiddenLayer> {
    const { weight, bias } = layer;
    const exponents = unitExponents(weight.shape[0], levels, choose);
    return {
      ...layer,
      weight: await shifted(weight, exponents.u, units.from, pacer),
      ...(bias && { bias: await shifted(bias, exponents.u, null, pacer) }),
      ...(await rescaleBehind(layer, exponents, levels, units, choose, pacer)),
    };
  },

  units: ({ alpha }: HiddenLayer) => ({ carried: alpha !== 0, even: false, fixed: false }),
};
