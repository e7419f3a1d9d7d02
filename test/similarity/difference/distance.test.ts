import { describe, expect, it } from 'vitest';
import { mapLayer } from '../../../lib/layers/layer.js';
import type { BilinearLayer, Layer } from '../../../lib/model/model.js';
import { explain } from '../../../lib/similarity/explain/explain.js';
import { similarity } from '../../../lib/similarity/similarity.js';
import type { SimilarityOptions } from '../../../lib/similarity/terms/types.js';
import { availableBackends } from '../../support/backends.js';
import { Dyadic, forward, multilinear, Polynomial, product } from '../../support/exact_polynomials.js';
import { randomAttention, randomBlock, randomLinear, sequenceModel } from '../../support/models.js';
import { type Random, random } from '../../support/random.js';

/** Weights of four bits, so that doubles hold them with a change of 2⁻⁴⁰ beside them. */
const coarse = (layer: Layer): Layer =>
  mapLayer(layer, ({ data, shape }) => ({
    data: Float64Array.from(data, (value) => Math.round(value * 8) / 8),
    shape,
  }));
const changed = (layer: Layer, change: number, draw: Random): Layer =>
  mapLayer(layer, ({ data, shape }) => {
    return { data: Float64Array.from(data, (value) => value + change * draw.integer(-8, 8)), shape };
  });

interface Case {
  readonly layers: (draw: Random) => Layer[];
  readonly inputs: number;
  readonly positions?: number;
  readonly options?: SimilarityOptions;
  /** x_i = offset + Σ_j factor_ij z_j, what the law of the options says. */
  readonly factor?: number[][];
  readonly offset?: number;
}

const oneBlock = (draw: Random) => [randomBlock(draw, { inputs: 2, hidden: 3, outputs: 2, biases: true })];
const embedded = (draw: Random) => [
  randomLinear(draw, 2, 3),
  randomBlock(draw, { inputs: 2, hidden: 3, outputs: 2, biases: true, residual: [1, 0.5] }),
  randomLinear(draw, 2, 2),
];
const twoBlocks = (draw: Random) => [
  randomBlock(draw, { inputs: 2, hidden: 2, outputs: 2, biases: true, residual: [1, 0.5] }),
  randomBlock(draw, { inputs: 2, hidden: 2, outputs: 2, biases: true }),
];
const threeBlocks = (draw: Random) =>
  [0, 1, 2].map(() => randomBlock(draw, { inputs: 1, hidden: 2, outputs: 1, biases: true, residual: [1, 0.5] }));
const attention = (draw: Random) => [
  randomAttention(draw, { inputs: 1, heads: 2, size: 1, biases: true, residual: [1, 0.5] }),
  randomLinear(draw, 2, 1),
];
const half = [
  [0.5, 0, 0],
  [0.25, 0.5, 0],
  [0, 0, 0],
];

const CASES: Record<string, Case> = {
  'linear layers': { layers: (draw) => [randomLinear(draw, 3, 2), randomLinear(draw, 2, 3)], inputs: 2 },
  'one block': { layers: oneBlock, inputs: 2 },
  'one block, by factors': { layers: oneBlock, inputs: 2, options: { route: 'factor' } },
  'one block, by its form': { layers: oneBlock, inputs: 2, options: { route: 'dense' } },
  'one block between linear layers': { layers: embedded, inputs: 3, options: { route: 'unfolded' } },
  'one block under a singular law with a mean': {
    layers: embedded,
    inputs: 3,
    options: { input: { mean: [1.5, 1.5, 1.5], cov: half.map((a) => half.map((b) => dot(a, b))) } },
    factor: half,
    offset: 1.5,
  },
  'one block under the law of a token': {
    layers: (draw) => [randomLinear(draw, 2, 4), ...oneBlock(draw)],
    inputs: 4,
    options: { input: 'onehot' },
    factor: [0, 1, 2, 3].map((i) => [0, 1, 2, 3].map((j) => (i === j ? 0.375 : -0.125))),
    offset: 0.25,
  },
  'one block as a tensor': { layers: embedded, inputs: 3, options: { measure: 'tensor' } },
  'two blocks': { layers: twoBlocks, inputs: 2 },
  'two blocks as a tensor': { layers: twoBlocks, inputs: 2, options: { measure: 'tensor' } },
  'three blocks as a tensor': { layers: threeBlocks, inputs: 1, options: { measure: 'tensor' } },
  attention: { layers: attention, inputs: 1, positions: 2 },
  'one block by the closure': { layers: oneBlock, inputs: 2, options: { method: 'closure' } },
};

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + value * b[i], 0);
}

/** Outputs of a chain as polynomials, a list of positions (one for a tensor) of outputs. */
function polynomials(layers: readonly Layer[], { inputs, positions = 1, options, factor, offset = 0 }: Case) {
  const blocks = layers.filter(({ type }) => type !== 'linear').length;
  const isTensor = options?.measure === 'tensor';
  const vectors = isTensor ? 2 ** blocks : positions;
  const x = Array.from({ length: vectors }, (_, s) =>
    Array.from({ length: inputs }, (_, i) => {
      const z = (j: number) => Polynomial.variable(s * inputs + j, vectors * inputs);
      if (factor === undefined) return z(i);
      return factor[i].reduce((sum, value, j) => sum.plus(z(j).scaled(value)), z(0).constant(offset));
    }),
  );
  return isTensor ? [multilinear(layers, x)] : forward(layers, x);
}

/** Exact inner products of two chains, or of some of their outputs. */
interface Products {
  readonly aa: Dyadic;
  readonly ab: Dyadic;
  readonly bb: Dyadic;
}

/** Those of every output. */
function productsOf(a: readonly Layer[], b: readonly Layer[], setting: Case): Products[] {
  const [f, g] = [a, b].map((layers) => polynomials(layers, setting));
  return f[0].map((_, c) => {
    const [own, others] = [f, g].map((positions) => positions.map((values) => values[c]));
    return { aa: product(own, own), ab: product(own, others), bb: product(others, others) };
  });
}

const together = (outputs: readonly Products[]): Products =>
  outputs.reduce((sum, { aa, ab, bb }) => ({ aa: sum.aa.plus(aa), ab: sum.ab.plus(ab), bb: sum.bb.plus(bb) }));

/** Distance, 1 − similarity and relative distance, exact before they become doubles. */
function differences({ aa, ab, bb }: Products) {
  const square = aa.minus(ab).minus(ab).plus(bb);
  const sine = aa.times(bb).minus(ab.times(ab)).over(aa.times(bb));
  const unit = Dyadic.of(1);
  return {
    distance: Math.sqrt(square.over(unit)),
    dissimilarity: sine / (1 + ab.over(unit) / Math.sqrt(aa.over(unit)) / Math.sqrt(bb.over(unit))),
    relativeDistance: Math.sqrt(square.over(aa)),
    fidelityError: square.over(aa),
  };
}

/** The two chains of a case, and what they differ by; worked out once for all backends and dtypes. */
const known = new Map<string, ReturnType<typeof caseOf>>();
function caseOf(setting: Case, change: number) {
  const draw = random(11);
  const layers = setting.layers(draw).map(coarse);
  const nudged = layers.map((layer) => changed(layer, change, draw));
  const outputs = productsOf(layers, nudged, setting);
  const whole = together(outputs);
  const { aa, ab, bb } = whole;
  return {
    ...{ layers, nudged, whole: differences(whole), turned: differences({ aa: bb, ab, bb: aa }) },
    slices: outputs.map(differences),
  };
}

describe.each(availableBackends)('nearly equal models on %s', (backend) => {
  const kinds = Object.entries(CASES).flatMap(([name, setting]) =>
    (['float64', 'float32'] as const).map((dtype) => [name, dtype, setting] as const),
  );
  it.each(kinds)('of %s in %s differ by what they differ', async (name, dtype, setting) => {
    for (const change of [2 ** -16, 2 ** -27, 2 ** -40]) {
      const key = `${name} ${change}`;
      const found = known.get(key) ?? caseOf(setting, change);
      known.set(key, found);
      const { layers, nudged, whole, turned, slices } = found;
      const [a, b] = [layers, nudged].map((chain) => sequenceModel(setting.positions ?? 1, chain));
      const ab = await similarity(a, b, { ...setting.options, dtype, backend, perOutput: true });
      expectClose(ab, whole);
      expect(ab.perOutput).toHaveLength(slices.length);
      for (const [c, slice] of ab.perOutput!.entries()) expectClose(slice, slices[c]);
      const ba = await similarity(b, a, { ...setting.options, dtype, backend });
      expectClose(ba, turned);
      expect([ba.distance, ba.dissimilarity]).toEqual([ab.distance, ab.dissimilarity]);
    }
  });

  it('are told apart by the factors of a residual', async () => {
    const [layer] = CASES['two blocks'].layers(random(13)).map(coarse) as BilinearLayer[];
    const other = [{ ...layer, alpha: layer.alpha + 2 ** -30, beta: layer.beta - 2 ** -31 }];
    const [a, b] = [[layer], other].map((chain) => sequenceModel(1, chain));
    const exact = differences(together(productsOf([layer], other, CASES['one block'])));
    for (const options of [{}, { route: 'factor' }, { method: 'closure' }] as const) {
      expectClose(await similarity(a, b, { ...options, backend }), exact);
    }
  });

  it('are told apart in one slice where the others have changed', async () => {
    const draw = random(12);
    const layers = oneBlock(draw).map(coarse) as BilinearLayer[];
    const [{ down, downBias }] = layers;
    const [nudge, bias] = [Float64Array.from(down!.data), Float64Array.from(downBias!.data)];
    for (let h = 0; h < 3; h++) nudge[h] *= -2;
    nudge[3] += 2 ** -30;
    bias[1] += 2 ** -30;
    const other = [
      { ...layers[0], down: { ...down!, data: nudge }, downBias: { ...downBias!, data: bias } },
    ] as Layer[];
    const setting = CASES['one block'];
    const [a, b] = [layers, other].map((chain) => sequenceModel(1, chain));
    const found = await similarity(a, b, { backend, perOutput: true });
    expect(found.dissimilarity).toBeGreaterThan(0.1);
    expect(found.dissimilarity).toBeCloseTo(1 - found.similarity, 14);
    expectClose(found.perOutput![1], differences(productsOf(layers, other, setting)[1]));
  });

  it.each(['float64', 'float32'] as const)('of weights in %s are at the length of their change', async (dtype) => {
    const weights = Float64Array.of(1, -2, 3, 4);
    const model = (data: Float64Array) => sequenceModel(1, [{ type: 'linear', weight: { data, shape: [2, 2] } }]);
    const change = [3 * 2 ** -40, 4 * 2 ** -40, 0, 0];
    const b = model(weights.map((value, i) => value + change[i]));
    const found = await similarity(model(weights), b, { measure: 'weights', dtype, backend });
    expect(found.distance / (5 * 2 ** -40)).toBeCloseTo(1, 14);
    // sin² = (30 · 25 − (3 − 8)²)/30² in units of the change
    expect(found.dissimilarity / ((725 / 900 / 2) * 2 ** -80)).toBeCloseTo(1, 10);
    expect(found.distanceResolution).toBe(0);
  });

  it('of outputs on inputs are at the mean distance of their directions', async () => {
    const model = (turn: number) => {
      const data = Float64Array.of(Math.cos(turn), -Math.sin(turn), Math.sin(turn), Math.cos(turn));
      return sequenceModel(1, [{ type: 'linear', weight: { data, shape: [2, 2] } }]);
    };
    const inputs = { data: Float64Array.of(1, 0, 0, 2, -1, 3), shape: [3, 2] };
    for (const turn of [1e-3, 1e-6, 1e-8]) {
      const found = await similarity(model(0), model(turn), { measure: 'behavioural', inputs, backend });
      expect(Math.abs(found.distance / (2 * Math.sin(turn / 2)) - 1)).toBeLessThan(1e-7);
      expect(Math.abs(found.dissimilarity / (2 * Math.sin(turn / 2) ** 2) - 1)).toBeLessThan(1e-7);
      expect(found.distanceResolution).toBeLessThan(1e-14);
    }
    const single = await similarity(model(0), model(1e-8), {
      measure: 'behavioural',
      inputs,
      backend,
      dtype: 'float32',
    });
    expect(single.distance).toBeLessThan(single.distanceResolution);
  });

  it('have the distance that explain tells', async () => {
    const tensor = (data: number[], ...shape: number[]) => ({ data: Float64Array.from(data), shape });
    const model = (change: number) =>
      sequenceModel(1, [
        {
          type: 'bilinear',
          left: tensor([1, 0.3, 0.7, 1], 2, 2),
          right: tensor([1, 0.2, 0.5, 1 + change], 2, 2),
          down: tensor([1, 3], 1, 2),
        },
      ]);
    for (const change of [1e-3, 1e-5, 1e-8, 1e-10]) {
      const [a, b] = [model(0), model(change)];
      const told = await explain(a, b, { backend });
      for (const options of [{}, { dtype: 'float32' }, { dtype: 'float32', route: 'factor' }] as const) {
        const { distance } = await similarity(a, b, { ...options, backend });
        expect(distance / (told.kind === 'forms' ? told.distance : Number.NaN)).toBeCloseTo(1, 5);
        // E (0.7xy + y²)² = 0.49 + 3
        expect(distance / (3 * (1 + change - 1) * Math.sqrt(3.49))).toBeCloseTo(1, 12);
      }
    }
  });
});

function expectClose(found: object, exact: Record<string, number>): void {
  for (const [name, value] of Object.entries(exact)) {
    const error = (found as Record<string, number>)[name] / value - 1;
    expect(Math.abs(error), `${name} ${value}`).toBeLessThan(1e-11);
  }
  const { distance, distanceResolution } = found as Record<string, number>;
  expect(distanceResolution).toBeLessThan(distance);
}
