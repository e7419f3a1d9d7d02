import type { GramRoute } from '../../lib/backend/grams.js';
import { createModel, type LayerDefinition } from '../../lib/model/create.js';
import type { Model } from '../../lib/model/model.js';
import { type ChainShape, planRoute, type RouteMachine } from '../../lib/similarity/plan/gram_route.js';
import type { DType, TensorData } from '../../lib/tensor/tensor.js';
import { fillPseudoRandom } from '../support.js';

/** Sizes of a network of one bilinear block, with an embedding (m, d) before it if there is `m`. */
export interface Shape {
  readonly d: number;
  readonly h: number;
  readonly o: number;
  readonly m?: number;
}

export const SHAPES: readonly Shape[] = [
  { d: 64, h: 32, o: 10 },
  { d: 226, h: 64, o: 113 },
  { d: 1024, h: 64, o: 10 },
  { d: 784, h: 256, o: 10 },
  { d: 784, h: 256, o: 10, m: 128 },
];
export const COUNTS: readonly number[] = [41, 100, 400];

export const shapeName = ({ d, h, o, m }: Shape) => `(${m === undefined ? d : `${d}→${m}`}, ${h}, ${o})`;
export const pairsOf = (count: number) => (count * (count + 1)) / 2;

export function chainOf({ d, h, o, m }: Shape): ChainShape {
  return { inputs: d, embedding: m ?? null, hidden: h, outputs: o, linear: false };
}

export function routesOf({ m }: Shape): GramRoute[] {
  return m === undefined ? ['factor', 'dense'] : ['factor', 'unfolded', 'dense'];
}

/** The weights of `count` models, each kind in one array, one model after the other. */
export interface Weights {
  readonly count: number;
  readonly left: TensorData;
  readonly right: TensorData;
  readonly down: TensorData;
  readonly embedding: TensorData;
}

/** The same numbers in every run, and for a smaller count the first of them. */
export function weightsOf({ d, h, o, m = 0 }: Shape, count: number, dtype: DType): Weights {
  const fill = (size: number, seed: number): TensorData =>
    fillPseudoRandom(dtype === 'float64' ? new Float64Array(count * size) : new Float32Array(count * size), seed);
  const width = m === 0 ? d : m;
  return {
    count,
    left: fill(h * width, 1),
    right: fill(h * width, 2),
    down: fill(o * h, 3),
    embedding: fill(m * d, 4),
  };
}

export function modelsOf({ d, h, o, m }: Shape, weights: Weights): Model[] {
  const part = (data: TensorData, i: number, rows: number, columns: number) => ({
    data: data.subarray(i * rows * columns, (i + 1) * rows * columns),
    shape: [rows, columns],
  });
  return Array.from({ length: weights.count }, (_, i) => {
    const width = m ?? d;
    const layers: LayerDefinition[] = [
      {
        type: 'bilinear',
        left: part(weights.left, i, h, width),
        right: part(weights.right, i, h, width),
        down: part(weights.down, i, o, h),
        alpha: 0,
        beta: 1,
      },
    ];
    if (m !== undefined) layers.unshift({ type: 'linear', weight: part(weights.embedding, i, m, d) });
    return createModel({ layers, label: `model ${i}` });
  });
}

/** Bytes that the models of one measurement may take once they are prepared. */
const MOST_BYTES = 3 * 2 ** 30;

/**
 * The most models, up to `count`, that a route is expected to compare within so many seconds; 0 where memory or time
 * allow no two.
 */
export function affordable(
  shape: Shape,
  count: number,
  route: GramRoute,
  dtype: DType,
  machine: RouteMachine,
  seconds: number,
): number {
  const fits = (models: number) => {
    const { estimates } = planRoute({ chains: Array(models).fill(chainOf(shape)), dtype }, machine);
    const estimate = estimates.find((candidate) => candidate.route === route)!;
    return estimate.seconds <= seconds && estimate.memory <= MOST_BYTES;
  };
  let [low, high] = [1, count];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle - 1;
  }
  return low < 2 ? 0 : low;
}
