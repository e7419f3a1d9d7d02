import { KindTable } from '../../layers/registry.js';
import { activation } from './activation.js';
import { attention } from './attention.js';
import { batchNorm } from './batch_norm.js';
import { bilinear } from './bilinear.js';
import { convolution } from './convolution.js';
import { gated } from './gated.js';
import { hidden } from './hidden.js';
import type { FallbackLayer } from './kind.js';
import { linear } from './linear.js';
import { layerNorm, rmsNorm } from './norm.js';
import { parallel } from './parallel.js';
import { pool } from './pool.js';
import { positions } from './positions.js';
import { softmaxAttention } from './softmax_attention.js';

/** Every kind of layer that the fallback can run. */
export const fallbackLayers: KindTable<FallbackLayer> = new KindTable<FallbackLayer>({
  linear,
  bilinear,
  attention,
  activation,
  hidden,
  gated,
  rms_norm: rmsNorm,
  layer_norm: layerNorm,
  batch_norm: batchNorm,
  convolution,
  pool,
  softmax_attention: softmaxAttention,
  positions,
  parallel: parallel((type) => fallbackLayers.of(type)),
});
