import type { ChainMethod, ChainSource } from '../../lib/backend/grams.js';
import type { AttentionLayer, BilinearLayer, Layer, LinearLayer } from '../../lib/model/model.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { fillPseudoRandom } from '../support.js';

/** Networks of the family `deep`: embedding d → m, blocks of h hidden units without a residual, head m → o. */
export interface DeepShape {
  readonly family: 'deep';
  readonly inputs: number;
  readonly width: number;
  readonly hidden: number;
  readonly outputs: number;
  readonly blocks: number;
}

/**
 * Networks of the family `attention`: V tokens, layers x + s·attention(x) with a causal mask and rotary positions, V
 * logits.
 */
export interface AttentionShape {
  readonly family: 'attention';
  readonly tokens: number;
  readonly width: number;
  readonly heads: number;
  readonly layers: number;
  readonly positions: number;
}

export type Shape = DeepShape | AttentionShape;

/** A pair of networks to compare by every method that knows them. */
export interface Instance {
  readonly name: string;
  readonly shape: Shape;
  readonly methods: readonly ChainMethod[];
}

/**
 * The last two are what acceptance is asked of, with figures for the published code: 3.5 to 4.5 s a pair on a GPU for
 * the larger one.
 */
export const INSTANCES: readonly Instance[] = [
  ...([1, 2, 3] as const).map((blocks) => ({
    name: `deep 784-128-256-10 ×${blocks}`,
    shape: { family: 'deep', inputs: 784, width: 128, hidden: 256, outputs: 10, blocks } as const,
    methods: [
      ...(blocks === 1 ? (['one-block'] as const) : []),
      ...(blocks === 2 ? (['two-block'] as const) : []),
      'closure' as const,
      'tensor' as const,
    ],
  })),
  {
    name: 'deep 64-24-48-10 ×2',
    shape: { family: 'deep', inputs: 64, width: 24, hidden: 48, outputs: 10, blocks: 2 },
    methods: ['two-block', 'closure', 'tensor'],
  },
  {
    name: 'attention V512 d64 H4 ×2',
    shape: { family: 'attention', tokens: 512, width: 64, heads: 4, layers: 2, positions: 4 },
    methods: ['closure'],
  },
  {
    name: 'attention V4096 d256 H8 ×2',
    shape: { family: 'attention', tokens: 4096, width: 256, heads: 8, layers: 2, positions: 4 },
    methods: ['closure'],
  },
];

/** Scale of the attention's residual, that of the induction networks. */
const RESIDUAL = 0.35;

/**
 * The layers of a network with random weights of the sizes of an instance, scaled so that features keep their size; the
 * same in every run.
 */
export function layersOf(shape: Shape, seed: number): Layer[] {
  let drawn = 0;
  const matrix = (rows: number, columns: number): Tensor => {
    const data = fillPseudoRandom(new Float32Array(rows * columns), 7919 * seed + ++drawn);
    const scale = Math.sqrt(12 / columns); // the variance of what fills it is 1/12
    for (let i = 0; i < data.length; i++) data[i] *= scale;
    return { data, shape: [rows, columns] };
  };
  const linear = (outputs: number, inputs: number): LinearLayer => ({
    type: 'linear',
    weight: matrix(outputs, inputs),
  });
  if (shape.family === 'deep') {
    const { inputs, width, hidden, outputs, blocks } = shape;
    const block = (): BilinearLayer => {
      const [left, right, down] = [matrix(hidden, width), matrix(hidden, width), matrix(width, hidden)];
      return { type: 'bilinear', left, right, down, alpha: 0, beta: 1 };
    };
    return [linear(width, inputs), ...Array.from({ length: blocks }, block), linear(outputs, width)];
  }
  const { tokens, width, heads, layers } = shape;
  const attention = (): AttentionLayer => {
    const [q1, k1, q2, k2] = [0, 1, 2, 3].map(() => matrix(width, width)) as [Tensor, Tensor, Tensor, Tensor];
    const [v, o] = [matrix(width, width), matrix(width, width)];
    const settings = { heads, mask: 'causal', rotaryBase: 10_000, alpha: 1, beta: RESIDUAL } as const;
    return { type: 'attention', q1, k1, q2, k2, v, o, ...settings };
  };
  return [linear(width, tokens), ...Array.from({ length: layers }, attention), linear(tokens, width)];
}

/** The same as a chain under N(0, I), for a method. */
export function chainOf(shape: Shape, method: ChainMethod, seed: number): ChainSource {
  const [positions, inputs] = inputShape(shape);
  return { kind: 'chain', layers: layersOf(shape, seed), inputs, positions, method, law: { sigma: 1 } };
}

/** n and d of an input. */
export function inputShape(shape: Shape): [positions: number, features: number] {
  return shape.family === 'deep' ? [1, shape.inputs] : [shape.positions, shape.tokens];
}
