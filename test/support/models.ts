import { createModel, type LayerDefinition } from '../../lib/model/create.js';
import type { AttentionLayer, BilinearLayer, LinearLayer, Model } from '../../lib/model/model.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import type { Random } from './random.js';

/** A tensor of independent normals, scaled so that layers keep the size of what goes through them. */
export function randomTensor(draw: Random, ...shape: number[]): Tensor {
  const size = shape.reduce((product, extent) => product * extent, 1);
  const scale = 1 / Math.sqrt(shape.at(-1)!);
  return { data: Float64Array.from({ length: size }, () => scale * draw.normal()), shape };
}

export function randomLinear(draw: Random, outputs: number, inputs: number, bias = true): LinearLayer {
  const weight = randomTensor(draw, outputs, inputs);
  return { type: 'linear', weight, ...(bias && { bias: randomTensor(draw, outputs) }) };
}

export interface BlockShape {
  readonly inputs: number;
  readonly hidden: number;
  readonly outputs: number;
  readonly biases?: boolean;
  /** α and β; default 0 and 1. α ≠ 0 needs inputs = outputs. */
  readonly residual?: readonly [alpha: number, beta: number];
}

export function randomBlock(draw: Random, shape: BlockShape): BilinearLayer {
  const { inputs, hidden, outputs, biases = false, residual = [0, 1] } = shape;
  return {
    type: 'bilinear',
    left: randomTensor(draw, hidden, inputs),
    right: randomTensor(draw, hidden, inputs),
    down: randomTensor(draw, outputs, hidden),
    ...(biases && {
      leftBias: randomTensor(draw, hidden),
      rightBias: randomTensor(draw, hidden),
      downBias: randomTensor(draw, outputs),
    }),
    alpha: residual[0],
    beta: residual[1],
  };
}

export interface AttentionShape {
  readonly inputs: number;
  /** Default: as many as inputs. */
  readonly outputs?: number;
  readonly heads: number;
  /** d_head. */
  readonly size: number;
  readonly biases?: boolean;
  readonly residual?: readonly [alpha: number, beta: number];
  /** Default: causal. */
  readonly mask?: 'causal' | 'none';
  /** Default: none. */
  readonly rotaryBase?: number | null;
}

export function randomAttention(draw: Random, shape: AttentionShape): AttentionLayer {
  const { inputs, outputs = inputs, heads, size, biases = false, residual = [0, 1] } = shape;
  const { mask = 'causal', rotaryBase = null } = shape;
  const width = heads * size;
  const projection = () => randomTensor(draw, width, inputs);
  return {
    type: 'attention',
    heads,
    q1: projection(),
    k1: projection(),
    q2: projection(),
    k2: projection(),
    v: projection(),
    o: randomTensor(draw, outputs, width),
    ...(biases && {
      q1Bias: randomTensor(draw, width),
      k1Bias: randomTensor(draw, width),
      q2Bias: randomTensor(draw, width),
      k2Bias: randomTensor(draw, width),
      vBias: randomTensor(draw, width),
      oBias: randomTensor(draw, outputs),
    }),
    mask,
    rotaryBase,
    alpha: residual[0],
    beta: residual[1],
  };
}

export function modelOf(layers: readonly LayerDefinition[], label = 'model'): Model {
  return createModel({ layers, label });
}

/** A network of several positions. */
export function sequenceModel(positions: number, layers: readonly LayerDefinition[], label = 'model'): Model {
  return createModel({ layers, positions, label });
}

/** A plain network of one block. */
export function blockModel(draw: Random, shape: BlockShape, label = 'model'): Model {
  return modelOf([randomBlock(draw, shape)], label);
}

/** What varies in a random chain: the layers around the block, the biases, the residual, the factor D. */
export interface ChainTraits {
  readonly before: number;
  readonly after: number;
  readonly block: boolean;
  readonly biases: boolean;
  readonly residual: boolean;
  readonly down: boolean;
}

/** A random chain from `inputs` to `outputs` with at most one block, its inner sizes drawn from 1 to 5. */
export function randomChain(draw: Random, inputs: number, outputs: number, traits: ChainTraits): Model {
  const layers: LayerDefinition[] = [];
  let size = inputs;
  const linear = (out: number) => {
    layers.push(randomLinear(draw, out, size, traits.biases));
    size = out;
  };
  for (let i = 0; i < traits.before; i++) linear(draw.integer(1, 5));
  if (traits.block) {
    const last = traits.after === 0;
    const width = last ? outputs : traits.residual ? size : draw.integer(1, 5);
    // A residual at the end of the chain, or a block without D, needs a fitting size.
    if (last && traits.residual && size !== width) linear(width);
    const hidden = traits.down ? draw.integer(1, 7) : width;
    const residual = traits.residual ? ([draw.normal(), draw.normal()] as const) : ([0, draw.normal()] as const);
    const block = randomBlock(draw, { inputs: size, hidden, outputs: width, biases: traits.biases, residual });
    const { down, ...without } = block;
    layers.push(traits.down ? block : without);
    size = width;
  }
  for (let i = 1; i < traits.after; i++) linear(draw.integer(1, 5));
  if (traits.after > 0 || size !== outputs || layers.length === 0) linear(outputs);
  return modelOf(layers, 'chain');
}
