import { differenceLinear, linearChanges } from '../linear.js';
import type { LayerDifference } from './kind.js';

export const linear: LayerDifference = {
  alike: () => true,
  changes: linearChanges,
  difference: differenceLinear,
};
