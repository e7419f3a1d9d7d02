import { describe, expect, it } from 'vitest';
import { Pacer } from '../../../lib/cooperate.js';
import { evaluate } from '../../../lib/evaluation/evaluate.js';
import { gaussLegendre } from '../../../lib/gaussian/legendre.js';
import type { ActivationName } from '../../../lib/layers/activations.js';
import { mapLayer } from '../../../lib/layers/layer.js';
import type { HiddenLayer, Layer, LinearLayer, Model } from '../../../lib/model/model.js';
import { differenceChain } from '../../../lib/similarity/difference/chain.js';
import { explain } from '../../../lib/similarity/explain/explain.js';
import { similarity } from '../../../lib/similarity/similarity.js';
import { availableBackends } from '../../support/backends.js';
import { modelOf, randomLinear, randomTensor, sequenceModel } from '../../support/models.js';
import { type Random, random } from '../../support/random.js';
import { randomGated, randomHidden } from '../../support/units.js';

/** Every number of some parts, by default of all, with a normal number times `by`. */
function nudged(layers: readonly Layer[], draw: Random, by: number, roles?: readonly string[]): Layer[] {
  return layers.map((layer) =>
    mapLayer(layer, ({ data, shape }, role) => ({
      data: Float64Array.from(data, (value) => {
        return roles === undefined || roles.includes(role) ? value + by * draw.normal() : value;
      }),
      shape,
    })),
  );
}

interface Wanted {
  readonly distance: number;
  readonly dissimilarity: number;
}

/** From ⟨g,g⟩, ⟨g,f − g⟩ and ‖f − g‖²: no difference of large numbers. */
function wantedFrom(own: number, mixed: number, change: number): Wanted {
  const [p, q] = [mixed / own, Math.sqrt(change / own)];
  const w = 1 + 2 * p + q * q;
  return {
    distance: Math.sqrt(change),
    dissimilarity: ((q - p) * (q + p)) / (w + (1 + p) * Math.sqrt(w)),
  };
}

/** Of smooth functions of two inputs by the trapezoidal rule. */
async function bySums(f: Model, g: Model): Promise<Wanted> {
  const [step, reach] = [0.2, 8];
  const axis = Array.from({ length: (2 * reach) / step + 1 }, (_, i) => i * step - reach);
  const points = axis.flatMap((x) => axis.map((y) => [x, y]));
  const batch = { data: Float64Array.from(points.flat()), shape: [points.length, 2] };
  const [one, two] = await Promise.all([f, g].map((model) => evaluate(model, batch, { backend: 'fallback' })));
  const sums = [0, 0, 0];
  const outputs = one.shape[1];
  for (const [at, value] of two.data.entries()) {
    const [x, y] = points[Math.floor(at / outputs)];
    const weight = (step * step * Math.exp(-0.5 * (x * x + y * y))) / (2 * Math.PI);
    const difference = one.data[at] - value;
    for (const [k, term] of [value * value, value * difference, difference * difference].entries())
      sums[k] += weight * term;
  }
  return wantedFrom(sums[0], sums[1], sums[2]);
}

const POINTS = gaussLegendre(20);

/** Of functions of two inputs with f(r x) = r f(x): over angles, between all kinks of their units, whose W are given. */
async function byAngles(f: Model, g: Model, rows: readonly Float64Array[]): Promise<Wanted> {
  const kinks = rows.flatMap((data) =>
    Array.from({ length: data.length / 2 }, (_, i) => Math.atan2(data[2 * i + 1], data[2 * i])).flatMap((angle) =>
      [-5, -3, -1, 1, 3, 5].map((k) => angle + (k * Math.PI) / 2),
    ),
  );
  const ends = [0, ...kinks.filter((angle) => angle > 0 && angle < 2 * Math.PI), 2 * Math.PI].sort((p, q) => p - q);
  const halves = ends.slice(1).map((end, k) => (end - ends[k]) / 2);
  const angles = halves.flatMap((half, k) => Array.from(POINTS.nodes, (node) => ends[k] + half * (1 + node)));
  const circle = Float64Array.from(angles.flatMap((angle) => [Math.cos(angle), Math.sin(angle)]));
  const batch = { data: circle, shape: [angles.length, 2] };
  const [one, two] = await Promise.all([f, g].map((model) => evaluate(model, batch, { backend: 'fallback' })));
  const sums = [0, 0, 0];
  for (const [at, value] of two.data.entries()) {
    const point = Math.floor(at / two.shape[1]);
    // E r² = 2
    const weight = (halves[Math.floor(point / 20)] * POINTS.weights[point % 20]) / Math.PI;
    const difference = one.data[at] - value;
    for (const [k, term] of [value * value, value * difference, difference * difference].entries())
      sums[k] += weight * term;
  }
  return wantedFrom(sums[0], sums[1], sums[2]);
}

/** W of the units of a chain as functions of two inputs. */
function argumentsOf(layers: readonly Layer[]): Float64Array {
  const [first, second] = layers;
  if (first.type === 'hidden') return first.weight.data as Float64Array;
  const [outer, inner] = [(second as HiddenLayer).weight, (first as LinearLayer).weight];
  const [rows, width] = outer.shape;
  return Float64Array.from({ length: 2 * rows }, (_, at) => {
    const [i, j] = [Math.floor(at / 2), at % 2];
    return Array.from({ length: width }, (__, k) => outer.data[i * width + k] * inner.data[2 * k + j]).reduce(
      (sum, value) => sum + value,
    );
  });
}

const kinked = (activation: ActivationName) => (draw: Random) => [
  randomHidden(draw, { inputs: 2, hidden: 6, outputs: 3, activation }),
];
const KINKED: Readonly<Record<string, (draw: Random) => Layer[]>> = {
  relu: kinked('relu'),
  leaky_relu: kinked('leaky_relu'),
  abs: kinked('abs'),
  'prelu between linear layers, with a residual': (draw) => [
    randomLinear(draw, 3, 2, false),
    randomHidden(draw, { inputs: 3, hidden: 5, outputs: 3, activation: 'prelu', residual: [1, 0.5], skip: true }),
    randomLinear(draw, 2, 3, false),
  ],
};

const SHAPE = { inputs: 2, hidden: 4, outputs: 2, biases: true } as const;
const SMOOTH: Readonly<Record<string, (draw: Random) => Layer[]>> = {
  'a hidden layer': (draw) => [randomHidden(draw, { ...SHAPE, activation: 'gelu', skip: true })],
  'a hidden layer with a residual between linear layers': (draw) => [
    randomLinear(draw, 2, 2),
    randomHidden(draw, { ...SHAPE, outputs: 2, activation: 'sigmoid', residual: [1, 0.5] }),
    randomLinear(draw, 3, 2),
  ],
  'a gated block': (draw) => [randomGated(draw, { ...SHAPE, activation: 'silu' })],
};
/** What has no cause in the arguments of the activation. */
const BEHIND = ['down', 'downBias', 'up', 'upBias', 'skip'];

describe.each(availableBackends)('nearly equal networks with activations on %s', (backend) => {
  it.each(Object.entries(SMOOTH))('of %s differ by what they differ', async (_, layers) => {
    for (const [by, roles] of [[1e-3], [1e-6], [1e-6, BEHIND]] as const) {
      const draw = random(17);
      const g = layers(draw);
      const [a, b] = [modelOf(nudged(g, draw, by, roles)), modelOf(g)];
      const found = await similarity(a, b, { backend, method: 'exact' });
      const wanted = await bySums(a, b);
      expect(found.distance / wanted.distance).toBeCloseTo(1, 9);
      expect(found.dissimilarity / wanted.dissimilarity).toBeCloseTo(1, 8);
      expect(found.distanceResolution / found.distance).toBeLessThan(1e-4);
    }
  });

  it.each(Object.entries(KINKED))('with kinks, %s, differ by what they differ', async (_, layers) => {
    for (const by of [1e-4, 1e-7]) {
      const draw = random(19);
      const g = layers(draw);
      // Slopes as they are: they are no function of the input.
      const f = nudged(g, draw, by, ['weight', 'down', 'skip']);
      const [a, b] = [modelOf(f), modelOf(g)];
      const found = await similarity(a, b, { backend, method: 'exact' });
      const wanted = await byAngles(a, b, [argumentsOf(f), argumentsOf(g)]);
      const error = Math.abs(found.distance / wanted.distance - 1);
      expect(error).toBeLessThan(1e-8);
      expect(error * found.distance).toBeLessThan(found.distanceResolution);
      expect(found.dissimilarity / wanted.dissimilarity).toBeCloseTo(1, 6);
      expect(found.distanceResolution / found.distance).toBeLessThan(1e-5);
    }
  });

  it('differ alike at two positions, and in single precision', async () => {
    const draw = random(43);
    const g = KINKED.relu(draw);
    const f = nudged(g, draw, 1e-5);
    const distances = [1, 2].map(async (positions) => {
      const [a, b] = [f, g].map((chain) => sequenceModel(positions, chain));
      return similarity(a, b, { backend, method: 'exact', dtype: positions === 1 ? 'float64' : 'float32' });
    });
    const [one, two] = await Promise.all(distances);
    expect(two.distance / one.distance).toBeCloseTo(Math.SQRT2, 10);
  });

  it('are explained by degree however near they are', async () => {
    const shares = [1e-3, 1e-7].map(async (by) => {
      const draw = random(23);
      const g = SMOOTH['a hidden layer'](draw);
      const found = await explain(modelOf(g), modelOf(nudged(g, draw, by)), { backend });
      return found.kind === 'forms' ? found.parts : {};
    });
    const [far, near] = await Promise.all(shares);
    for (const [part, share] of Object.entries(near)) expect(share).toBeCloseTo(far[part as keyof typeof far]!, 2);
    expect(near).toHaveProperty('higher');
  });
});

describe('the difference of two layers of units', () => {
  const law = { law: { sigma: 1 }, inputs: 3 };
  const shape = { inputs: 3, hidden: 4, outputs: 2, biases: true } as const;

  it('is a layer of as many units where only what is behind them has changed', async () => {
    const draw = random(29);
    const g = randomHidden(draw, { ...shape, activation: 'elu' });
    const f = { ...g, down: randomTensor(draw, 2, 4) };
    const found = await differenceChain([f], [g], new Pacer());
    expect(found!.layers).toMatchObject([{ type: 'hidden', weight: { shape: [4, 3] }, down: { shape: [2, 4] } }]);
    expect(found!.error).toBe(0);
  });

  it('is zero for copies whose units are in another order, and is small where they have changed a little', async () => {
    const draw = random(47);
    for (const make of [randomHidden, randomGated]) {
      const g = make(draw, { ...shape, hidden: 6, activation: 'gelu', skip: true }) as Layer;
      const order = [3, 0, 5, 1, 4, 2];
      const f = mapLayer(g, ({ data, shape: [rows, columns = 1] }, role) => {
        if (role === 'skip' || role === 'downBias') return { data, shape: columns === 1 ? [rows] : [rows, columns] };
        const at = (i: number, j: number) => (role === 'down' ? i * columns + order[j] : order[i] * columns + j);
        const values = Float64Array.from(data, (_, k) => data[at(Math.floor(k / columns), k % columns)]);
        return { data: values, shape: columns === 1 ? [rows] : [rows, columns] };
      });
      expect((await differenceChain([f], [g], new Pacer(), law))!.layers).toBeNull();
      const near = await differenceChain(nudged([f], draw, 1e-6), [g], new Pacer(), law);
      expect(near!.scale).toBeLessThan(1e-5);
    }
  });

  it('goes on behind linear layers, beside the stream of the other', async () => {
    const draw = random(31);
    const g = [randomGated(draw, { ...shape, activation: 'gelu' }), randomLinear(draw, 3, 2)];
    const f = nudged(g, draw, 1e-3);
    const found = await differenceChain(f, g, new Pacer(), law);
    const x = { data: Float64Array.from({ length: 15 }, () => draw.normal()), shape: [5, 3] };
    const [delta, one, two] = await Promise.all([found!.layers!, f, g].map((own) => evaluate(modelOf(own), x)));
    for (const [i, value] of delta.data.entries())
      expect(found!.scale * value).toBeCloseTo(one.data[i] - two.data[i], 10);
  });

  it.each<[string, Partial<HiddenLayer>, Partial<HiddenLayer>, boolean]>([
    ['other activations', { activation: 'silu' }, {}, true],
    ['other slopes', { activation: 'elu', slope: 0.5 }, { activation: 'elu', slope: 0.6 }, true],
    ['arguments that move where no law is known', { bias: randomTensor(random(5), 4) }, {}, false],
    ['arguments that move far', { bias: randomTensor(random(5), 4) }, {}, true],
    ['arguments that move about kinks of other kinds', { activation: 'relu6' }, { activation: 'relu6' }, true],
  ])('is not there for %s', async (_, one, other, known) => {
    const layer = randomHidden(random(37), { ...shape, activation: 'gelu' });
    const [f] = nudged([{ ...layer, ...one } as Layer], random(41), 1e-6);
    const found = await differenceChain([f], [{ ...layer, ...other } as Layer], new Pacer(), known ? law : null);
    expect(found).toBeNull();
  });
});
