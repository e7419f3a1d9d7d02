import { activation } from './activation.js';
import { attention } from './attention.js';
import { batchNorm } from './batch_norm.js';
import { bilinear } from './bilinear.js';
import { convolution } from './convolution.js';
import { gated } from './gated.js';
import { hidden } from './hidden.js';
import type { LayerKind, Typed } from './kind.js';
import { layerNorm } from './layer_norm.js';
import { linear } from './linear.js';
import { parallelKind } from './parallel.js';
import { parseLayer } from './parse.js';
import { pool } from './pool.js';
import { positions } from './positions.js';
import { KindTable } from './registry.js';
import { rmsNorm } from './rms_norm.js';
import { softmaxAttention } from './softmax_attention.js';

/** Every kind of layer that there is. */
export const layerKinds: KindTable<LayerKind> = new KindTable<LayerKind>({
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
  parallel: parallelKind(kindOf, (json, title, { fail, depth }) =>
    parseLayer(json, title, fail, layerKinds, depth + 1),
  ),
});

/**
 * What the kind of a layer is.
 * @throws TensimError `UNSUPPORTED_LAYER` for a layer of no known kind.
 */
export function kindOf({ type }: Typed): LayerKind {
  return layerKinds.of(type);
}
