import type { HiddenLayer, Layer } from '../../../model/model.js';
import { addLevels } from '../../../tensor/power.js';
import { featuresOf, rowLevels } from '../rows.js';
import { FIXED, type LayerScale } from './kind.js';
import { withResidual } from './residual.js';
import { activated } from './units.js';

export const hidden: LayerScale = {
  async levels(layer: HiddenLayer, input, _, pacer) {
    const { weight, bias, down, downBias, skip } = layer;
    const features = featuresOf(input);
    const units = activated(layer, await rowLevels(weight, bias, features, pacer));
    const block = down === undefined ? units : await rowLevels(down, downBias, featuresOf(units), pacer);
    const out = withResidual(block, input, layer);
    if (skip === undefined) return { inner: {}, out };
    const beside = await rowLevels(skip, undefined, features, pacer);
    return { inner: {}, out: out.map((level, i) => addLevels(level, beside[i])) };
  },
  rescale: async (layer: HiddenLayer): Promise<Layer> => layer,
  units: () => FIXED,
};
