import { describe, expect, it } from 'vitest';
import { type LayerDefinition, similarity, tensor } from '../../lib/index.js';
import { goldenLayer, goldenPairs } from '../support/golden_units.js';
import { modelOf } from '../support/models.js';
import { type Random, random } from '../support/random.js';

const identity = (width: number): LayerDefinition => {
  const data = Float64Array.from({ length: width * width }, (_, i) => (i % (width + 1) === 0 ? 1 : 0));
  return { type: 'hidden', weight: tensor(data, [width, width]), activation: 'identity' };
};

/** N(0, 1/in) weights, times a gain. */
function weights(draw: Random, rows: number, columns: number, gain = 1) {
  const data = Float64Array.from({ length: rows * columns }, () => (gain * draw.normal()) / Math.sqrt(columns));
  return tensor(data, [rows, columns]);
}

const biases = (draw: Random, size: number) =>
  tensor(
    Float64Array.from({ length: size }, () => 0.3 * draw.normal()),
    [size],
  );

const FALLBACK = { backend: 'fallback' } as const;

describe('the closure of networks with activations', () => {
  it('is exact for one hidden layer and one gated block: the golden models', async () => {
    for (const { name, mean, L, f, g, values } of goldenPairs) {
      const cov = L?.map((row) => L.map((other) => row.reduce((sum, value, k) => sum + value * other[k], 0)));
      const input = mean && cov ? { mean, cov } : 'standard';
      const result = await similarity(modelOf([goldenLayer(f)]), modelOf([goldenLayer(g)]), {
        ...FALLBACK,
        method: 'closure',
        input,
      });
      const scale = Math.sqrt(values.ff * values.gg);
      expect(Math.abs(result.innerProduct - values.fg) / scale, name).toBeLessThanOrEqual(2e-12);
      expect(result.normA ** 2 / values.ff, name).toBeCloseTo(1, 11);
      expect(result.normB ** 2 / values.gg, name).toBeCloseTo(1, 11);
    }
  }, 120_000);

  it('has the shorter of two chains wait as if blocks that do nothing stood behind its own', async () => {
    const draw = random(3);
    const chain = (depth: number) => [
      ...Array.from({ length: depth }, (_, i): LayerDefinition => {
        return { type: 'hidden', weight: weights(draw, 6, i === 0 ? 4 : 6), bias: biases(draw, 6), activation: 'gelu' };
      }),
      { type: 'linear' as const, weight: weights(draw, 2, 6) },
    ];
    const [short, long] = [chain(1), chain(3)];
    const padded = [short[0], identity(6), identity(6), short[1]];
    const [one, other] = [short, padded].map((layers) =>
      similarity(modelOf(layers), modelOf(long), { ...FALLBACK, method: 'closure' }),
    );
    expect((await one).similarity).toBeCloseTo((await other).similarity, 13);
  });

  it('is near what samples say at two and three blocks, residuals and gated blocks among them', async () => {
    const draw = random(7);
    const mlp = (depth: number, activation: string) =>
      modelOf([
        ...Array.from({ length: depth }, (_, i): LayerDefinition => {
          const takes = i === 0 ? 32 : 64;
          return { type: 'hidden', weight: weights(draw, 64, takes, Math.SQRT2), bias: biases(draw, 64), activation };
        }),
        { type: 'linear', weight: weights(draw, 3, 64) },
      ]);
    const blocks = (activation: string) =>
      modelOf(
        Array.from({ length: 2 }, (_, i): LayerDefinition => {
          const residual = { down: weights(draw, 8, 16), alpha: 1, beta: 0.5, skip: weights(draw, 8, 8, 0.3) };
          if (i === 0) return { type: 'hidden', weight: weights(draw, 16, 8), activation, ...residual };
          return {
            type: 'gated',
            gate: weights(draw, 16, 8),
            up: weights(draw, 16, 8),
            activation: 'silu',
            ...residual,
          };
        }),
      );
    const pairs = [
      [mlp(2, 'relu'), mlp(2, 'relu')],
      [mlp(3, 'gelu'), mlp(2, 'tanh')],
      [blocks('gelu'), blocks('relu')],
    ] as const;
    for (const [a, b] of pairs) {
      const closure = await similarity(a, b, { ...FALLBACK, method: 'closure' });
      const sampled = await similarity(a, b, { ...FALLBACK, method: 'sampled', tolerance: 0.004, seed: 1 });
      expect(closure.exact).toBe(false);
      expect(Math.abs(closure.similarity - sampled.similarity)).toBeLessThanOrEqual(0.03);
      expect(Math.abs(closure.normA / sampled.normA - 1)).toBeLessThanOrEqual(0.06);
    }
    // What is the same function is the same to the closure.
    const [a] = pairs[0];
    expect((await similarity(a, a, { ...FALLBACK, method: 'closure' })).similarity).toBeCloseTo(1, 12);
  }, 120_000);
});
