import type { Tensor } from '../tensor/tensor.js';
import { type Activated, aboutActivation, activationOf } from './activations.js';
import type { LayerKind, Parity } from './kind.js';
import type { Place } from './place.js';
import type { LayerReader } from './reader.js';
import { checkFactors, checkResidual, NO_RESIDUAL, RESIDUAL_FIELDS } from './residual.js';
import { checkBias, matrixShape, type NamedShape, type ShapeOnly, type ShapeReport } from './shapes.js';
import {
  AROUND_DESCRIPTION,
  checkActivation,
  checkBehind,
  checkSlopes,
  NO_SLOPE,
  parseAround,
  UNIT_FIELDS,
  unitsInWords,
} from './units.js';

/** x ↦ α x + β (D φ(W x + b) + c) + S x, MATH.md section 10; shapes as in `HiddenLayer`. */
export interface HiddenOf<T> extends Activated {
  /** Tells the kinds of layers apart. */
  readonly type: 'hidden';
  /** W, (h, in). */
  readonly weight: T;
  /** b, (h); absent: 0. */
  readonly bias?: T;
  /** Of `prelu`, (h). */
  readonly slopes?: T;
  /** D, (out, h); absent: the identity. */
  readonly down?: T;
  /** c, (out); absent: 0. */
  readonly downBias?: T;
  /** S, (out, in), a linear map beside the block; absent: 0. */
  readonly skip?: T;
  /** α, what the residual counts; 0: none. */
  readonly alpha: number;
  /** β, what the block counts. */
  readonly beta: number;
}

export const hidden: LayerKind = {
  type: 'hidden',
  words: { adjective: 'hidden', plural: 'hidden layers', noun: 'a hidden layer' },
  parts: {
    required: ['weight'],
    optional: ['bias', 'slopes', 'down', 'downBias', 'skip'],
    fields: [...UNIT_FIELDS, ...RESIDUAL_FIELDS],
  },
  defaults: { ...NO_SLOPE, ...NO_RESIDUAL },
  degree: null,
  sizes: (layer: HiddenOf<ShapeOnly>) => aboutActivation(activationOf(layer).name),
  mixesPositions: false,
  takesTokens: false,
  methods: { hidden: 1, closure: 1 },

  parity(layer: HiddenOf<ShapeOnly>): Parity {
    const { bias, downBias, skip, alpha } = layer;
    const { parity } = aboutActivation(activationOf(layer).name);
    if (parity === null || bias !== undefined) return null;
    if (parity === 'odd') return downBias === undefined ? 'odd' : null;
    return alpha === 0 && skip === undefined ? 'even' : null;
  },

  widths: ({ weight, down }: HiddenOf<ShapeOnly>) => ({ takes: weight.shape[1], gives: (down ?? weight).shape[0] }),

  check(layer: HiddenOf<NamedShape>, report: ShapeReport) {
    const { weight, bias } = layer;
    checkFactors(layer, report);
    checkActivation(layer, report);
    const [units, takes] = matrixShape(weight, report);
    checkBias(bias, units, weight, report);
    checkSlopes(layer, units, report);
    const { last, gives } = checkBehind(layer, weight, units, takes, report);
    checkResidual(layer, takes, gives, last, report);
    return { takes: weight, gives: last };
  },

  inWords: (layer: HiddenOf<ShapeOnly>) => unitsInWords(layer, layer.weight),

  /**
   * `weight` (h, in), `bias` (h)?, `activation`, `slope`? or `slopes` (h)?, `down` (out, h)?, `downBias` (out)?, `skip`
   * (out, in)?; and the residual as `parseResidual` says.
   */
  parse(reader: LayerReader): HiddenOf<Place> {
    reader.only(['weight', 'bias', ...AROUND_DESCRIPTION]);
    return {
      type: 'hidden',
      weight: reader.required('weight'),
      ...reader.optional('bias'),
      ...parseAround(reader),
    };
  },

  units: 'hidden',

  asUnits: (layer: HiddenOf<Tensor>) => layer,

  hidden: ({ weight }: HiddenOf<ShapeOnly>) => weight.shape[0],
};
