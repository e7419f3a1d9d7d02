import type { LayerKind, Parity } from './kind.js';
import type { Place } from './place.js';
import type { LayerReader } from './reader.js';
import { matrixShape, type NamedShape, type ShapeOnly, type ShapeReport } from './shapes.js';

/** x_s ↦ x_s + p_s, learned positions; shapes as in `PositionsLayer`. */
export interface PositionsOf<T> {
  /** Tells the kinds of layers apart. */
  readonly type: 'positions';
  /** P, (positions, features), of which as many rows count as an input has positions. */
  readonly weight: T;
}

/** No affine kind: methods take those for the same at every position. */
export const positions: LayerKind = {
  type: 'positions',
  words: { adjective: 'positional', plural: 'learned positions', noun: 'learned positions' },
  parts: { required: ['weight'], optional: [], fields: [] },
  defaults: {},
  degree: 1,
  mixesPositions: true,
  takesTokens: false,
  methods: {},

  parity: (): Parity => null,

  widths: ({ weight }: PositionsOf<ShapeOnly>) => ({ takes: weight.shape[1], gives: weight.shape[1] }),

  check({ weight }: PositionsOf<NamedShape>, report: ShapeReport) {
    matrixShape(weight, report);
    return { takes: weight, gives: weight };
  },

  mostPositions: ({ weight }: PositionsOf<ShapeOnly>) => weight.shape[0],

  inWords: ({ weight }: PositionsOf<ShapeOnly>) => `learned positions ${weight.shape[0]} × ${weight.shape[1]}`,

  /** `weight` (positions, features). */
  parse(reader: LayerReader): PositionsOf<Place> {
    reader.only(['weight']);
    return { type: 'positions', weight: reader.required('weight') };
  },
};
