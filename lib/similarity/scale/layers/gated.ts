import type { GatedLayer } from '../../../model/model.js';
import { featuresOf, rowLevels, shifted } from '../rows.js';
import type { LayerScale } from './kind.js';
import { rescaleBehind, unitExponents, unitLevels } from './units.js';

export const gated: LayerScale = {
  async levels(layer: GatedLayer, input, _, pacer) {
    const { gate, up, gateBias, upBias } = layer;
    const features = featuresOf(input);
    const u = await rowLevels(gate, gateBias, features, pacer);
    return unitLevels(layer, u, await rowLevels(up, upBias, features, pacer), input, pacer);
  },

  async rescale(layer: GatedLayer, levels, units, choose, pacer): Promise<GatedLayer> {
    const { gate, up, gateBias, upBias } = layer;
    const exponents = unitExponents(gate.shape[0], levels, choose);
    const { u, v } = exponents;
    return {
      ...layer,
      gate: await shifted(gate, u, units.from, pacer),
      up: await shifted(up, v, units.from, pacer),
      ...(gateBias && { gateBias: await shifted(gateBias, u, null, pacer) }),
      ...(upBias && { upBias: await shifted(upBias, v, null, pacer) }),
      ...(await rescaleBehind(layer, exponents, levels, units, choose, pacer)),
    };
  },

  units: ({ alpha }: GatedLayer) => ({ carried: alpha !== 0, even: false, fixed: false }),
};
