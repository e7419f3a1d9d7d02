import type { ActivationOf } from './activation.js';
import type { AttentionOf } from './attention.js';
import type { BATCH_NORM_DEFAULTS, BatchNormOf } from './batch_norm.js';
import type { BilinearOf } from './bilinear.js';
import type { CONVOLUTION_DEFAULTS, ConvolutionOf } from './convolution.js';
import type { GatedOf } from './gated.js';
import type { HiddenOf } from './hidden.js';
import type { LayerNormOf } from './layer_norm.js';
import type { LinearOf } from './linear.js';
import type { NORM_DEFAULTS } from './norm.js';
import type { ParallelOf } from './parallel.js';
import type { POOL_DEFAULTS, PoolOf } from './pool.js';
import type { PositionsOf } from './positions.js';
import type { RmsNormOf } from './rms_norm.js';
import type { SOFTMAX_DEFAULTS, SoftmaxAttentionOf } from './softmax_attention.js';

/**
 * The layers of each built-in kind, whose parts are anything: tensors in a `Model`, shapes while a chain is checked,
 * places in a checkpoint while it is being recognised. The three stages of reading a model share this one form, so that
 * a part is never known by two names.
 */
export interface LayerTypes<T> {
  linear: LinearOf<T>;
  bilinear: BilinearOf<T>;
  attention: AttentionOf<T>;
  activation: ActivationOf<T>;
  hidden: HiddenOf<T>;
  gated: GatedOf<T>;
  rms_norm: RmsNormOf<T>;
  layer_norm: LayerNormOf<T>;
  batch_norm: BatchNormOf<T>;
  convolution: ConvolutionOf<T>;
  pool: PoolOf<T>;
  softmax_attention: SoftmaxAttentionOf<T>;
  positions: PositionsOf<T>;
  parallel: ParallelOf<T>;
}

/** The fields that layers of a kind have a default for, beside α, β and the slope of an activation. */
export interface SparedFields {
  rms_norm: keyof typeof NORM_DEFAULTS;
  layer_norm: keyof typeof NORM_DEFAULTS;
  batch_norm: keyof typeof BATCH_NORM_DEFAULTS;
  convolution: keyof typeof CONVOLUTION_DEFAULTS;
  pool: keyof typeof POOL_DEFAULTS;
  softmax_attention: keyof typeof SOFTMAX_DEFAULTS;
}

/** The kinds that every table has an entry for. */
export type BuiltIn = keyof LayerTypes<unknown>;

/** A layer; one of a kind that was registered at run time is passed as if it were of these. */
export type LayerOf<T> = LayerTypes<T>[BuiltIn];
