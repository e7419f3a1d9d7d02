import { KindTable } from '../../layers/registry.js';
import { activation } from './activation.js';
import { attention } from './attention.js';
import { bilinear } from './bilinear.js';
import { gated } from './gated.js';
import { hidden } from './hidden.js';
import type { FallbackLayer } from './kind.js';
import { linear } from './linear.js';
import { layerNorm, rmsNorm } from './norm.js';

/** Every kind of layer that the fallback can run. */
export const fallbackLayers = new KindTable<FallbackLayer>({
  linear,
  bilinear,
  attention,
  activation,
  hidden,
  gated,
  rms_norm: rmsNorm,
  layer_norm: layerNorm,
});
