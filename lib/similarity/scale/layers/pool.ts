import { pool as kind } from '../../../layers/pool.js';
import type { Layer, PoolLayer } from '../../../model/model.js';
import { FIXED, type LayerScale } from './kind.js';

/** Neither means nor maxima are larger than what they are of. */
export const pool: LayerScale = {
  async levels(layer: PoolLayer, input) {
    const levels = channelLevels(input, layer.channels);
    const area = kind.widths(layer).gives / layer.channels;
    return {
      inner: {},
      out: Float64Array.from({ length: levels.length * area }, (_, i) => levels[Math.floor(i / area)]),
    };
  },
  rescale: async (layer: PoolLayer): Promise<Layer> => layer,
  units: () => FIXED,
};

/** The largest level of every channel. */
export function channelLevels(input: Float64Array, channels: number): Float64Array {
  const size = input.length / channels;
  const levels = new Float64Array(channels).fill(Number.NEGATIVE_INFINITY);
  for (let i = 0; i < input.length; i++) {
    const channel = Math.floor(i / size);
    levels[channel] = Math.max(levels[channel], input[i]);
  }
  return levels;
}
