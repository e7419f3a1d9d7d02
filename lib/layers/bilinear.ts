import type { Tensor } from '../tensor/tensor.js';
import type { GatedOf } from './gated.js';
import type { LayerKind, Parity } from './kind.js';
import type { Place } from './place.js';
import { type LayerReader, optional } from './reader.js';
import {
  checkFactors,
  checkResidual,
  NO_RESIDUAL,
  parseResidual,
  RESIDUAL_DESCRIPTION,
  RESIDUAL_FIELDS,
} from './residual.js';
import { checkBias, matrixShape, type NamedShape, type ShapeOnly, type ShapeReport, shown } from './shapes.js';

/** x ↦ α x + β (D((L x + l) ⊙ (R x + r)) + c), MATH.md section 1; shapes as in `BilinearLayer`. */
export interface BilinearOf<T> {
  /** Tells the kinds of layers apart. */
  readonly type: 'bilinear';
  /** L, (h, in). */
  readonly left: T;
  /** R, (h, in). */
  readonly right: T;
  /** D, (out, h); absent: the identity. */
  readonly down?: T;
  /** l, (h); absent: 0. */
  readonly leftBias?: T;
  /** r, (h); absent: 0. */
  readonly rightBias?: T;
  /** c, (out); absent: 0. */
  readonly downBias?: T;
  /** α, what the residual counts; 0: none. */
  readonly alpha: number;
  /** β, what the block counts. */
  readonly beta: number;
}

export const bilinear: LayerKind = {
  type: 'bilinear',
  words: {
    adjective: 'bilinear',
    plural: 'bilinear blocks',
    noun: 'a bilinear block',
  },
  parts: {
    required: ['left', 'right'],
    optional: ['down', 'leftBias', 'rightBias', 'downBias'],
    fields: RESIDUAL_FIELDS,
  },
  defaults: { ...NO_RESIDUAL },
  degree: 2,
  mixesPositions: false,
  takesTokens: false,
  methods: { 'one-block': 1, hidden: 1, 'two-block': 2, closure: 1, tensor: Number.POSITIVE_INFINITY },

  parity({ alpha, leftBias, rightBias }: BilinearOf<ShapeOnly>): Parity {
    return alpha === 0 && leftBias === undefined && rightBias === undefined ? 'even' : null;
  },

  widths: ({ left, down }: BilinearOf<ShapeOnly>) => ({ takes: left.shape[1], gives: (down ?? left).shape[0] }),

  check(layer: BilinearOf<NamedShape>, report: ShapeReport) {
    const { left, right, down, leftBias, rightBias, downBias } = layer;
    checkFactors(layer, report);
    const [hidden, takes] = matrixShape(left, report);
    const [rightHidden, rightTakes] = matrixShape(right, report);
    if (rightHidden !== hidden || rightTakes !== takes)
      report.refuse(right, `has shape ${shown(right)}, but the left side "${left.name}" has ${shown(left)}`);
    checkBias(leftBias, hidden, left, report);
    checkBias(rightBias, hidden, right, report);
    const [out, downTakes] = down === undefined ? [hidden, hidden] : matrixShape(down, report);
    if (down !== undefined && downTakes !== hidden)
      report.refuse(
        down,
        `has shape ${shown(down)} and takes ${downTakes} hidden units, but "${left.name}" gives ${hidden}`,
      );
    const last = down ?? left;
    checkBias(downBias, out, last, report);
    checkResidual(layer, takes, out, last, report);
    return { takes: left, gives: last };
  },

  inWords({ left, down }: BilinearOf<ShapeOnly>) {
    const [hidden, takes] = left.shape;
    return down === undefined
      ? `bilinear ${takes} → ${hidden}`
      : `bilinear ${takes} → ${hidden} hidden → ${down.shape[0]}`;
  },

  /**
   * `left` and `right` (h, in), or `leftRight` (2h, in) with the rows of L first; `leftBias`, `rightBias` (h)? or
   * `leftRightBias` (2h)?; `down` (out, h)?, `downBias` (out)?; and the residual as `parseResidual` says.
   */
  parse(reader: LayerReader): BilinearOf<Place> {
    const { title, fail } = reader;
    const known = ['left', 'right', 'leftRight', 'leftBias', 'rightBias', 'leftRightBias', 'down', 'downBias'];
    reader.only([...known, ...RESIDUAL_DESCRIPTION]);
    const [left, right] = sides(reader, 'left', 'right', 'leftRight');
    const [leftBias, rightBias] = sides(reader, 'leftBias', 'rightBias', 'leftRightBias');
    return {
      type: 'bilinear',
      left: left ?? fail(`${title} has no "left" (with "right"), and no "leftRight"`),
      right: right ?? fail(`${title} has "left" but no "right"`),
      ...reader.optional('down'),
      ...optional('leftBias', leftBias),
      ...optional('rightBias', rightBias),
      ...reader.optional('downBias'),
      ...parseResidual(reader),
    };
  },

  asBilinear: (layer: BilinearOf<Tensor>) => layer,

  units: 'gated',

  asUnits({ left, leftBias, right, rightBias, down, downBias, alpha, beta }: BilinearOf<Tensor>): GatedOf<Tensor> {
    return {
      type: 'gated',
      ...{ gate: left, up: right, activation: 'identity', slope: null, alpha, beta },
      ...(leftBias && { gateBias: leftBias }),
      ...(rightBias && { upBias: rightBias }),
      ...(down && { down }),
      ...(downBias && { downBias }),
    };
  },

  hidden: ({ left }: BilinearOf<ShapeOnly>) => left.shape[0],
};

/** The two sides from two tensors, or from one that stacks them. */
function sides(reader: LayerReader, left: string, right: string, both: string): (Place | undefined)[] {
  const stacked = reader.place(both);
  const [one, other] = [reader.place(left), reader.place(right)];
  if (stacked === undefined) return [one, other];
  if (one !== undefined || other !== undefined)
    reader.fail(
      `${reader.title} has "${both}" as well as "${one === undefined ? right : left}"`,
      `"${both}" holds both sides`,
    );
  return [
    { ...stacked, half: 'first' },
    { ...stacked, half: 'second' },
  ];
}
