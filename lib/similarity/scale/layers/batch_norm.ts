import type { BatchNormLayer, Layer } from '../../../model/model.js';
import { addLevels } from '../../../tensor/power.js';
import { FIXED, type LayerScale } from './kind.js';

/** Of the forward pass: exact methods scale the linear layer in its place. */
export const batchNorm: LayerScale = {
  async levels({ mean, variance, weight, bias, epsilon, area }: BatchNormLayer, input) {
    const level = (value: number) => Math.log2(Math.abs(value));
    const out = input.map((own, i) => {
      const c = Math.floor(i / area);
      const factor = level(weight?.data[c] ?? 1) - level(variance.data[c] + epsilon) / 2;
      return addLevels(factor + addLevels(own, level(mean.data[c])), level(bias?.data[c] ?? 0));
    });
    return { inner: {}, out };
  },
  rescale: async (layer: BatchNormLayer): Promise<Layer> => layer,
  units: () => FIXED,
};
