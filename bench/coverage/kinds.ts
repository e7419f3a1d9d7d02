import type { Model } from '../../lib/model/model.js';
import type { InputLaw } from '../../lib/similarity/terms/types.js';
import type { Random } from '../../test/support/random.js';
import {
  behind,
  type ChainShape,
  moved,
  projection,
  randomChain,
  randomUnits,
  tailPair,
  type UnitsShape,
} from './networks.js';
import { byEnumeration, byFormula, byGrid, byQuadrature, type Truth } from './truth.js';

/** Two networks of which the similarity is known. */
export interface Instance {
  readonly models: readonly [Model, Model];
  readonly input: InputLaw;
  readonly truth: Truth;
}

export interface Kind {
  readonly name: string;
  make(draw: Random): Promise<Instance>;
}

type Blocks = ChainShape['blocks'];
const bilinear = (count: number): Blocks => Array.from({ length: count }, () => 'bilinear');
const attention = (count: number): Blocks => Array.from({ length: count }, () => 'attention');

/** Quadrature nodes that are enough for two chains: one more than the degree. */
const pointsFor = (blocks: Blocks) => blocks.reduce((degree, kind) => degree * (kind === 'bilinear' ? 2 : 5), 1) + 1;

const coin = (draw: Random) => draw.uniform() < 0.5;

interface Range {
  readonly blocks: Blocks;
  readonly features: readonly [least: number, most: number];
  readonly positions?: readonly [least: number, most: number];
  readonly hidden?: readonly [least: number, most: number];
  /** Numbers of an input at most, where the truth is a quadrature. */
  readonly numbers?: number;
}

/** Two chains of one shape, biases, residuals and linear layers by chance. */
function pairOf(draw: Random, range: Range): readonly [Model, Model] {
  const [least, most] = range.features;
  const features = draw.integer(least, most);
  const [fewest, longest] = range.positions ?? [1, 1];
  const room = Math.min(longest, Math.floor((range.numbers ?? Number.POSITIVE_INFINITY) / features));
  const shape: ChainShape = {
    features,
    positions: draw.integer(Math.min(fewest, room), room),
    outputs: draw.integer(1, 3),
    blocks: range.blocks,
    ...(range.hidden && { hidden: draw.integer(...range.hidden) }),
    biases: coin(draw),
    residual: coin(draw),
    linear: coin(draw),
  };
  return [randomChain(draw, shape), randomChain(draw, shape)];
}

const standard = 'standard' as const;

function quadrature(name: string, range: Range): Kind {
  return {
    name,
    async make(draw) {
      const models = pairOf(draw, range);
      return { models, input: standard, truth: await byQuadrature(models, pointsFor(range.blocks)) };
    },
  };
}

function formula(name: string, range: Range): Kind {
  return {
    name,
    async make(draw) {
      const models = pairOf(draw, range);
      return { models, input: standard, truth: await byFormula(models) };
    },
  };
}

/** Networks of a subspace of one to three dimensions of an input of many. */
function hidden(name: string, range: Range, features: readonly [number, number]): Kind {
  return {
    name,
    async make(draw) {
      const inner = pairOf(draw, range);
      const layer = projection(draw, inner[0].inputShape[1], draw.integer(...features));
      const truth = await byQuadrature(inner, pointsFor(range.blocks));
      return { models: [behind(layer, inner[0]), behind(layer, inner[1])], input: standard, truth };
    },
  };
}

function tokens(name: string, blocks: Blocks): Kind {
  return {
    name,
    async make(draw) {
      const positions = draw.integer(2, 3);
      const vocabulary = draw.integer(4, 16);
      const width = draw.integer(2, 4);
      const embed = () => projection(draw, width, Math.max(vocabulary, width));
      const range: Range = { blocks, features: [width, width], positions: [positions, positions] };
      const [f, g] = pairOf(draw, range);
      const models = [behind(embed(), f), behind(embed(), g)] as const;
      return { models, input: 'tokens', truth: await byEnumeration(models) };
    },
  };
}

function tail(name: string, outputs: readonly [number, number], features: readonly [number, number]): Kind {
  return {
    name,
    async make(draw) {
      const blocks = draw.integer(2, 5);
      const bulk = (['constant', 'same', 'other'] as const)[draw.integer(0, 2)];
      const count = draw.integer(...outputs);
      const shape = {
        blocks,
        tails: count === 1 && features[1] > 3 && coin(draw) ? 2 : 1,
        outputs: count,
        bulk,
        sided: coin(draw) ? ('both' as const) : ('one' as const),
        target: 0.3 + 0.67 * draw.uniform(),
      };
      const inner = tailPair(shape);
      const truth = await byQuadrature(inner, 2 ** blocks + 1);
      const width = inner[0].inputShape[1];
      const wide = draw.integer(...features);
      if (wide <= width) return { models: inner, input: standard, truth };
      const layer = projection(draw, width, wide);
      return { models: [behind(layer, inner[0]), behind(layer, inner[1])], input: standard, truth };
    },
  };
}

/** A network and a copy whose weights have moved a little. */
function copies(name: string, range: Range): Kind {
  return {
    name,
    async make(draw) {
      const [f] = pairOf(draw, range);
      const models = [f, moved(draw, f, 0.003 * 100 ** draw.uniform())] as const;
      return { models, input: standard, truth: await byQuadrature(models, pointsFor(range.blocks)) };
    },
  };
}

export const KINDS: readonly Kind[] = [
  quadrature('1 block, 1–3 inputs', { blocks: bilinear(1), features: [1, 3] }),
  quadrature('2 blocks, 1–3 inputs', { blocks: bilinear(2), features: [1, 3] }),
  quadrature('3 blocks, 1 input', { blocks: bilinear(3), features: [1, 1] }),
  quadrature('3 blocks, 2–3 inputs', { blocks: bilinear(3), features: [2, 3] }),
  quadrature('4 blocks, 1–3 inputs', { blocks: bilinear(4), features: [1, 3] }),
  quadrature('5 blocks, 1–2 inputs', { blocks: bilinear(5), features: [1, 2] }),
  formula('1 block, 4–32 inputs', { blocks: bilinear(1), features: [4, 32], hidden: [1, 32] }),
  formula('2 blocks, 4–32 inputs', { blocks: bilinear(2), features: [4, 32], hidden: [1, 12] }),
  formula('2 blocks, 16–32 wide', { blocks: bilinear(2), features: [16, 32], hidden: [16, 48] }),
  hidden('3 blocks of 1–3 in 32', { blocks: bilinear(3), features: [1, 3] }, [4, 32]),
  hidden('4 blocks of 1–2 in 32', { blocks: bilinear(4), features: [1, 2] }, [4, 32]),
  hidden('5 blocks of 1–2 in 32', { blocks: bilinear(5), features: [1, 2] }, [4, 32]),
  quadrature('attention, 1–3 numbers', { blocks: attention(1), features: [1, 3], positions: [1, 3], numbers: 3 }),
  formula('attention, many numbers', { blocks: attention(1), features: [2, 6], positions: [2, 4] }),
  quadrature('attention 2, 1–3 numbers', { blocks: attention(2), features: [1, 3], positions: [1, 3], numbers: 3 }),
  quadrature('attention 3, 1–2 numbers', { blocks: attention(3), features: [1, 2], positions: [1, 2], numbers: 2 }),
  quadrature('attention and block', {
    blocks: ['attention', 'bilinear'],
    features: [1, 3],
    positions: [1, 3],
    numbers: 3,
  }),
  quadrature('block and attention', {
    blocks: ['bilinear', 'attention'],
    features: [1, 3],
    positions: [1, 3],
    numbers: 3,
  }),
  hidden(
    'attention 2 of 1–3 in 48',
    { blocks: attention(2), features: [1, 1], positions: [1, 3], numbers: 3 },
    [2, 16],
  ),
  tokens('tokens, attention', attention(1)),
  tokens('tokens, attention 2', attention(2)),
  copies('copies, 3 blocks', { blocks: bilinear(3), features: [1, 3] }),
  tail('tail, whole', [1, 1], [1, 3]),
  tail('tail, whole, 4–32 inputs', [1, 1], [4, 32]),
  tail('tail, one output', [2, 2], [1, 4]),
  tail('tail, one output, 4–32', [2, 2], [4, 32]),
];

/** Networks of activations of one or two numbers, alone or of a subspace of an input of many; or one and a moved copy. */
function units(
  name: string,
  shape: Pick<UnitsShape, 'depth' | 'gated' | 'residual' | 'decaying'>,
  features: readonly [number, number] | null,
  near = false,
): Kind {
  return {
    name,
    async make(draw) {
      const own = { ...shape, features: draw.integer(1, 2), outputs: draw.integer(1, 3), hidden: draw.integer(4, 16) };
      const f = randomUnits(draw, own);
      const inner = [f, near ? moved(draw, f, 0.05 + 0.2 * draw.uniform()) : randomUnits(draw, own)] as const;
      const truth = await byGrid(inner);
      if (features === null) return { models: inner, input: standard, truth };
      const layer = projection(draw, own.features, draw.integer(...features));
      return { models: [behind(layer, inner[0]), behind(layer, inner[1])], input: standard, truth };
    },
  };
}

const WIDE = [5, 32] as const;

/** Networks with activations: those of two layers and more are sampled beside their surrogates. */
export const UNIT_KINDS: readonly Kind[] = [
  units('2 hidden layers, 1–2 inputs', { depth: 2 }, null),
  units('3 hidden layers, 1–2 inputs', { depth: 3 }, null),
  units('2 hidden layers of 1–2 in 32', { depth: 2 }, WIDE),
  units('3 hidden layers of 1–2 in 32', { depth: 3 }, WIDE),
  units('2 gated blocks, 1–2 inputs', { depth: 2, gated: true }, null),
  units('2 gated blocks of 1–2 in 32', { depth: 2, gated: true, residual: true }, WIDE),
  units('3 residual layers, 1–2 inputs', { depth: 3, residual: true }, null),
  units('2 layers, as if trained', { depth: 2, decaying: true }, null),
  units('3 layers, a moved copy', { depth: 3, decaying: true }, null, true),
];

export const ALL_KINDS: readonly Kind[] = [...KINDS, ...UNIT_KINDS];
