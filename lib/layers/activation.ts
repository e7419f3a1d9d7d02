import type { Tensor } from '../tensor/tensor.js';
import { valueText } from '../words/quoting.js';
import { type Activated, aboutActivation, activationOf } from './activations.js';
import type { HiddenOf } from './hidden.js';
import type { LayerKind, Parity } from './kind.js';
import type { Place } from './place.js';
import type { LayerReader } from './reader.js';
import { type NamedShape, type ShapeOnly, type ShapeReport, shown } from './shapes.js';
import { activationInWords, checkActivation, checkSlopes, NO_SLOPE, parseActivation, UNIT_FIELDS } from './units.js';

/** x ↦ φ(x), every feature by itself; shapes as in `ActivationLayer`. */
export interface ActivationOf<T> extends Activated {
  /** Tells the kinds of layers apart. */
  readonly type: 'activation';
  /** Features of a position. */
  readonly width: number;
  /** Of `prelu`, (width). */
  readonly slopes?: T;
}

/** φ by itself: exact as the hidden layer with W = I. */
export const activation: LayerKind = {
  type: 'activation',
  words: { adjective: 'activation', plural: 'activations', noun: 'an activation' },
  parts: { required: [], optional: ['slopes'], fields: ['width', ...UNIT_FIELDS] },
  defaults: { ...NO_SLOPE },
  degree: null,
  sizes: (layer: ActivationOf<ShapeOnly>) => aboutActivation(activationOf(layer).name),
  mixesPositions: false,
  takesTokens: false,
  methods: { hidden: 1, closure: 1 },

  parity: (layer: ActivationOf<ShapeOnly>): Parity => aboutActivation(activationOf(layer).name).parity,

  widths: ({ width }: ActivationOf<ShapeOnly>) => ({ takes: width, gives: width }),

  check(layer: ActivationOf<NamedShape>, report: ShapeReport) {
    const { width, slopes } = layer;
    if (!Number.isSafeInteger(width) || width < 1)
      report.fail(`width is ${valueText(width)}, not a whole number from 1`);
    checkActivation(layer, report);
    checkSlopes(layer, width, report);
    if (slopes !== undefined && slopes.shape.length !== 1)
      report.refuse(slopes, `has shape ${shown(slopes)}, but slopes have one axis`);
    return null;
  },

  inWords: (layer: ActivationOf<ShapeOnly>) => `${activationInWords(layer)} ${layer.width}`,

  /** `activation`, `slope`?, `slopes` (width)?, and `width`. */
  parse(reader: LayerReader): ActivationOf<Place> {
    reader.only(['width', 'slopes', ...UNIT_FIELDS]);
    return {
      type: 'activation',
      width: reader.positiveInteger('width'),
      ...reader.optional('slopes'),
      ...parseActivation(reader),
    };
  },

  units: 'hidden',

  asUnits({ width, slopes, activation: name, slope }: ActivationOf<Tensor>): HiddenOf<Tensor> {
    const data = new Float64Array(width * width);
    for (let i = 0; i < width; i++) data[i * (width + 1)] = 1;
    return {
      type: 'hidden',
      weight: { data, shape: [width, width] },
      ...(slopes && { slopes }),
      ...{ activation: name, slope, alpha: 0, beta: 1 },
    };
  },

  hidden: ({ width }: ActivationOf<ShapeOnly>) => width,
};
