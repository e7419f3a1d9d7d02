import type { BatchNormLayer } from '../../model/model.js';
import type { FallbackLayer } from './kind.js';

/** (x − μ) w / √(σ² + ε) + b, whose first step keeps the digits of features that are nearly their mean. */
export const batchNorm: FallbackLayer = {
  async forward({ mean, variance, weight, bias, epsilon, area }: BatchNormLayer, { data, count, width }) {
    const factors = Float64Array.from(variance.data, (value, c) => (weight?.data[c] ?? 1) / Math.sqrt(value + epsilon));
    const result = new Float64Array(data.length);
    for (let start = 0; start < data.length; start += width) {
      for (let i = 0; i < width; i++) {
        const channel = Math.floor(i / area);
        result[start + i] = (data[start + i] - mean.data[channel]) * factors[channel] + (bias?.data[channel] ?? 0);
      }
    }
    return { data: result, count, width };
  },
};
