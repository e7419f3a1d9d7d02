import type { Tensor } from '../tensor/tensor.js';
import { type Activated, aboutActivation, activationOf } from './activations.js';
import type { LayerKind, Parity } from './kind.js';
import type { Place } from './place.js';
import type { LayerReader } from './reader.js';
import { checkFactors, checkResidual, NO_RESIDUAL, RESIDUAL_FIELDS } from './residual.js';
import { checkBias, matrixShape, type NamedShape, type ShapeOnly, type ShapeReport, shown } from './shapes.js';
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

/** x ↦ α x + β (D (φ(W x + b) ⊙ (U x + u)) + c) + S x, MATH.md section 11; shapes as in `GatedLayer`. */
export interface GatedOf<T> extends Activated {
  /** Tells the kinds of layers apart. */
  readonly type: 'gated';
  /** W, (h, in): what the activation is applied to. */
  readonly gate: T;
  /** U, (h, in): what it multiplies. */
  readonly up: T;
  /** b, (h); absent: 0. */
  readonly gateBias?: T;
  /** u, (h); absent: 0. */
  readonly upBias?: T;
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

export const gated: LayerKind = {
  type: 'gated',
  words: { adjective: 'gated', plural: 'gated blocks', noun: 'a gated block' },
  parts: {
    required: ['gate', 'up'],
    optional: ['gateBias', 'upBias', 'slopes', 'down', 'downBias', 'skip'],
    fields: [...UNIT_FIELDS, ...RESIDUAL_FIELDS],
  },
  defaults: { ...NO_SLOPE, ...NO_RESIDUAL },
  degree: null,
  sizes(layer: GatedOf<ShapeOnly>) {
    const { degree, growth } = aboutActivation(activationOf(layer).name);
    return { degree: degree === null ? null : degree + 1, growth: growth + 1 };
  },
  mixesPositions: false,
  takesTokens: false,
  methods: { hidden: 1, closure: 1 },

  parity(layer: GatedOf<ShapeOnly>): Parity {
    const { gateBias, upBias, downBias, skip, alpha } = layer;
    const { parity } = aboutActivation(activationOf(layer).name);
    if (parity === null || gateBias !== undefined || upBias !== undefined) return null;
    // φ odd: a product of two odd functions is even; φ even: odd.
    if (parity === 'odd') return alpha === 0 && skip === undefined ? 'even' : null;
    return downBias === undefined ? 'odd' : null;
  },

  widths: ({ gate, down }: GatedOf<ShapeOnly>) => ({ takes: gate.shape[1], gives: (down ?? gate).shape[0] }),

  check(layer: GatedOf<NamedShape>, report: ShapeReport) {
    const { gate, up, gateBias, upBias } = layer;
    checkFactors(layer, report);
    checkActivation(layer, report);
    const [units, takes] = matrixShape(gate, report);
    const [upUnits, upTakes] = matrixShape(up, report);
    if (upUnits !== units || upTakes !== takes)
      report.refuse(up, `has shape ${shown(up)}, but the gate "${gate.name}" has ${shown(gate)}`);
    checkBias(gateBias, units, gate, report);
    checkBias(upBias, units, up, report);
    checkSlopes(layer, units, report);
    const { last, gives } = checkBehind(layer, gate, units, takes, report);
    checkResidual(layer, takes, gives, last, report);
    return { takes: gate, gives: last };
  },

  inWords: (layer: GatedOf<ShapeOnly>) => unitsInWords(layer, layer.gate),

  /**
   * `gate` and `up` (h, in), `gateBias`, `upBias` (h)?, `activation`, `slope`? or `slopes` (h)?, `down` (out, h)?,
   * `downBias` (out)?, `skip` (out, in)?; and the residual as `parseResidual` says.
   */
  parse(reader: LayerReader): GatedOf<Place> {
    reader.only(['gate', 'up', 'gateBias', 'upBias', ...AROUND_DESCRIPTION]);
    return {
      type: 'gated',
      gate: reader.required('gate'),
      up: reader.required('up'),
      ...reader.optional('gateBias'),
      ...reader.optional('upBias'),
      ...parseAround(reader),
    };
  },

  units: 'gated',

  asUnits: (layer: GatedOf<Tensor>) => layer,

  hidden: ({ gate }: GatedOf<ShapeOnly>) => gate.shape[0],
};
