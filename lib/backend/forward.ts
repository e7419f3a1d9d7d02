import type { Layer } from '../model/model.js';
import type { DType, TensorData } from '../tensor/tensor.js';
import type { Ability } from './ability.js';
import type { Control } from './control.js';
import type { Grams, PreparedModel } from './grams.js';

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
  /**
   * The same outputs, left where the backend has its memory: features in float64 (`FeatureSource`) for tiles of
   * `Forward.kept.grams`. Only where there is `Forward.kept`.
   */
  keep?(inputs: TensorData | Int32Array, keeping: Keeping, control?: Control): Promise<PreparedModel>;
  dispose(): void;
}

/** How outputs are kept: all in one segment, or each output in one of its own. */
export interface Keeping {
  /** What all outputs of an input are multiplied by, one for each input; null: 1. */
  readonly roots: Float64Array | null;
  readonly perOutput: boolean;
}

/** What is done with outputs that are kept where the backend has its memory. */
export interface KeptOutputs {
  /** Whose tiles take them. */
  readonly grams: Grams;
  /** Bytes that those of all models on a batch of inputs may take together. */
  readonly bytes: number;
  /** x·a + y·b of kept outputs of one batch, kept beside them. */
  combine(a: PreparedModel, x: number, b: PreparedModel, y: number, control?: Control): Promise<PreparedModel>;
  /**
   * What every input adds to the inner products of pairs of kept outputs of one batch: (pairs, count), or (pairs,
   * count, outputs) where each output is kept by itself.
   * @param size inputs of the batch, and an output is (positions, outputs)
   */
  products(
    outputs: readonly PreparedModel[],
    pairs: readonly (readonly [number, number])[],
    size: { readonly count: number; readonly positions: number; readonly outputs: number },
    perOutput: boolean,
    control?: Control,
  ): Promise<Float64Array>;
}

/** Running models on given inputs. */
export interface Forward extends Ability {
  readonly kinds: ReadonlySet<string>;
  readonly dtypes: ReadonlySet<DType>;
  /** The weights of a chain packed once, for any number of batches. */
  prepare(source: ForwardSource, dtype: DType, control?: Control): Promise<ForwardPass>;
  /** Where outputs need not come to this process to be multiplied. */
  readonly kept?: KeptOutputs;
}
