import type { Layer, ParallelLayer } from '../../../model/model.js';
import { addLevels } from '../../../tensor/power.js';
import { FIXED, type LayerScale } from './kind.js';
import { withResidual } from './residual.js';

/** Of the forward pass: exact methods scale what stands in its place. @param of how numbers in branches are kept. */
export const parallel = (of: (type: string) => LayerScale): LayerScale => ({
  async levels(layer: ParallelLayer, input, positions, pacer) {
    let sum: Float64Array | undefined;
    for (const branch of layer.branches) {
      let levels = input;
      for (const inner of branch) levels = (await of(inner.type).levels(inner, levels, positions, pacer)).out;
      sum = sum === undefined ? levels : sum.map((level, i) => addLevels(level, levels[i]));
    }
    return { inner: {}, out: withResidual(sum!, input, layer) };
  },
  rescale: async (layer: ParallelLayer): Promise<Layer> => layer,
  units: () => FIXED,
});
