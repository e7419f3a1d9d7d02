import type { Tensor } from '../tensor/tensor.js';
import type { LayerKind, Parity } from './kind.js';
import type { Place } from './place.js';
import { type LayerReader, optional } from './reader.js';
import { checkBias, matrixShape, type NamedShape, type ShapeOnly, type ShapeReport } from './shapes.js';

/** x ↦ W x + b; shapes as in `LinearLayer`. */
export interface LinearOf<T> {
  /** Tells the kinds of layers apart. */
  readonly type: 'linear';
  /** W, (out, in). */
  readonly weight: T;
  /** b, (out); absent: 0. */
  readonly bias?: T;
}

export const linear: LayerKind = {
  type: 'linear',
  words: {
    adjective: 'linear',
    plural: 'linear layers',
    noun: 'a linear layer',
  },
  parts: { required: ['weight'], optional: ['bias'], fields: [] },
  defaults: {},
  degree: 1,
  mixesPositions: false,
  takesTokens: true,
  methods: {},

  parity: ({ bias }: LinearOf<ShapeOnly>): Parity => (bias === undefined ? 'odd' : null),

  widths({ weight: { shape } }: LinearOf<ShapeOnly>) {
    const [gives, takes] = shape as [number, number];
    return { takes, gives };
  },

  check({ weight, bias }: LinearOf<NamedShape>, report: ShapeReport) {
    const [out] = matrixShape(weight, report);
    checkBias(bias, out, weight, report);
    return { takes: weight, gives: weight };
  },

  inWords({ weight }: LinearOf<ShapeOnly>) {
    const [out, takes] = weight.shape;
    return `linear ${takes} → ${out}`;
  },

  /**
   * `weight` (out, in), `bias` (out)? With `"transposed": true` the weight is (in, out): an embedding whose rows are
   * the tokens. `meanEnergy` names a tensor of one number e by whose (e + 10⁻⁶)^−½ the weight is multiplied, a final
   * normalisation that is fixed after training.
   */
  parse(reader: LayerReader): LinearOf<Place> {
    const { title, fail } = reader;
    reader.only(['weight', 'bias', 'transposed', 'meanEnergy']);
    const weight = reader.required('weight');
    const { transposed = false } = reader.fields;
    if (typeof transposed !== 'boolean') return fail(`${title}: "transposed" must be true or false`);
    return {
      type: 'linear',
      weight: {
        ...weight,
        ...(transposed && { transposed }),
        ...optional('energy', reader.name('meanEnergy')),
      },
      ...reader.optional('bias'),
    };
  },

  asLinear: (layer: LinearOf<Tensor>) => layer,
};
