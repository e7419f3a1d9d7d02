import { poolWindows, windowAt } from '../../layers/pool.js';
import type { PoolLayer } from '../../model/model.js';
import type { FallbackLayer } from './kind.js';

export const pool: FallbackLayer = {
  async forward(layer: PoolLayer, x, _, pacer) {
    const { mode, channels, countPadding } = layer;
    const windows = poolWindows(layer);
    const area = windows.output[0] * windows.output[1];
    const [size, width] = [x.width / channels, channels * area];
    const data = new Float64Array(x.count * width);
    for (let p = 0; p < area; p++) {
      const { members, share } = windowAt(windows, p, countPadding);
      for (let image = 0; image < x.count * channels; image++) {
        const start = image * size;
        let result = mode === 'max' ? x.data[start + members[0]] : 0;
        for (const place of members) {
          const value = x.data[start + place];
          result = mode === 'mean' ? result + value : Math.max(result, value);
        }
        data[image * area + p] = mode === 'mean' ? result * share : result;
      }
      if (pacer.due(x.count * channels * members.length)) await pacer.pause();
    }
    return { data, count: x.count, width };
  },
};
