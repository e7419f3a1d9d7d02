import type { Pacer } from '../../../cooperate.js';
import type { Typed } from '../../../layers/kind.js';
import type { Layer } from '../../../model/model.js';
import type { Choose, Units } from '../units.js';

/** Levels inside a layer, by which its parts are scaled, and of what comes out of it. */
export interface LayerLevels {
  readonly inner: Readonly<Record<string, Float64Array>>;
  readonly out: Float64Array;
}

/** What a layer asks of the units of the features around it. */
export interface UnitsAround {
  /** The features behind it keep the units of those in front: a residual adds the two. */
  readonly carried: boolean;
  /** One unit for all features behind it costs it nothing, and several a matrix. */
  readonly even: boolean;
  /** It takes and gives numbers as they are, in units of 1: no power of two goes through it. */
  readonly fixed: boolean;
}

/**
 * How numbers in a kind of layer are kept in range: its room in lib/similarity/scale. Layers that methods are given are
 * of this kind only.
 */
export interface LayerScale {
  /**
   * How large numbers get in a layer and behind it.
   * @param input levels of the features in front of it.
   * @param positions n, over which attention adds up.
   */
  levels(layer: Typed, input: Float64Array, positions: number, pacer: Pacer): Promise<LayerLevels>;
  /**
   * The same function of features in other units; what lies inside of it gets units of its own. Only exponents change.
   */
  rescale(layer: Typed, levels: LayerLevels, units: Units, choose: Choose, pacer: Pacer): Promise<Layer>;
  units(layer: Typed): UnitsAround;
}

/** Units of 1, around a layer that takes and gives numbers as they are. */
export const FIXED: UnitsAround = { carried: false, even: false, fixed: true };

/** Units that may be any. */
export const FREE: UnitsAround = { carried: false, even: false, fixed: false };
