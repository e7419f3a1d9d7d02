import { describe, expect, it } from 'vitest';
import { Pacer } from '../../../lib/cooperate.js';
import type { BilinearLayer, Layer } from '../../../lib/model/model.js';
import { isAffordable } from '../../../lib/similarity/difference/products.js';
import { matchUnits } from '../../../lib/similarity/difference/units.js';
import { similarityMatrix } from '../../../lib/similarity/matrix.js';
import { similarity } from '../../../lib/similarity/similarity.js';
import type { SimilarityOptions } from '../../../lib/similarity/terms/types.js';
import { availableBackends } from '../../support/backends.js';
import { runs } from '../../support/campaign.js';
import { inOtherGauge } from '../../support/gauges.js';
import { randomAttention, randomBlock, randomLinear, sequenceModel } from '../../support/models.js';
import { type Random, random } from '../../support/random.js';

const residual = [1, 1] as const;
const block = (draw: Random, inputs: number, hidden: number, rest: object = {}) =>
  randomBlock(draw, { inputs, hidden, outputs: inputs, biases: true, ...rest });

/** Chains of `n` inputs, and how they are compared. */
const KINDS: Record<string, readonly [(draw: Random, n: number) => Layer[], SimilarityOptions]> = {
  'linear layers': [(draw, n) => [randomLinear(draw, n, n), randomLinear(draw, n, n), randomLinear(draw, 3, n)], {}],
  'one block, by factors': [(draw, n) => [block(draw, n, 2 * n)], { route: 'factor' }],
  'one block, by its form': [(draw, n) => [block(draw, n, 4 * n)], { route: 'dense' }],
  'one block behind an embedding': [
    (draw, n) => [randomLinear(draw, n, 2 * n), randomLinear(draw, n, n), block(draw, n, n, { residual })],
    { route: 'unfolded' },
  ],
  'one block as a tensor': [(draw, n) => [block(draw, n, n)], { measure: 'tensor' }],
  'two blocks': [(draw, n) => [block(draw, n, n, { residual }), block(draw, n, n)], {}],
  'three blocks as a tensor': [
    (draw, n) => [0, 1, 2].map(() => block(draw, n, n, { residual })),
    { measure: 'tensor' },
  ],
  'three blocks by the closure': [
    (draw, n) => [0, 1, 2].map(() => block(draw, n, n, { residual })),
    { method: 'closure' },
  ],
  attention: [
    (draw, n) => [randomAttention(draw, { inputs: n, heads: 2, size: 2, biases: true, residual, rotaryBase: 100 })],
    {},
  ],
};

describe.each(availableBackends)('one function written in two ways, on %s,', (backend) => {
  it.each(Object.keys(KINDS))('is at no distance that could be told from zero: %s', async (name) => {
    const [make, options] = KINDS[name];
    for (const n of name === 'attention' ? [2] : [2, 5]) {
      for (let seed = 1; seed <= runs(name === 'attention' ? 2 : 5); seed++) {
        const draw = random(seed);
        const layers = make(draw, n);
        const positions = name === 'attention' ? 2 : 1;
        const models = [layers, inOtherGauge(layers, draw)].map((chain) => sequenceModel(positions, chain));
        for (const dtype of ['float64', 'float32'] as const) {
          const found = await similarity(models[0], models[1], { ...options, backend, dtype, perOutput: true });
          for (const { distance, distanceResolution } of [found, ...found.perOutput!]) {
            expect(distance).toBeLessThan(distanceResolution);
          }
          expect(found.distanceResolution / found.normA).toBeLessThan(1e-6);
          const matrix = await similarityMatrix(models, { ...options, backend, dtype });
          const told = matrix.difference(0, 1);
          expect(told.distance).toBeLessThan(told.distanceResolution);
          expect(() => matrix.direction({ from: 0, to: 1 }, { from: 0, to: 1 })).toThrow(
            expect.objectContaining({ code: 'ZERO_NORM' }),
          );
        }
      }
    }
  });

  it.each([...Object.keys(KINDS).filter((name) => name.includes('block'))])(
    'is at the distance zero where units are only reordered: %s',
    async (name) => {
      const [make, options] = KINDS[name];
      const draw = random(9);
      const layers = make(draw, 6);
      const models = [layers, layers.map((layer) => reordered(layer))].map((chain) => sequenceModel(1, chain));
      const found = await similarity(models[0], models[1], { ...options, backend, perOutput: true });
      for (const slice of [found, ...found.perOutput!]) {
        expect(slice).toMatchObject({ distance: 0, distanceResolution: 0, dissimilarity: 0, fidelityError: 0 });
      }
    },
  );

  it('has a resolution by the change of the weights, and not by their size', async () => {
    const [make] = KINDS['two blocks'];
    const draw = random(10);
    const layers = make(draw, 4) as BilinearLayer[];
    for (const change of [1e-4, 1e-8, 1e-12]) {
      const left = { ...layers[0].left, data: layers[0].left.data.map((value) => value * (1 + change)) };
      const other = [{ ...layers[0], left }, layers[1]];
      const [a, b] = [layers, other].map((chain) => sequenceModel(1, chain));
      const { distance, distanceResolution } = await similarity(a, b, { backend });
      expect(distanceResolution).toBeGreaterThan(1e-8 * distance);
      expect(distanceResolution).toBeLessThan(1e-5 * distance);
    }
  });
});

describe('units of a block', () => {
  it('are put beside those they have become', async () => {
    const draw = random(11);
    const g = block(draw, 5, 20);
    const nudge = (data: ArrayLike<number>) => Float64Array.from(data, (value) => value * (1 + 1e-4 * draw.normal()));
    const f = {
      ...(reordered(g) as BilinearLayer),
      left: { data: nudge(reordered(g).left.data), shape: [20, 5] },
    };
    const matched = await matchUnits(f, g, new Pacer());
    for (const role of ['left', 'right', 'down', 'leftBias', 'rightBias'] as const) {
      for (const [i, value] of matched[role]!.data.entries()) {
        expect(Math.abs(value / g[role]!.data[i] - 1)).toBeLessThan(1e-3);
      }
    }
  });

  it('stay where they are if they have only changed', async () => {
    const draw = random(12);
    const g = block(draw, 5, 20);
    const left = { ...g.left, data: g.left.data.map((value) => value * (1 + 1e-3 * draw.normal())) };
    const f = { ...g, left };
    expect(await matchUnits(f, g, new Pacer())).toBe(f);
  });
});

describe('the difference of large models', () => {
  it('is not multiplied where that would take too much', () => {
    const attention = randomAttention(random(1), { inputs: 4, heads: 8, size: 8 });
    expect(isAffordable([attention], [64, 4], 'closure')).toBe(true);
    expect(isAffordable([attention], [65, 4], 'closure')).toBe(false);
    const wide = { type: 'bilinear', alpha: 1, beta: 1, ...shapes(600, 600) } as const;
    const slim = { type: 'bilinear', alpha: 1, beta: 1, ...shapes(100, 100) } as const;
    expect(isAffordable([slim, slim], [1, 100], 'two-block')).toBe(true);
    expect(isAffordable([wide, wide], [1, 600], 'two-block')).toBe(false);
  });
});

const shapes = (hidden: number, width: number) => ({
  left: { shape: [hidden, width] },
  right: { shape: [hidden, width] },
  down: { shape: [width, hidden] },
});

/** Units from last to first, left and right exchanged, signs and powers of two moved between the parts. */
function reordered<T extends Layer>(layer: T): T {
  if (layer.type !== 'bilinear') return layer;
  const { left, right, down, leftBias, rightBias } = layer;
  const turned = ({ data, shape }: typeof left, factor: number) => {
    const width = data.length / shape[0];
    const from = (i: number) => (shape[0] - 1 - Math.floor(i / width)) * width + (i % width);
    return { data: Float64Array.from(data, (_, i) => factor * data[from(i)]), shape };
  };
  const [outputs, hidden] = down!.shape;
  const mirrored = Float64Array.from(down!.data, (_, i) => {
    return -0.5 * down!.data[Math.floor(i / hidden) * hidden + (hidden - 1 - (i % hidden))];
  });
  return {
    ...layer,
    left: turned(right, -8),
    right: turned(left, 0.25),
    down: { data: mirrored, shape: [outputs, hidden] },
    ...(leftBias && rightBias && { leftBias: turned(rightBias, -8), rightBias: turned(leftBias, 0.25) }),
  };
}
