import { describe, expect, it } from 'vitest';
import type { Layer } from '../../lib/model/model.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import { similarity } from '../../lib/similarity/similarity.js';
import type { SimilarityOptions } from '../../lib/similarity/types.js';
import { availableBackends } from '../support/backends.js';
import { regauged } from '../support/gauge.js';
import { randomAttention, randomBlock, randomLinear, sequenceModel } from '../support/models.js';
import { type Random, random } from '../support/random.js';

interface Kind {
  readonly layers: (draw: Random) => Layer[];
  readonly positions?: number;
  readonly options: readonly SimilarityOptions[];
  /** Exponents of the units inside. */
  readonly most: number;
}

const block = (draw: Random, hidden: number, biases: boolean, residual?: readonly [number, number]) =>
  randomBlock(draw, { inputs: 3, hidden, outputs: 3, biases, ...(residual && { residual }) });
const attention = (draw: Random, rotaryBase: number | null, biases: boolean, residual?: readonly [number, number]) =>
  randomAttention(draw, { inputs: 3, heads: 2, size: 2, rotaryBase, biases, ...(residual && { residual }) });
const CLOSURE = { method: 'closure' } as const;
const TENSOR = { measure: 'tensor' } as const;

const KINDS: readonly [string, Kind][] = [
  [
    'linear layers',
    { layers: (d) => [randomLinear(d, 4, 3), randomLinear(d, 2, 4)], options: [{}, TENSOR, CLOSURE], most: 200 },
  ],
  [
    'one block between linear layers',
    {
      layers: (d) => [randomLinear(d, 3, 4, false), block(d, 5, false), randomLinear(d, 2, 3, false)],
      options: [{ route: 'factor' }, { route: 'unfolded' }, { route: 'dense' }, TENSOR, CLOSURE],
      most: 300,
    },
  ],
  [
    'one block with biases and a residual',
    {
      layers: (d) => [randomLinear(d, 3, 4), block(d, 5, true, [1, 0.5]), randomLinear(d, 2, 3)],
      options: [{ route: 'factor' }, { route: 'unfolded' }, { route: 'dense' }, TENSOR, CLOSURE],
      most: 300,
    },
  ],
  [
    'two blocks',
    {
      layers: (d) => [randomLinear(d, 3, 3), block(d, 4, true), block(d, 5, true), randomLinear(d, 2, 3)],
      options: [{}, CLOSURE, TENSOR],
      most: 250,
    },
  ],
  [
    'four blocks, two with residuals',
    {
      layers: (d) => [
        ...[randomLinear(d, 3, 3), block(d, 4, true, [1, 1]), block(d, 5, false, [0.5, 0.5])],
        ...[block(d, 5, true), block(d, 4, false), randomLinear(d, 2, 3)],
      ],
      options: [CLOSURE, TENSOR],
      most: 250,
    },
  ],
  [
    'attention',
    {
      layers: (d) => [
        randomLinear(d, 3, 3),
        attention(d, null, true, [1, 1]),
        attention(d, 100, false),
        randomLinear(d, 2, 3),
      ],
      positions: 3,
      options: [CLOSURE],
      most: 200,
    },
  ],
];

describe.each(availableBackends)('powers of two in the weights on %s', (backend) => {
  describe.each(KINDS)('of %s', (_, { layers, positions = 1, options, most }) => {
    const cases = options.flatMap((one) => (['float64', 'float32'] as const).map((dtype) => ({ ...one, dtype })));
    it.each(cases)('change no bit of the similarity, %o', async (how) => {
      for (const seed of [1, 2]) {
        const draw = random(seed);
        const [f, g] = [layers(draw), layers(draw)];
        const model = (chain: readonly Layer[]) => sequenceModel(positions, chain);
        const plain = await similarity(model(f), model(g), { backend, perOutput: true, ...how });
        expect(Math.abs(plain.similarity)).toBeLessThan(1);
        for (const [inside, output] of [
          [0, 900],
          [0, -900],
          [20, 60],
          [most, -500],
          [most, 700],
        ]) {
          const [a, b] = [model(regauged(f, draw, inside, output)), model(regauged(g, draw, inside, -output))];
          const found = await similarity(a, b, { backend, perOutput: true, ...how });
          expect(found.similarity).toBe(plain.similarity);
          expect(found.perOutput!.map((slice) => slice.similarity)).toEqual(plain.perOutput!.map((s) => s.similarity));
          const matrix = await similarityMatrix([a, b], { backend, perOutput: true, ...how });
          const still = await similarityMatrix([model(f), model(g)], { backend, perOutput: true, ...how });
          expect(matrix.cosine).toEqual(still.cosine);
          expect(matrix.perOutput!.cosine).toEqual(still.perOutput!.cosine);
        }
      }
    });
  });
});
