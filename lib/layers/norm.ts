import { valueText } from '../words/quoting.js';
import { checkCount, checkEpsilon, checkVector } from './counts.js';
import type { LayerKind, LayerWords, Parity } from './kind.js';
import type { Place } from './place.js';
import type { LayerReader } from './reader.js';
import type { NamedShape, ShapeOnly, ShapeReport } from './shapes.js';

/* What normalisations over the features of a position share. */

/** The parts and fields of a normalisation; shapes as in `RmsNormLayer` and `LayerNormLayer`. */
export interface NormOf<T> {
  /** w, (features); absent: 1. */
  readonly weight?: T;
  /** b, (features); absent: 0. */
  readonly bias?: T;
  /** Features of a position; null: as many as the weight or the bias has. */
  readonly features: number | null;
  /** ε, what is added to the mean square, or the variance. */
  readonly epsilon: number;
  /** Added to every weight that there is: 1 where weights are stored around 0 (Gemma). */
  readonly offset: number;
}

export const NORM_DEFAULTS = { features: null, offset: 0 } as const;

/** A kind of normalisation, all but its name. */
export function normKind(type: string, words: LayerWords, title: string): LayerKind {
  return {
    type,
    words,
    parts: { required: [], optional: ['weight', 'bias'], fields: ['features', 'epsilon', 'offset'] },
    defaults: { ...NORM_DEFAULTS },
    degree: null,
    // What comes out does not depend on the size of what goes in.
    growth: 0,
    mixesPositions: false,
    takesTokens: false,
    methods: {},

    parity: ({ bias }: Typed<ShapeOnly>): Parity => (bias === undefined ? 'odd' : null),

    widths(layer: Typed<ShapeOnly>) {
      const width = featuresOf(layer)!;
      return { takes: width, gives: width };
    },

    check(layer: Typed<NamedShape>, report: ShapeReport) {
      const { weight, bias, features, epsilon, offset } = layer;
      checkEpsilon(epsilon, report);
      if (!Number.isFinite(offset)) report.fail(`offset is ${valueText(offset)}, not a finite number`);
      if (features !== null) checkCount('features', features, report);
      const width = featuresOf(layer);
      if (width === undefined) return report.fail('needs "features", as it has neither a weight nor a bias');
      for (const part of [weight, bias]) if (part !== undefined) checkVector(part, width, 'features', report);
      const part = weight ?? bias;
      return part === undefined ? null : { takes: part, gives: part };
    },

    bare: (layer: Typed<ShapeOnly>) => ({
      ...{ type, features: featuresOf(layer)!, epsilon: layer.epsilon, offset: NORM_DEFAULTS.offset },
    }),

    inWords: (layer: Typed<ShapeOnly>) => `${title} ${featuresOf(layer)}`,

    /** `weight` and `bias` (features)?, `features`? where there is neither, `epsilon`, `offset`? */
    parse(reader: LayerReader): Typed<Place> {
      reader.only(['weight', 'bias', 'features', 'epsilon', 'offset']);
      const { features, offset } = reader.fields;
      return {
        type,
        ...reader.optional('weight'),
        ...reader.optional('bias'),
        features: features === undefined ? null : reader.positiveInteger('features'),
        epsilon: reader.number('epsilon'),
        offset: offset === undefined ? NORM_DEFAULTS.offset : reader.number('offset'),
      };
    },
  };
}

type Typed<T> = NormOf<T> & { readonly type: string };

function featuresOf({ weight, bias, features }: NormOf<ShapeOnly>): number | undefined {
  return features ?? (weight ?? bias)?.shape[0];
}
