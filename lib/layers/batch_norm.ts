import type { Tensor } from '../tensor/tensor.js';
import { checkCount, checkEpsilon, checkVector } from './counts.js';
import { MOST_DENSE } from './image.js';
import type { LayerKind, Parity } from './kind.js';
import type { LinearOf } from './linear.js';
import type { Place } from './place.js';
import type { LayerReader } from './reader.js';
import type { NamedShape, ShapeOnly, ShapeReport } from './shapes.js';

/** x ↦ w ⊙ (x − μ) / √(σ² + ε) + b, channel by channel; shapes as in `BatchNormLayer`. */
export interface BatchNormOf<T> {
  /** Tells the kinds of layers apart. */
  readonly type: 'batch_norm';
  /** μ, (channels), the running mean. */
  readonly mean: T;
  /** σ², (channels), the running variance. */
  readonly variance: T;
  /** w, (channels); absent: 1. */
  readonly weight?: T;
  /** b, (channels); absent: 0. */
  readonly bias?: T;
  /** ε, what is added to the variance. */
  readonly epsilon: number;
  /** Features of a channel, which follow each other: height × width of an image, 1 where a feature is a channel. */
  readonly area: number;
}

export const BATCH_NORM_DEFAULTS = { area: 1 } as const;

/** As evaluated after training: an affine map, which is exact wherever its neighbours are. */
export const batchNorm: LayerKind = {
  type: 'batch_norm',
  words: { adjective: 'batch norm', plural: 'batch norms', noun: 'a batch norm' },
  parts: { required: ['mean', 'variance'], optional: ['weight', 'bias'], fields: ['epsilon', 'area'] },
  defaults: { ...BATCH_NORM_DEFAULTS },
  degree: 1,
  mixesPositions: false,
  takesTokens: false,
  methods: {},

  parity: (): Parity => null,

  widths({ mean, area }: BatchNormOf<ShapeOnly>) {
    const width = mean.shape[0] * area;
    return { takes: width, gives: width };
  },

  check({ mean, variance, weight, bias, epsilon, area }: BatchNormOf<NamedShape>, report: ShapeReport) {
    checkEpsilon(epsilon, report);
    checkCount('area', area, report);
    const channels = mean.shape[0] ?? 0;
    for (const part of [mean, variance, weight, bias])
      if (part !== undefined) checkVector(part, channels, 'channels', report);
    return { takes: mean, gives: mean };
  },

  inWords: ({ mean, area }: BatchNormOf<ShapeOnly>) =>
    `batch norm ${mean.shape[0]}${area === 1 ? '' : ` channels × ${area}`}`,

  /** `mean`, `variance` (channels), `weight`, `bias` (channels)?, `epsilon`, `area`? */
  parse(reader: LayerReader): BatchNormOf<Place> {
    reader.only(['mean', 'variance', 'weight', 'bias', 'epsilon', 'area']);
    return {
      type: 'batch_norm',
      mean: reader.required('mean'),
      variance: reader.required('variance'),
      ...reader.optional('weight'),
      ...reader.optional('bias'),
      epsilon: reader.number('epsilon'),
      area: reader.fields.area === undefined ? BATCH_NORM_DEFAULTS.area : reader.positiveInteger('area'),
    };
  },

  isAffine: ({ mean, area }: BatchNormOf<ShapeOnly>) => (mean.shape[0] * area) ** 2 <= MOST_DENSE,
  asBlock: 'a batch norm over so many features that its matrix is too large',

  asLinear({ mean, variance, weight, bias, epsilon, area }: BatchNormOf<Tensor>): LinearOf<Tensor> {
    const width = mean.data.length * area;
    const data = new Float64Array(width * width);
    const offset = new Float64Array(width);
    for (let i = 0; i < width; i++) {
      const channel = Math.floor(i / area);
      const factor = (weight?.data[channel] ?? 1) / Math.sqrt(variance.data[channel] + epsilon);
      data[i * (width + 1)] = factor;
      offset[i] = (bias?.data[channel] ?? 0) - factor * mean.data[channel];
    }
    return { type: 'linear', weight: { data, shape: [width, width] }, bias: { data: offset, shape: [width] } };
  },
};
