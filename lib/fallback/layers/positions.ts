import type { PositionsLayer } from '../../model/model.js';
import type { FallbackLayer } from './kind.js';

export const positions: FallbackLayer = {
  async forward({ weight }: PositionsLayer, { data, count, width }, length) {
    const period = length * width;
    return { data: data.map((value, i) => value + weight.data[i % period]), count, width };
  },
};
