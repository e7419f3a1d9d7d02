import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AttentionLayer, BilinearLayer, LinearLayer, Model } from '../../lib/model/model.js';
import { similarity } from '../../lib/similarity/similarity.js';
import type { Measure, SimilarityOptions } from '../../lib/similarity/terms/types.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { availableBackends, backendsWith } from '../support/backends.js';
import { runs } from '../support/campaign.js';
import { modelOf, randomAttention, randomBlock, randomLinear, sequenceModel } from '../support/models.js';
import { identity, product, type Rows, rowsOf, tensorOf, transposed } from '../support/oracles.js';
import { type Random, random } from '../support/random.js';

/** linear 3 → 4, block 4 → 4 with 5 units and every bias, linear 4 → 2. */
interface Network {
  readonly first: LinearLayer;
  readonly block: BilinearLayer;
  readonly last: LinearLayer;
}

function randomNetwork(draw: Random, alpha = 0): Network {
  return {
    first: randomLinear(draw, 4, 3),
    block: randomBlock(draw, { inputs: 4, hidden: 5, outputs: 4, biases: true, residual: [alpha, 0.8] }),
    last: randomLinear(draw, 2, 4),
  };
}

const toModel = ({ first, block, last }: Network): Model => modelOf([first, block, last]);

const mapTensor = (tensor: Tensor, change: (rows: Rows) => Rows): Tensor => tensorOf(change(rowsOf(tensor)));
const mapVector = (vector: Tensor, change: (values: number[]) => number[]): Tensor => ({
  data: Float64Array.from(change(Array.from(vector.data))),
  shape: vector.shape,
});
const scaleTensor = (tensor: Tensor, factor: number): Tensor => ({
  data: tensor.data.map((value) => factor * value),
  shape: tensor.shape,
});

/** A random orthogonal matrix: Gram and Schmidt's, twice. */
function randomRotation(draw: Random, size: number): Rows {
  const rows: Rows = [];
  for (let i = 0; i < size; i++) {
    let row = Array.from({ length: size }, () => draw.normal());
    for (const other of [...rows, ...rows]) {
      const overlap = row.reduce((sum, value, k) => sum + value * other[k], 0);
      row = row.map((value, k) => value - overlap * other[k]);
    }
    const length = Math.hypot(...row);
    rows.push(row.map((value) => value / length));
  }
  return rows;
}

/** Every transformation of MATH.md section 9 that leaves the function of a chain with one block alone. */
const TRANSFORMATIONS: Record<string, (network: Network, draw: Random) => Network> = {
  'permuting hidden units': ({ first, block, last }) => {
    const order = [3, 0, 4, 1, 2];
    const shuffle = <T>(items: T[]) => order.map((i) => items[i]);
    return {
      first,
      block: {
        ...block,
        left: mapTensor(block.left, shuffle),
        right: mapTensor(block.right, shuffle),
        leftBias: mapVector(block.leftBias!, shuffle),
        rightBias: mapVector(block.rightBias!, shuffle),
        down: mapTensor(block.down!, (rows) => rows.map(shuffle)),
      },
      last,
    };
  },
  'swapping L and R of a unit': ({ first, block, last }) => {
    const [left, right] = [rowsOf(block.left), rowsOf(block.right)];
    const [l, r] = [Array.from(block.leftBias!.data), Array.from(block.rightBias!.data)];
    [left[2], right[2]] = [right[2], left[2]];
    [l[2], r[2]] = [r[2], l[2]];
    const swapped = { left: tensorOf(left), right: tensorOf(right) };
    const leftBias = mapVector(block.leftBias!, () => l);
    const rightBias = mapVector(block.rightBias!, () => r);
    return { first, block: { ...block, ...swapped, leftBias, rightBias }, last };
  },
  'scaling L by s and R by 1/s': ({ first, block, last }) => ({
    first,
    block: {
      ...block,
      left: scaleTensor(block.left, -3),
      leftBias: scaleTensor(block.leftBias!, -3),
      right: scaleTensor(block.right, -1 / 3),
      rightBias: scaleTensor(block.rightBias!, -1 / 3),
    },
    last,
  }),
  'changing the basis before the block': ({ first, block, last }, draw) => {
    const turn = randomRotation(draw, 4);
    const back = (rows: Rows) => product(rows, transposed(turn));
    const rotated = {
      ...first,
      weight: mapTensor(first.weight, (rows) => product(turn, rows)),
      bias: mapVector(first.bias!, (values) => product(turn, transposed([values])).flat()),
    };
    return {
      first: rotated,
      block: { ...block, left: mapTensor(block.left, back), right: mapTensor(block.right, back) },
      last,
    };
  },
  'changing the basis after the block': ({ first, block, last }, draw) => {
    const turn = randomRotation(draw, 4);
    const forth = (rows: Rows) => product(turn, rows);
    const downBias = mapVector(block.downBias!, (values) => forth(transposed([values])).flat());
    return {
      first,
      block: { ...block, down: mapTensor(block.down!, forth), downBias },
      last: { ...last, weight: mapTensor(last.weight, (rows) => product(rows, transposed(turn))) },
    };
  },
};

function scaleOutput({ first, block, last }: Network, factor: number): Network {
  return {
    first,
    block,
    last: { ...last, weight: scaleTensor(last.weight, factor), bias: scaleTensor(last.bias!, factor) },
  };
}

const seed = fc.integer({ min: 0, max: 2 ** 31 });

describe.each(availableBackends)('on %s', (backend) => {
  const cosine = async (a: Network, b: Network, measure: Measure) =>
    (await similarity(toModel(a), toModel(b), { measure, backend })).similarity;

  describe.each(['gaussian', 'tensor'] as const)('the similarity of %s does not change by', (measure) => {
    it.each(Object.keys(TRANSFORMATIONS))('%s', async (name) => {
      await fc.assert(
        fc.asyncProperty(seed, async (start) => {
          const draw = random(start);
          const [a, b] = [randomNetwork(draw), randomNetwork(draw)];
          const changed = TRANSFORMATIONS[name](a, draw);
          expect(Math.abs((await cosine(changed, b, measure)) - (await cosine(a, b, measure)))).toBeLessThan(1e-10);
          expect(1 - (await cosine(changed, a, measure))).toBeLessThan(1e-10);
        }),
        { numRuns: runs(20) },
      );
    });

    it('permuting, swapping and scaling units beside a residual', async () => {
      const draw = random(5);
      const [a, b] = [randomNetwork(draw, 0.5), randomNetwork(draw, -1)];
      const names = ['permuting hidden units', 'swapping L and R of a unit', 'scaling L by s and R by 1/s'];
      const changed = names.reduce((network, name) => TRANSFORMATIONS[name](network, draw), a);
      expect(Math.abs((await cosine(changed, b, measure)) - (await cosine(a, b, measure)))).toBeLessThan(1e-10);
    });

    it('scaling the whole output, but for the sign of the factor', async () => {
      await fc.assert(
        fc.asyncProperty(seed, fc.double({ min: 1e-3, max: 1e3, noNaN: true }), async (start, factor) => {
          const draw = random(start);
          const [a, b] = [randomNetwork(draw), randomNetwork(draw)];
          const before = await cosine(a, b, measure);
          expect(Math.abs((await cosine(scaleOutput(a, factor), b, measure)) - before)).toBeLessThan(1e-10);
          expect(Math.abs((await cosine(scaleOutput(a, -factor), b, measure)) + before)).toBeLessThan(1e-10);
        }),
        { numRuns: runs(20) },
      );
    });
  });

  describe('the similarity of weights, a mere baseline, changes by', () => {
    it.each(Object.keys(TRANSFORMATIONS))('%s', async (name) => {
      const draw = random(11);
      const network = randomNetwork(draw);
      expect(await cosine(network, TRANSFORMATIONS[name](network, draw), 'weights')).toBeLessThan(0.999);
    });
  });

  it('rotations of a stream with a residual beside the block do change the function', async () => {
    // Guards the tests above: with a residual the stream before and after the block is one, and may not be turned in
    // one place.
    const draw = random(3);
    const network = randomNetwork(draw, 1);
    const turned = TRANSFORMATIONS['changing the basis after the block'](network, draw);
    expect(await cosine(network, turned, 'gaussian')).toBeLessThan(0.999);
  });
});

/** The network among other blocks, the same for all networks of a test. */
const lead = randomBlock(random(101), { inputs: 3, hidden: 4, outputs: 3, biases: true, residual: [0.5, 0.5] });
const tail = randomBlock(random(102), { inputs: 2, hidden: 3, outputs: 2, biases: true, residual: [0.4, 0.6] });
const layersOf = ({ first, block, last }: Network) => [first, block, last];

const DEEP: Record<string, { options: SimilarityOptions; embed: (network: Network) => Model }> = {
  'two blocks, exactly, the first': { options: {}, embed: (network) => modelOf([...layersOf(network), tail]) },
  'two blocks, exactly, the second': { options: {}, embed: (network) => modelOf([lead, ...layersOf(network)]) },
  'three blocks by the closure, the middle one': {
    options: { method: 'closure' },
    embed: (network) => modelOf([lead, ...layersOf(network), tail]),
  },
  'three blocks under tensor, the middle one': {
    options: { measure: 'tensor' },
    embed: (network) => modelOf([lead, ...layersOf(network), tail]),
  },
};

describe.each(backendsWith('two-block', 'closure', 'tensor'))('deep networks on %s', (backend) => {
  describe.each(Object.keys(DEEP))('the similarity of %s, does not change by', (name) => {
    const { options, embed } = DEEP[name];
    const cosine = async (a: Model, b: Model) => (await similarity(a, b, { ...options, backend })).similarity;

    it.each(Object.keys(TRANSFORMATIONS))('%s', async (transformation) => {
      await fc.assert(
        fc.asyncProperty(seed, async (start) => {
          const draw = random(start);
          const [a, b] = [randomNetwork(draw), randomNetwork(draw)];
          const changed = TRANSFORMATIONS[transformation](a, draw);
          const [before, after] = [await cosine(embed(a), embed(b)), await cosine(embed(changed), embed(b))];
          expect(Math.abs(after - before)).toBeLessThan(1e-10);
          expect(1 - (await cosine(embed(changed), embed(a)))).toBeLessThan(1e-10);
        }),
        { numRuns: runs(5) },
      );
    });

    it('scaling the whole output, but for the sign of the factor', async () => {
      const draw = random(9);
      const [a, b] = [randomNetwork(draw), randomNetwork(draw)].map(embed);
      const scaled = (factor: number) =>
        modelOf([
          ...a.layers,
          { type: 'linear', weight: tensorOf(identity(2).map((row) => row.map((x) => factor * x))) },
        ]);
      const before = await cosine(a, b);
      for (const factor of [1e-3, 7, 1e3]) {
        expect(Math.abs((await cosine(scaled(factor), b)) - before)).toBeLessThan(1e-10);
        expect(Math.abs((await cosine(scaled(-factor), b)) + before)).toBeLessThan(1e-10);
      }
    });
  });
});

describe.each(backendsWith('closure'))('attention on %s', (backend) => {
  const shape = { inputs: 3, heads: 2, size: 2, biases: true, rotaryBase: 100, residual: [1, 0.5] } as const;
  const ROLES = ['q1', 'k1', 'q2', 'k2', 'v', 'q1Bias', 'k1Bias', 'q2Bias', 'k2Bias', 'vBias'] as const;
  /** Rows of a head of a weight, or entries of a bias, exchanged with those of the other. */
  const swapHeads = (tensor: Tensor): Tensor => {
    const half = tensor.data.length / 2;
    return { ...tensor, data: Float64Array.of(...tensor.data.subarray(half), ...tensor.data.subarray(0, half)) };
  };
  const CHANGES: Record<string, (layer: AttentionLayer) => AttentionLayer> = {
    'permuting heads': (layer) => ({
      ...layer,
      ...Object.fromEntries(ROLES.map((role) => [role, swapHeads(layer[role]!)])),
      o: mapTensor(layer.o, (rows) => rows.map(([a, b, c, d]) => [c, d, a, b])),
    }),
    'swapping (q1, k1) with (q2, k2) in a head': (layer) => {
      const first = (a: Tensor, b: Tensor): Tensor => {
        const half = a.data.length / 2;
        return { ...a, data: Float64Array.of(...b.data.subarray(0, half), ...a.data.subarray(half)) };
      };
      const { q1, k1, q2, k2, q1Bias, k1Bias, q2Bias, k2Bias } = layer;
      return {
        ...layer,
        ...{ q1: first(q1, q2), q2: first(q2, q1), k1: first(k1, k2), k2: first(k2, k1) },
        ...{ q1Bias: first(q1Bias!, q2Bias!), q2Bias: first(q2Bias!, q1Bias!) },
        ...{ k1Bias: first(k1Bias!, k2Bias!), k2Bias: first(k2Bias!, k1Bias!) },
      };
    },
  };

  it.each(Object.keys(CHANGES))('at depth one and two does not change by %s', async (name) => {
    const draw = random(14);
    const layers = () =>
      [randomAttention(draw, shape), randomAttention(draw, shape), randomLinear(draw, 2, 3)] as const;
    const [a, b] = [layers(), layers()];
    for (const depth of [1, 2]) {
      const build = ([one, two, head]: ReturnType<typeof layers>) =>
        sequenceModel(3, depth === 1 ? [one, head] : [two, one, head]);
      const options = { backend, method: depth === 1 ? 'exact' : 'closure' } as const;
      const changed = build([CHANGES[name](a[0]), a[1], a[2]]);
      const before = (await similarity(build(a), build(b), options)).similarity;
      const after = (await similarity(changed, build(b), options)).similarity;
      expect(Math.abs(after - before)).toBeLessThan(1e-10);
      expect(1 - (await similarity(changed, build(a), options)).similarity).toBeLessThan(1e-10);
      expect((await similarity(changed, build(a), { measure: 'weights', backend })).similarity).toBeLessThan(0.999);
    }
  });
});

it('rotations of these tests are orthogonal', () => {
  const turn = randomRotation(random(1), 4);
  const square = product(turn, transposed(turn));
  for (const [i, row] of identity(4).entries()) {
    for (const [j, value] of row.entries()) expect(square[i][j]).toBeCloseTo(value, 12);
  }
});
