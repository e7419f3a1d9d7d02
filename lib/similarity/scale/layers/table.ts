import { KindTable } from '../../../layers/registry.js';
import { activation } from './activation.js';
import { attention } from './attention.js';
import { bilinear } from './bilinear.js';
import { gated } from './gated.js';
import { hidden } from './hidden.js';
import type { LayerScale } from './kind.js';
import { linear } from './linear.js';
import { norm } from './norm.js';

/** Every kind of layer whose numbers can be kept in range. */
export const scaleLayers = new KindTable<LayerScale>({
  linear,
  bilinear,
  attention,
  activation,
  hidden,
  gated,
  rms_norm: norm,
  layer_norm: norm,
});
