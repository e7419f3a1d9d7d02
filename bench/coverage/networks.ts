import { createModel, type LayerDefinition } from '../../lib/model/create.js';
import type { LinearLayer, Model } from '../../lib/model/model.js';
import { randomAttention, randomBlock, randomLinear } from '../../test/support/models.js';
import type { Random } from '../../test/support/random.js';
import { randomGated, randomHidden } from '../../test/support/units.js';

/** What a random chain is made of. */
export interface ChainShape {
  readonly features: number;
  readonly positions: number;
  readonly outputs: number;
  readonly blocks: readonly ('bilinear' | 'attention')[];
  /** Hidden units of a block; default: 1 to 6. */
  readonly hidden?: number;
  readonly biases: boolean;
  readonly residual: boolean;
  /** Linear layers between blocks here and there, which change the width. */
  readonly linear: boolean;
}

/** A random chain; without linear layers every block is as wide as the input, and a head follows. */
export function randomChain(draw: Random, shape: ChainShape): Model {
  const { features, positions, outputs, blocks, biases, residual } = shape;
  const layers: LayerDefinition[] = [];
  let width = features;
  const linear = (to: number) => {
    layers.push(randomLinear(draw, to, width, biases));
    width = to;
  };
  for (const kind of blocks) {
    if (shape.linear && draw.uniform() < 0.5) linear(draw.integer(1, 4));
    const factors = residual ? ([draw.uniform() < 0.5 ? 1 : draw.normal(), draw.normal()] as const) : ([0, 1] as const);
    if (kind === 'bilinear') {
      const hidden = shape.hidden ?? draw.integer(1, 6);
      layers.push(randomBlock(draw, { inputs: width, hidden, outputs: width, biases, residual: factors }));
    } else {
      const heads = draw.integer(1, 2);
      const mask = draw.uniform() < 0.5 ? 'causal' : 'none';
      const rotaryBase = draw.uniform() < 0.5 ? 100 : null;
      const size = 2 * draw.integer(1, 2);
      layers.push(randomAttention(draw, { inputs: width, heads, size, biases, mask, rotaryBase, residual: factors }));
    }
  }
  linear(outputs);
  return createModel({ layers, positions, label: 'chain' });
}

/** What a network of activations is made of. */
export interface UnitsShape {
  readonly features: number;
  readonly outputs: number;
  /** Blocks. */
  readonly depth: number;
  /** Units of a block. */
  readonly hidden: number;
  readonly gated?: boolean;
  readonly residual?: boolean;
  /** Whether few units carry most, as training makes it. */
  readonly decaying?: boolean;
}

const ACTIVATIONS = ['relu', 'gelu', 'silu', 'tanh'] as const;

/** A random network of blocks with one activation, and a head. */
export function randomUnits(draw: Random, shape: UnitsShape): Model {
  const { features, outputs, depth, hidden, gated = false, residual = false, decaying = false } = shape;
  const activation = ACTIVATIONS[draw.integer(0, 3)];
  const layers: LayerDefinition[] = [];
  if (residual) layers.push(randomLinear(draw, hidden, features, true));
  for (let i = 0; i < depth; i++) {
    const inputs = i > 0 || residual ? hidden : features;
    const factors = residual ? { residual: [1, 0.5 + draw.uniform()] as const } : {};
    const block = { inputs, hidden, outputs: hidden, activation, biases: true, ...factors };
    const layer = gated ? randomGated(draw, block) : randomHidden(draw, block);
    const { down } = layer;
    const data = down!.data.map((value, at) => (decaying ? (2 * value) / (1 + (at % hidden)) : value));
    layers.push({ ...layer, down: { ...down!, data } });
  }
  layers.push(randomLinear(draw, outputs, hidden, true));
  return createModel({ layers, label: 'units' });
}

/**
 * An orthonormal set of `rows` vectors of length `width`, as a layer without bias: z ~ N(0, I) comes out as N(0, I).
 */
export function projection(draw: Random, rows: number, width: number): LinearLayer {
  const data = new Float64Array(rows * width);
  for (let r = 0; r < rows; r++) {
    const row = data.subarray(r * width, (r + 1) * width);
    for (let i = 0; i < width; i++) row[i] = draw.normal();
    // Twice, for rounding.
    for (let pass = 0; pass < 2; pass++) {
      for (let q = 0; q < r; q++) {
        const other = data.subarray(q * width, (q + 1) * width);
        const along = row.reduce((sum, value, i) => sum + value * other[i], 0);
        for (let i = 0; i < width; i++) row[i] -= along * other[i];
      }
    }
    const norm = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
    for (let i = 0; i < width; i++) row[i] /= norm;
  }
  return { type: 'linear', weight: { data, shape: [rows, width] } };
}

/** The model behind a layer. */
export function behind(layer: LayerDefinition, model: Model): Model {
  return createModel({ layers: [layer, ...model.layers], positions: model.inputShape[0], label: model.label });
}

/** A model whose weights have all moved by a share of their size. */
export function moved(draw: Random, model: Model, share: number): Model {
  const layers = model.layers.map((layer) =>
    Object.fromEntries(
      Object.entries(layer).map(([name, value]) => {
        if (typeof value !== 'object' || value === null) return [name, value];
        const data = Float64Array.from(value.data as Float64Array, (x) => x * (1 + share * draw.normal()));
        return [name, { data, shape: value.shape }];
      }),
    ),
  ) as unknown as LayerDefinition[];
  return createModel({ layers, positions: model.inputShape[0], label: model.label });
}

/** What a pair with a tail is made of. */
export interface TailShape {
  /** The tail is the 2^blocks-th power of a direction of the input. */
  readonly blocks: number;
  /** Powers, each of a direction of its own. */
  readonly tails: number;
  /** Outputs: the tail stands in the last one alone. */
  readonly outputs: number;
  /**
   * Whether the bulk of the last output is constant, linear in the direction of the (first) tail, or linear in a
   * direction of its own.
   */
  readonly bulk: 'constant' | 'same' | 'other';
  /** Whether both models have it, with opposite signs, or the second alone. */
  readonly sided: 'both' | 'one';
  /** Similarity of the last output, about: the size of the tail follows from it. */
  readonly target: number;
}

/**
 * Two models of `tails` + `outputs` normal numbers that differ by a small multiple of a high power: where few inputs
 * fall it is larger than anything else.
 */
export function tailPair(shape: TailShape): readonly [Model, Model] {
  const { blocks, tails, outputs, bulk, sided, target } = shape;
  const width = tails + outputs;
  // Per channel: h ↦ h + (h² − h) for tails, h for the bulk.
  const left = new Float64Array(2 * tails * width);
  const right = new Float64Array(2 * tails * width);
  const rightBias = new Float64Array(2 * tails);
  const down = new Float64Array(width * 2 * tails);
  for (let t = 0; t < tails; t++) {
    left[2 * t * width + t] = 1;
    left[(2 * t + 1) * width + t] = 1;
    right[2 * t * width + t] = 1;
    rightBias[2 * t + 1] = 1;
    down[t * 2 * tails + 2 * t] = 1;
    down[t * 2 * tails + 2 * t + 1] = -1;
  }
  const hidden = [2 * tails, width];
  const block: LayerDefinition = {
    type: 'bilinear',
    left: { data: left, shape: hidden },
    right: { data: right, shape: hidden },
    rightBias: { data: rightBias, shape: [2 * tails] },
    down: { data: down, shape: [width, 2 * tails] },
    alpha: 1,
    beta: 1,
  };
  const degree = 2 ** blocks;
  let moment = 1; // E x^(2·degree)
  for (let i = 1; i < 2 * degree; i += 2) moment *= i;
  // (1 − r) / (1 + r) where both have it, 1 / √(1 + r) where one has, r the mean square of the tail beside that of the
  // bulk.
  const ratio = sided === 'both' ? (1 - target) / (1 + target) : 1 / target ** 2 - 1;
  const size = Math.sqrt(ratio / moment / tails);
  // The first tail's direction comes through the blocks once more as a bulk channel.
  const doubled = bulk === 'same';
  const inputs = doubled ? width - 1 : width;
  const embed = new Float64Array(width * inputs);
  for (let i = 0; i < width; i++) embed[i * inputs + (i < inputs ? i : 0)] = 1;
  const model = (sign: number) => {
    const head = new Float64Array(outputs * width);
    const bias = new Float64Array(outputs);
    for (let c = 0; c < outputs; c++) head[c * width + tails + c] = 1;
    if (bulk === 'constant') {
      head[outputs * width - 1] = 0;
      bias[outputs - 1] = 1;
    }
    for (let t = 0; t < tails; t++) head[(outputs - 1) * width + t] = sign * size;
    return createModel({
      layers: [
        { type: 'linear', weight: { data: embed, shape: [width, inputs] } },
        ...Array.from({ length: blocks }, () => block),
        { type: 'linear', weight: { data: head, shape: [outputs, width] }, bias: { data: bias, shape: [outputs] } },
      ],
      label: 'tail',
    });
  };
  return [model(sided === 'both' ? 1 : 0), model(sided === 'both' ? -1 : 1)];
}
