import type { GatedLayer, Layer } from '../../../model/model.js';
import { addLevels } from '../../../tensor/power.js';
import { featuresOf, rowLevels } from '../rows.js';
import { FIXED, type LayerScale } from './kind.js';
import { withResidual } from './residual.js';
import { activated } from './units.js';

export const gated: LayerScale = {
  async levels(layer: GatedLayer, input, _, pacer) {
    const { gate, up, gateBias, upBias, down, downBias, skip } = layer;
    const features = featuresOf(input);
    const factors = await rowLevels(up, upBias, features, pacer);
    const units = activated(layer, await rowLevels(gate, gateBias, features, pacer)).map(
      (level, h) => level + factors[h],
    );
    const block = down === undefined ? units : await rowLevels(down, downBias, featuresOf(units), pacer);
    const out = withResidual(block, input, layer);
    if (skip === undefined) return { inner: {}, out };
    const beside = await rowLevels(skip, undefined, features, pacer);
    return { inner: {}, out: out.map((level, i) => addLevels(level, beside[i])) };
  },
  rescale: async (layer: GatedLayer): Promise<Layer> => layer,
  units: () => FIXED,
};
