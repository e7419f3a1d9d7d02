import type { Layer, PositionsLayer } from '../../../model/model.js';
import { addLevels, levelOf } from '../../../tensor/power.js';
import { FIXED, type LayerScale } from './kind.js';

export const positions: LayerScale = {
  async levels({ weight }: PositionsLayer, input, length) {
    const out = input.map((own, i) => {
      let sum = 0;
      for (let s = 0; s < length; s++) sum += weight.data[s * input.length + i] ** 2;
      return addLevels(own, levelOf(sum / length));
    });
    return { inner: {}, out };
  },
  rescale: async (layer: PositionsLayer): Promise<Layer> => layer,
  units: () => FIXED,
};
