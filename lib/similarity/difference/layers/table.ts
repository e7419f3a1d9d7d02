import { KindTable } from '../../../layers/registry.js';
import { attention } from './attention.js';
import { bilinear } from './bilinear.js';
import type { LayerDifference } from './kind.js';
import { linear } from './linear.js';
import { units } from './units.js';

/** The kinds of layers that can be subtracted. */
export const differenceLayers = new KindTable<
  LayerDifference,
  'linear' | 'bilinear' | 'attention' | 'hidden' | 'gated'
>({
  linear,
  bilinear,
  attention,
  hidden: units,
  gated: units,
});
