import { fallbackLayers } from '../../../lib/fallback/layers/table.js';
import type { LayerKind } from '../../../lib/layers/kind.js';
import type { LayerReader } from '../../../lib/layers/reader.js';
import type { ShapeReport } from '../../../lib/layers/shapes.js';
import { layerKinds } from '../../../lib/layers/table.js';
import type { LayerDefinition } from '../../../lib/model/create.js';
import type { Layer } from '../../../lib/model/model.js';
import { scaleLayers } from '../../../lib/similarity/scale/layers/table.js';

/** A function of every feature by itself, without parts: a field says how many features there are. */
interface Elementwise {
  readonly type: string;
  readonly width: number;
}

/** Registers such a kind in all tables that it needs an entry in. */
function register(
  type: string,
  {
    of,
    level,
    ...about
  }: Pick<LayerKind, 'degree' | 'methods' | 'asBilinear' | 'hidden'> & {
    readonly parity: 'even' | 'odd';
    readonly of: (value: number) => number;
    /** The level of the result from that of the value. */
    readonly level: (input: number) => number;
  },
): void {
  layerKinds.register(type, {
    ...about,
    type,
    words: {
      adjective: type,
      plural: `${type} layers`,
      noun: `a ${type} layer`,
    },
    parts: { required: [], optional: [], fields: ['width'] },
    defaults: {},
    mixesPositions: false,
    takesTokens: false,
    parity: () => about.parity,
    widths: ({ width }: Elementwise) => ({ takes: width, gives: width }),
    check({ width }: Elementwise, report: ShapeReport) {
      if (!Number.isSafeInteger(width) || width < 1) report.fail(`width is ${width}, not a whole number from 1`);
      return null;
    },
    inWords: ({ width }: Elementwise) => `${type} ${width}`,
    parse(reader: LayerReader): Elementwise {
      reader.only(['width']);
      return { type, width: reader.positiveInteger('width') };
    },
  });
  fallbackLayers.register(type, {
    forward: async (_: Elementwise, { data, count, width }) => ({ data: data.map(of), count, width }),
  });
  scaleLayers.register(type, {
    levels: async (_, input) => ({ inner: {}, out: input.map(level) }),
    rescale: async (layer) => layer as Layer,
    units: () => ({ carried: false, even: false, fixed: true }),
  });
}

/** x ↦ x ⊙ x: a quadratic kind, exact by the methods of bilinear blocks as the one with L = R = I. */
register('square', {
  degree: 2,
  methods: { 'one-block': 1, 'two-block': 2, closure: 1, tensor: Number.POSITIVE_INFINITY },
  parity: 'even',
  of: (value) => value * value,
  level: (input) => 2 * input,
  asBilinear({ width }: Elementwise) {
    const data = new Float64Array(width * width);
    for (let i = 0; i < width; i++) data[i * (width + 1)] = 1;
    const identity = { data, shape: [width, width] };
    return { type: 'bilinear', left: identity, right: identity, alpha: 0, beta: 1 };
  },
  hidden: ({ width }: Elementwise) => width,
});

/** x ↦ tanh x: no polynomial, exact by no method, so that outputs are sampled. */
register('tanh', {
  degree: null,
  methods: {},
  parity: 'odd',
  of: Math.tanh,
  level: (input) => Math.min(0, input),
});

export const square = (width: number) => ({ type: 'square', width }) as unknown as LayerDefinition;
export const tanh = (width: number) => ({ type: 'tanh', width }) as unknown as LayerDefinition;
