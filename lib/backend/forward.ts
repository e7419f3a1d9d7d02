import type { Layer } from '../model/model.js';
import type { DType, TensorData } from '../tensor/tensor.js';
import type { Ability } from './ability.js';
import type { Control } from './control.js';

/** A model to evaluate on inputs: any chain of layers. */
export interface ForwardSource {
  readonly layers: readonly Layer[];
  /** n, the positions of an input. */
  readonly positions: number;
  /** d, the features of a position. */
  readonly features: number;
  /**
   * How inputs come: as n·d numbers each, or as n token ids, which stand for one-hot vectors; for tokens the first
   * layer is linear, and its columns are gathered instead of multiplied.
   */
  readonly input: 'vectors' | 'tokens';
}

/**
 * A model with its weights packed for the forward pass. Using it after `dispose()` is an error; disposing twice is not.
 */
export interface ForwardPass {
  /** Memory held, in bytes. */
  readonly bytes: number;
  /**
   * f of every input of a batch, in the dtype it was prepared with: (batch, n, o) from (batch, n, d), or from (batch,
   * n) ids below d; all row-major. `float32` computes products in float32 (the fallback in float64, rounding the
   * result). Progress counts work in a unit of the backend's own. Results do not depend on threads nor on what else is
   * in the batch.
   */
  evaluate(inputs: TensorData | Int32Array, control?: Control): Promise<TensorData>;
  dispose(): void;
}

/** Running models on given inputs. */
export interface Forward extends Ability {
  readonly kinds: ReadonlySet<string>;
  readonly dtypes: ReadonlySet<DType>;
  /** The weights of a chain packed once, for any number of batches. */
  prepare(source: ForwardSource, dtype: DType, control?: Control): Promise<ForwardPass>;
}
