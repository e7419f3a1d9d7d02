import type { LinearLayer } from '../../../model/model.js';
import { differenceLinear, linearChanges } from '../linear.js';
import type { LayerDifference } from './kind.js';

export const linear: LayerDifference = {
  alike: () => true,
  changes: linearChanges,
  difference: async (f: LinearLayer, g: LinearLayer, place, pacer) => ({
    layer: await differenceLinear(f, g, place, pacer),
  }),
};
