import type { Pacer } from '../../../cooperate.js';
import type { Typed } from '../../../layers/kind.js';
import type { ShapeOnly } from '../../../layers/shapes.js';
import type { LayerOf } from '../../../layers/types.js';
import type { Layer } from '../../../model/model.js';
import type { LinearChange, Place } from '../linear.js';

/** A layer of a difference chain. */
export interface DifferenceLayer {
  readonly layer: Layer;
  /** By how much the norm of the difference is wrong beside rounding, relative to it; default 0. */
  readonly error?: number;
}

/**
 * How two layers of a kind are subtracted: its room in lib/similarity/difference. A kind without one has no difference
 * chain, and distances of models with such layers are those that their inner products give. Affine kinds come as linear
 * layers, quadratic ones as bilinear blocks. Layers that methods are given are of this kind only.
 */
export interface LayerDifference {
  /** Whether the difference of two such layers is a layer of the kind. */
  alike(f: Typed, g: Typed): boolean;
  /**
   * f with what can be exchanged inside of it as it stands in g: the same function to the bit. For kinds in which
   * something can.
   */
  matched?(f: Typed, g: Typed, pacer: Pacer): Promise<Layer>;
  /** How the linear functions change that it is made of. @param takes,gives widths of the streams around it. */
  changes(f: Typed, g: Typed, takes: number, gives: number, pacer: Pacer): Promise<LinearChange[]>;
  /** The layer at a place of the chain f − g; null where the two have none there. */
  difference(f: Typed, g: Typed, place: Place, pacer: Pacer): Promise<DifferenceLayer | null>;
  /**
   * Whether the inner product of a difference with such a layer takes no more time than a comparison may. Default:
   * always.
   */
  isAffordable?(layer: LayerOf<ShapeOnly>, positions: number): boolean;
}
