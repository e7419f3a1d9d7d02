import { convolutionWindows } from '../../../layers/convolution.js';
import type { ConvolutionLayer, Layer } from '../../../model/model.js';
import { featuresOf, rowLevels } from '../rows.js';
import { FIXED, type LayerScale } from './kind.js';
import { channelLevels } from './pool.js';

/** Of the forward pass: exact methods scale the linear layer in its place. */
export const convolution: LayerScale = {
  async levels(layer: ConvolutionLayer, input, _, pacer) {
    const { weight, bias, groups } = layer;
    const { output, kernel } = convolutionWindows(layer);
    const [out, perGroup] = weight.shape;
    const [area, size] = [output[0] * output[1], kernel[0] * kernel[1]];
    const rows = out / groups;
    const depth = perGroup * size;
    const levels = channelLevels(input, perGroup * groups);
    const result = new Float64Array(out * area);
    for (let group = 0; group < groups; group++) {
      const own = {
        data: weight.data.subarray(group * rows * depth, (group + 1) * rows * depth),
        shape: [rows, depth],
      };
      const shift = bias && { data: bias.data.subarray(group * rows, (group + 1) * rows), shape: [rows] };
      const seen = Float64Array.from({ length: depth }, (_, k) => levels[group * perGroup + Math.floor(k / size)]);
      const found = await rowLevels(own, shift, featuresOf(seen), pacer);
      for (let o = 0; o < rows; o++) result.fill(found[o], (group * rows + o) * area, (group * rows + o + 1) * area);
    }
    return { inner: {}, out: result };
  },
  rescale: async (layer: ConvolutionLayer): Promise<Layer> => layer,
  units: () => FIXED,
};
