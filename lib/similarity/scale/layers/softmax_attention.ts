import type { Layer, SoftmaxAttentionLayer } from '../../../model/model.js';
import { featuresOf, rowLevels } from '../rows.js';
import { FIXED, type LayerScale } from './kind.js';
import { withResidual } from './residual.js';

/** What is joined is a mean of values, no larger than they are; scores need numbers as they are. */
export const softmaxAttention: LayerScale = {
  async levels(layer: SoftmaxAttentionLayer, input, _, pacer) {
    const { heads, v, vBias, o, oBias } = layer;
    const values = await rowLevels(v, vBias, featuresOf(input), pacer);
    const size = o.shape[1] / heads;
    const sharing = (heads * size) / values.length;
    const joined = Float64Array.from({ length: o.shape[1] }, (_, i) => {
      return values[Math.floor(Math.floor(i / size) / sharing) * size + (i % size)];
    });
    const block = await rowLevels(o, oBias, featuresOf(joined), pacer);
    return { inner: {}, out: withResidual(block, input, layer) };
  },
  rescale: async (layer: SoftmaxAttentionLayer): Promise<Layer> => layer,
  units: () => FIXED,
};
