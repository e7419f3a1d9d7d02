import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ChainSource } from '../../lib/backend/grams.js';
import { ACTIVATION_NAMES, type ActivationName, aboutActivation } from '../../lib/layers/activations.js';
import type { GatedLayer, HiddenLayer, Layer } from '../../lib/model/model.js';
import { compareJson, matrixJson } from '../../lib/report/json.js';
import { compareText } from '../../lib/report/text.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import { similarity } from '../../lib/similarity/similarity.js';
import type { DType, Tensor } from '../../lib/tensor/tensor.js';
import { longestHeld } from '../fuzz/engine/observe.js';
import { backendsWith, fullBackend } from '../support/backends.js';
import { runs } from '../support/campaign.js';
import { eigenvalues } from '../support/eigenvalues.js';
import { goldenLayer, goldenPairs } from '../support/golden_units.js';
import { modelOf, randomBlock, randomLinear } from '../support/models.js';
import { identity, tensorOf } from '../support/oracles.js';
import { type Random, random } from '../support/random.js';
import { randomGated, randomHidden, type UnitShape } from '../support/units.js';

const seed = fc.integer({ min: 0, max: 2 ** 31 });
const DTYPES = [
  ['float64', 1e-12],
  ['float32', 2e-6],
] as const;
const SHAPE = { inputs: 4, hidden: 7, outputs: 3, biases: true } as const;

/** N(μ, C Cᵀ) of `rank` independent sources. */
function randomLaw(draw: Random, inputs: number, rank: number) {
  const normals = (count: number) => Array.from({ length: count }, () => draw.normal());
  const factor = Array.from({ length: inputs }, () => normals(rank));
  const cov = factor.map((row) => factor.map((other) => row.reduce((sum, value, k) => sum + value * other[k], 0)));
  return { mean: normals(inputs), cov };
}

/** Layers in another order of the units, each multiplied by `factors`: W by the first, U by the second, D by the rest. */
function rearranged<Of extends HiddenLayer | GatedLayer>(
  layer: Of,
  order: readonly number[],
  factor: (i: number) => readonly [argument: number, up: number, down: number],
): Of {
  const rows = ({ data, shape }: Tensor, part: 0 | 1 | null): Tensor => {
    const width = shape[1] ?? 1;
    const value = (i: number, j: number) => data[order[i] * width + j] * (part === null ? 1 : factor(order[i])[part]);
    return {
      data: Float64Array.from({ length: data.length }, (_, at) => value(Math.floor(at / width), at % width)),
      shape,
    };
  };
  const { data, shape } = layer.down!;
  const width = shape[1];
  const down = {
    data: Float64Array.from(data, (_, at) => {
      const [c, i] = [Math.floor(at / width), order[at % width]];
      return data[c * width + i] * factor(i)[2];
    }),
    shape,
  };
  const parts = layer as unknown as Readonly<Partial<Record<string, Tensor>>>;
  const changed = { weight: 0, bias: 0, gate: 0, gateBias: 0, up: 1, upBias: 1, slopes: null } as const;
  const rest = Object.entries(changed).flatMap(([name, part]) => {
    const tensor = parts[name];
    return tensor === undefined ? [] : [[name, rows(tensor, part)]];
  });
  return { ...layer, ...Object.fromEntries(rest), down };
}

type Law = Pick<ChainSource, 'law' | 'inputs'>;

const ORDER = [3, 0, 6, 1, 5, 2, 4];
const matrix = (rows: readonly (readonly number[])[]): Tensor => tensorOf(rows.map((row) => [...row]));

describe.each(backendsWith('hidden'))('the exact method for units on %s', (backend) => {
  const { grams } = fullBackend(backend);

  /** Inner products under the law x = μ + C z as it is given. */
  async function products(
    chains: readonly (readonly Layer[])[],
    how: Partial<ChainSource> & Law,
    dtype: DType = 'float64',
  ) {
    const source = (layers: readonly Layer[]): ChainSource => {
      return { kind: 'chain', layers, positions: 1, method: 'hidden', ...how };
    };
    const models = await Promise.all(chains.map((layers) => grams.prepare(source(layers), dtype)));
    const job = { measure: 'gaussian', symmetric: true, perOutput: true, degrees: true } as const;
    const tile = await grams.tile(job, models, models);
    for (const model of models) model.dispose();
    return tile;
  }

  /** Two networks are one function. */
  async function expectEqual(
    a: readonly Layer[],
    b: readonly Layer[],
    dtype: 'float64' | 'float32',
    tolerance: number,
  ) {
    const [f, g] = [modelOf(a, 'a'), modelOf(b, 'b')];
    const input = randomLaw(random(1), a.length > 0 ? f.inputShape[1] : 0, 3);
    for (const law of [undefined, input]) {
      const result = await similarity(f, g, { backend, dtype, ...(law && { input: law }), perOutput: true });
      expect(result.method).toBe('exact');
      expect(Math.abs(result.normA / result.normB - 1)).toBeLessThanOrEqual(tolerance);
      expect(1 - result.similarity).toBeLessThanOrEqual(tolerance);
      for (const slice of result.perOutput!) expect(1 - slice.similarity!).toBeLessThanOrEqual(8 * tolerance);
    }
  }

  describe.each(DTYPES)('in %s', (dtype, tolerance) => {
    it.each(goldenPairs.map((pair) => [pair.name, pair] as const))('agrees with quadrature: %s', async (_, pair) => {
      const { f, g, mean, L, values } = pair;
      const inputs = f.W[0].length;
      const factor = L && { factor: { data: Float64Array.from(L.flat()), columns: L[0].length } };
      const law = { sigma: 1, ...(mean && { mean: Float64Array.from(mean) }), ...factor };
      const tile = await products([[goldenLayer(f)], [goldenLayer(g)]], { law, inputs }, dtype);
      const norms = Math.sqrt(values.ff) * Math.sqrt(values.gg);
      const expected = [values.ff, values.fg, values.fg, values.gg];
      const scales = [values.ff, norms, norms, values.gg];
      for (const [cell, value] of expected.entries()) {
        expect(Math.abs(tile.total[cell] - value)).toBeLessThanOrEqual(tolerance * scales[cell]);
        expect(tile.bound![cell]).toBeLessThanOrEqual((dtype === 'float64' ? 1e-12 : 1e-6) * scales[cell]);
        const degrees = tile.perDegree!.subarray(4 * cell, 4 * cell + 4).reduce((sum, part) => sum + part, 0);
        expect(Math.abs(degrees - tile.total[cell])).toBeLessThanOrEqual(1e-14 * scales[cell]);
      }
    });

    it.each(ACTIVATION_NAMES)('does not see the order of units, nor scales that go through %s', async (activation) => {
      const draw = random(5);
      const { homogeneous, parity } = aboutActivation(activation);
      const sign = (i: number) => (parity === null || i % 2 === 0 ? 1 : -1);
      const scale = (i: number) => sign(i) * (homogeneous === null ? 1 : 0.3 + i);
      const back = (i: number) => {
        const size = homogeneous === null ? 1 : Math.abs(scale(i)) ** homogeneous;
        return (parity === 'odd' ? sign(i) : 1) / size;
      };
      const hidden = randomHidden(draw, { ...SHAPE, activation, skip: true });
      await expectEqual([hidden], [rearranged(hidden, ORDER, (i) => [scale(i), 1, back(i)])], dtype, tolerance);
      if (activation === 'heaviside') return;
      const gated = randomGated(draw, { ...SHAPE, activation });
      const up = (i: number) => 0.5 - i;
      const moved = rearranged(gated, ORDER, (i) => [scale(i), up(i), back(i) / up(i)]);
      await expectEqual([gated], [moved], dtype, tolerance);
    });

    it('is the one of bilinear blocks where units are gated by the identity', async () => {
      const draw = random(9);
      const asGated = ({ left, right, leftBias, rightBias, ...rest }: ReturnType<typeof randomBlock>): GatedLayer => ({
        ...rest,
        ...{
          type: 'gated',
          gate: left,
          up: right,
          gateBias: leftBias!,
          upBias: rightBias!,
          activation: 'linear',
          slope: null,
        },
      });
      const shape = { inputs: 4, hidden: 6, outputs: 4, biases: true, residual: [0.5, 2] } as const;
      const blocks = [randomBlock(draw, shape), randomBlock(draw, shape)];
      const around = () => [randomLinear(draw, 4, 5), randomLinear(draw, 3, 4)];
      const layers = blocks.map((block) => ({ block, around: around() }));
      const chains = layers.map(({ block, around: [first, last] }) => [first, block, last]);
      const written = layers.map(({ block, around: [first, last] }) => [first, asGated(block), last]);
      const input = randomLaw(draw, 5, 4);
      const how = { backend, dtype, input, perOutput: true } as const;
      const one = await similarityMatrix(
        chains.map((chain) => modelOf(chain)),
        how,
      );
      const other = await similarityMatrix(
        [...chains, ...written].map((chain) => modelOf(chain)),
        how,
      );
      expect(one.certified).toBeUndefined();
      expect(other.certified).toBe(0);
      for (const [i, row] of other.gram.entries()) {
        for (const [j, value] of row.entries()) {
          const scale = Math.sqrt(one.gram[i % 2][i % 2]) * Math.sqrt(one.gram[j % 2][j % 2]);
          expect(Math.abs(value - one.gram[i % 2][j % 2])).toBeLessThanOrEqual(0.1 * tolerance * scale);
        }
      }
    });

    it('tells the same function from however it is written', async () => {
      const draw = random(21);
      const { weight, bias, down, downBias, ...rest } = randomHidden(draw, { ...SHAPE, activation: 'relu' });
      const plain = { ...rest, weight, bias, down, downBias } as HiddenLayer;
      const lower: Layer = { type: 'linear', weight, ...(bias && { bias }) };
      const upper: Layer = { type: 'linear', weight: down!, ...(downBias && { bias: downBias }) };
      const relu: Layer = { type: 'activation', width: 7, activation: 'ReLU', slope: null };
      await expectEqual([plain], [lower, relu, upper], dtype, tolerance);
      // x ↦ relu(x), gated by the step of x, and as the mean of x and |x|.
      const step = {
        type: 'gated',
        gate: weight,
        gateBias: bias!,
        up: weight,
        upBias: bias!,
        down: down!,
        downBias: downBias!,
      } as const;
      await expectEqual([plain], [{ ...step, activation: 'step', slope: null, alpha: 0, beta: 1 }], dtype, tolerance);
      const leaky = { activation: 'leaky_relu', slope: 0.25 } as const;
      const own = {
        activation: 'prelu',
        slope: null,
        slopes: { data: new Float64Array(7).fill(0.25), shape: [7] },
      } as const;
      await expectEqual([{ ...plain, ...leaky }], [{ ...plain, ...own }], dtype, tolerance);
      const silu: Layer = { ...step, activation: 'sigmoid', slope: null, alpha: 0, beta: 1 };
      await expectEqual([{ ...plain, activation: 'swish' }], [silu], dtype, tolerance);
      const square: Layer = { ...step, activation: 'identity', slope: null, alpha: 0, beta: 1 };
      await expectEqual([{ ...plain, activation: 'square' }], [square], dtype, tolerance);
    });

    it('takes linear layers, residuals and skips around the block into account', async () => {
      const draw = random(31);
      const shape: UnitShape = { inputs: 4, hidden: 6, outputs: 4, activation: 'gelu', biases: true };
      for (const block of [
        randomHidden(draw, { ...shape, residual: [0.5, -2] }),
        randomGated(draw, { ...shape, residual: [0.5, -2] }),
      ]) {
        const [first, last] = [randomLinear(draw, 4, 3), randomLinear(draw, 2, 4)];
        // The residual as a skip, and half of it as such.
        const skip = (part: number) => matrix(identity(4).map((row) => row.map((value) => part * value)));
        const written = [
          { ...block, alpha: 0, skip: skip(0.5) },
          { ...block, alpha: 0.25, skip: skip(0.25) },
        ];
        for (const other of written) await expectEqual([first, block, last], [first, other, last], dtype, tolerance);
      }
    });
  });

  it('compares networks of different units, and linear ones, as sampling does', async () => {
    const draw = random(41);
    const layers: Layer[][] = [
      [randomLinear(draw, 3, 4)],
      [randomHidden(draw, { ...SHAPE, activation: 'relu', skip: true })],
      [randomHidden(draw, { ...SHAPE, activation: 'tanh' }), randomLinear(draw, 3, 3)],
      [randomLinear(draw, 4, 4), randomGated(draw, { ...SHAPE, activation: 'silu' })],
      [randomBlock(draw, SHAPE)],
      [
        randomLinear(draw, 5, 4),
        { type: 'activation', width: 5, activation: 'hardswish', slope: null },
        randomLinear(draw, 3, 5),
      ],
      [randomGated(draw, { ...SHAPE, activation: 'relu' })],
      [randomHidden(draw, { ...SHAPE, activation: 'elu' })],
    ];
    const models = layers.map((chain, i) => modelOf(chain, String(i)));
    const input = randomLaw(draw, 4, 3);
    const exact = await similarityMatrix(models, { backend, input });
    const sampled = await similarityMatrix(models, {
      backend: 'fallback',
      input,
      method: 'sampled',
      maxSamples: 2 ** 17,
    });
    expect(exact.method).toBe('exact');
    expect(exact.certified).toBeLessThanOrEqual(1e-12);
    for (const [i, row] of exact.cosine.entries()) {
      expect(row[i]).toBe(1);
      for (const [j, value] of row.entries()) {
        expect(value).toBe(exact.cosine[j][i]);
        expect(Math.abs(value - sampled.cosine[i][j])).toBeLessThanOrEqual(4 * sampled.cosineError![i][j]);
      }
    }
  });

  it('gives Gram matrices of functions: positive semidefinite, of |similarity| at most 1', async () => {
    await fc.assert(
      fc.asyncProperty(seed, async (start) => {
        const draw = random(start);
        const names: readonly ActivationName[] = ['relu', 'gelu', 'hardtanh', 'sin', 'softplus', 'relu2'];
        const models = names.map((activation, i) => {
          const shape = { inputs: 3, hidden: 4, outputs: 2, activation, biases: i % 2 === 0 };
          return modelOf([i < 3 ? randomHidden(draw, shape) : randomGated(draw, shape)]);
        });
        const { cosine } = await similarityMatrix(models, { backend });
        for (const value of eigenvalues(cosine.map((row) => [...row]))) expect(value).toBeGreaterThan(-1e-12);
        for (const row of cosine) for (const value of row) expect(Math.abs(value)).toBeLessThanOrEqual(1);
      }),
      { numRuns: runs(5) },
    );
  });

  it('adds up positions, and outputs', async () => {
    const draw = random(51);
    const [f, g] = [0, 1].map(() => randomHidden(draw, { ...SHAPE, activation: 'gelu' }));
    const one = await similarity(modelOf([f]), modelOf([g]), { backend, perOutput: true });
    const total = one.perOutput!.reduce((sum, { innerProduct }) => sum + innerProduct, 0);
    expect(Math.abs(total - one.innerProduct)).toBeLessThanOrEqual(1e-14 * one.normA * one.normB);
  });

  it('tells what every degree contributes, as by routes of bilinear blocks', async () => {
    const draw = random(55);
    const shape = { inputs: 4, hidden: 6, outputs: 4, biases: true, residual: [0.5, 2] } as const;
    const chains = [0, 1].map((): Layer[] => [
      randomLinear(draw, 4, 5),
      randomBlock(draw, shape),
      randomLinear(draw, 3, 4),
    ]);
    const law = { sigma: 0.5, mean: Float64Array.from({ length: 5 }, () => draw.normal()) };
    const units = await products(chains, { law, inputs: 5, positions: 2 });
    for (const route of ['factor', 'unfolded', 'dense'] as const) {
      const block = await products(chains, { law, inputs: 5, positions: 2, method: 'one-block', route });
      for (const [i, part] of block.perDegree!.entries()) {
        const scale = Math.max(block.total[0], block.total[3]);
        expect(Math.abs(part - units.perDegree![i])).toBeLessThanOrEqual(1e-13 * scale);
      }
      for (let cell = 0; cell < 4; cell++) {
        const parts = block.perDegree!.subarray(4 * cell, 4 * cell + 4);
        expect(parts[3]).toBe(0);
        expect(Math.abs(parts.reduce((sum, part) => sum + part, 0) - block.total[cell])).toBeLessThanOrEqual(
          1e-13 * block.total[0],
        );
      }
      expect(block.bound).toBeUndefined();
    }
    expect(units.bound).toEqual(new Float64Array(4));
  });

  it('tells the proven bound in text and JSON', async () => {
    const draw = random(61);
    const [a, b] = [0, 1].map((i) => modelOf([randomHidden(draw, { ...SHAPE, activation: 'relu' })], `m${i}`));
    const result = await similarity(a, b, { backend });
    expect(result.certified).toBeGreaterThan(0);
    expect(result.certified).toBeLessThanOrEqual(1e-12);
    expect(compareJson(result)).toMatchObject({ certified: result.certified });
    expect(compareText(result)).toContain(`exact, proven to ${result.certified}`);
    const matrix = await similarityMatrix([a, b], { backend });
    expect(matrixJson(matrix)).toMatchObject({ certified: matrix.certified });
    // Both products of a pair count there, one in a matrix; units are the same.
    expect(matrix.certified).toBeLessThanOrEqual(result.certified!);
  });

  it('is for one block', async () => {
    const draw = random(71);
    const layer = () => randomHidden(draw, { inputs: 3, hidden: 4, outputs: 3, activation: 'relu' });
    const [one, two] = [modelOf([layer()], 'one'), modelOf([layer(), layer()], 'two')];
    await expect(similarity(one, two, { backend, method: 'exact' })).rejects.toMatchObject({
      code: 'UNSUPPORTED_LAYER',
      message: expect.stringContaining('"two" has 2 blocks, and a hidden layer is exact only at one'),
    });
    await expect(similarity(one, one, { backend, measure: 'tensor' })).rejects.toMatchObject({
      code: 'UNSUPPORTED_LAYER',
      message: expect.stringContaining('the measure "tensor" is not defined, as activations have no tensors'),
    });
    const plain = modelOf([randomLinear(draw, 3, 3)], 'linear');
    expect((await similarity(plain, one, { backend })).method).toBe('exact');
  });

  it('has bits that depend on the two models alone', async () => {
    const draw = random(81);
    const models = Array.from({ length: 5 }, (_, i) => {
      const shape = { ...SHAPE, hidden: 3 + 40 * i };
      return modelOf(
        [
          i % 2
            ? randomGated(draw, { ...shape, activation: 'silu' })
            : randomHidden(draw, { ...shape, activation: 'relu' }),
        ],
        `m${i}`,
      );
    });
    for (const dtype of ['float64', 'float32'] as const) {
      const whole = await similarityMatrix(models, { backend, dtype, perOutput: true });
      const reversed = await similarityMatrix([...models].reverse(), {
        backend,
        dtype,
        memoryLimit: '4MiB',
        threads: 1,
      });
      for (const [i, row] of whole.gram.entries())
        for (const [j, value] of row.entries()) expect(reversed.gram[4 - i][4 - j]).toBe(value);
      const reference = await similarityMatrix(models, { backend, dtype, reference: 'm2' });
      for (const [i, [value]] of reference.gram.entries()) expect(value).toBe(whole.gram[i][2]);
    }
  });

  it('leaves the event loop its turns', async () => {
    const draw = random(91);
    const shape = { inputs: 300, hidden: 300, outputs: 10 } as const;
    const models = [
      modelOf([randomHidden(draw, { ...shape, activation: 'gelu_tanh' })]),
      modelOf([randomGated(draw, { ...shape, hidden: 150, activation: 'silu' })]),
    ];
    await similarityMatrix(models, { backend }); // what is compiled now is slow the first time
    let held = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 3; i++) held = Math.min(held, await longestHeld(() => similarityMatrix(models, { backend })));
    expect(held).toBeLessThan(20);
  });
});
