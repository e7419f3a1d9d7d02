import type { NormOf } from '../../../layers/norm.js';
import type { Layer } from '../../../model/model.js';
import { addLevels } from '../../../tensor/power.js';
import type { Tensor } from '../../../tensor/tensor.js';
import { FIXED, type LayerScale } from './kind.js';

/**
 * Of both kinds of normalisation. What they give is as large as their weights, whatever they take; ε is a number in
 * units of 1, so that no power of two goes through them.
 */
export const norm: LayerScale = {
  async levels({ weight, bias, offset }: NormOf<Tensor> & { readonly type: string }, input) {
    const out = input.map((_, i) => {
      const gain = weight === undefined ? 0 : Math.log2(Math.abs(weight.data[i] + offset));
      return bias === undefined ? gain : addLevels(gain, Math.log2(Math.abs(bias.data[i])));
    });
    return { inner: {}, out };
  },
  rescale: async (layer): Promise<Layer> => layer as Layer,
  units: () => FIXED,
};
