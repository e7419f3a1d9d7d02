import type { DType } from '../tensor/tensor.js';
import type { ChainMethod } from './grams.js';

/** What every ability tells of itself: what it can be asked for. Where it does not say, there is nothing to choose. */
export interface Ability {
  /** The methods it can prepare chains for. */
  readonly methods?: ReadonlySet<ChainMethod>;
  /** The kinds of layers it takes, by their `type`. */
  readonly kinds?: ReadonlySet<string>;
  /** Those that a method takes, where they are not all of these. */
  readonly kindsOf?: ReadonlyMap<ChainMethod, ReadonlySet<string>>;
  readonly dtypes?: ReadonlySet<DType>;
  /**
   * Whether it can take one pass of TF32 for products of floats (`Need.tf32`): in all that it does, or by these methods
   * and for plain vectors.
   */
  readonly tf32?: boolean | ReadonlySet<ChainMethod>;
  /** The methods by which it can tell what every degree contributes; absent: none. */
  readonly degrees?: ReadonlySet<ChainMethod>;
}

/** The types that every backend of today computes in. */
export const DTYPES: ReadonlySet<DType> = new Set(['float64', 'float32']);
