import type { ActivationOf } from './activation.js';
import type { AttentionOf } from './attention.js';
import type { BilinearOf } from './bilinear.js';
import type { GatedOf } from './gated.js';
import type { HiddenOf } from './hidden.js';
import type { LinearOf } from './linear.js';

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
}

/** The kinds that every table has an entry for. */
export type BuiltIn = keyof LayerTypes<unknown>;

/** A layer; one of a kind that was registered at run time is passed as if it were of these. */
export type LayerOf<T> = LayerTypes<T>[BuiltIn];
