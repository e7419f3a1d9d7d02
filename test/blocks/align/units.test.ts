import { describe, expect, test } from 'vitest';
import { matchUnits } from '../../../lib/blocks/align/units.js';
import { productsBy } from '../../../lib/blocks/products.js';
import { WeightTally } from '../../../lib/blocks/weights.js';
import type { ActivationName } from '../../../lib/layers/activations.js';
import type { LayerDefinition } from '../../../lib/model/create.js';
import { createModel } from '../../../lib/model/create.js';
import { similarity } from '../../../lib/similarity/similarity.js';
import { random } from '../../support/random.js';

const D = 5;

/** Units by their vectors: what the activation is given, with the bias behind; a factor where there is a gate; the output. */
interface Unit {
  readonly input: readonly number[];
  readonly factor: readonly number[];
  readonly output: readonly number[];
}

function drawn(count: number, seed: number): Unit[] {
  const { normal } = random(seed);
  const vector = (length: number) => Array.from({ length }, (): number => normal());
  return Array.from({ length: count }, () => ({ input: vector(D + 1), factor: vector(D), output: vector(D) }));
}

function layerOf(units: readonly Unit[], activation: ActivationName, gated: boolean): LayerDefinition {
  const rows = (of: (unit: Unit) => readonly number[]) => ({
    data: Float64Array.from(units.flatMap((unit) => of(unit).slice(0, D))),
    shape: [units.length, D],
  });
  const bias = { data: Float64Array.from(units, ({ input }) => input[D]), shape: [units.length] };
  const down = {
    data: Float64Array.from({ length: D * units.length }, (_, at) => {
      return units[at % units.length].output[Math.floor(at / units.length)];
    }),
    shape: [D, units.length],
  };
  return gated
    ? {
        type: 'gated',
        gate: rows(({ input }) => input),
        gateBias: bias,
        up: rows(({ factor }) => factor),
        activation,
        down,
      }
    : { type: 'hidden', weight: rows(({ input }) => input), bias, activation, down };
}

const scaled = (values: readonly number[], by: number) => values.map((value) => value * by);

async function match(f: readonly Unit[], g: readonly Unit[], activation: ActivationName, gated = false) {
  const [one, other] = [f, g].map((units) => layerOf(units, activation, gated));
  const matching = (await matchUnits(one, other, D, productsBy({}), undefined))!;
  const tally = new WeightTally();
  await matching.addTo(tally);
  const models = [one, other].map((layer) => createModel({ layers: [layer], label: 'mlp' }));
  return {
    ...matching.comparison,
    weights: tally.result,
    error: (await similarity(models[0], models[1])).fidelityError,
  };
}

const ORDER = [3, 0, 4, 1, 2, 5];
const shuffled = (units: readonly Unit[]) => ORDER.map((i) => units[i]);
/** What may be done to a unit of an activation; the number of the unit makes it differ. */
const GAUGES: [ActivationName, boolean, (unit: Unit, i: number) => Unit][] = [
  [
    'relu',
    false,
    ({ input, output, factor }, i) => ({ factor, input: scaled(input, i + 2), output: scaled(output, 1 / (i + 2)) }),
  ],
  [
    'relu2',
    false,
    ({ input, output, factor }, i) => ({ factor, input: scaled(input, i + 2), output: scaled(output, (i + 2) ** -2) }),
  ],
  [
    'square',
    false,
    ({ input, output, factor }, i) => ({ factor, input: scaled(input, -2 - i), output: scaled(output, (i + 2) ** -2) }),
  ],
  ['tanh', false, ({ input, output, factor }) => ({ factor, input: scaled(input, -1), output: scaled(output, -1) })],
  [
    'silu',
    true,
    ({ input, output, factor }, i) => ({ input, factor: scaled(factor, -2 - i), output: scaled(output, -1 / (i + 2)) }),
  ],
  [
    'relu',
    true,
    ({ input, output, factor }, i) => ({
      input: scaled(input, 3),
      factor: scaled(factor, -2 - i),
      output: scaled(output, -1 / (3 * i + 6)),
    }),
  ],
];

describe('units', () => {
  test.each(GAUGES)(
    'of %s (gated: %s) find their partners in any order and scale',
    async (activation, gated, gauge) => {
      const units = drawn(6, 1);
      const found = await match(units, shuffled(units).map(gauge), activation, gated);
      expect(found).toMatchObject({ count: 6, matched: 6, moved: 5, partners: 6 });
      expect(found.similarity).toBeCloseTo(1, 13);
      expect(found.weights.nmse).toBeLessThan(1e-25);
      // What was done changes no function.
      expect(found.error).toBeLessThan(1e-12);
    },
  );

  test.each<[string, ActivationName, (unit: Unit) => Unit]>([
    ['sign of what a ReLU is given', 'relu', (unit) => ({ ...unit, input: scaled(unit.input, -1) })],
    [
      'size of what a GELU is given',
      'gelu',
      (unit) => ({ ...unit, input: scaled(unit.input, 1.01), output: scaled(unit.output, 1 / 1.01) }),
    ],
    ['size of the whole', 'relu', (unit) => ({ ...unit, output: scaled(unit.output, 1.01) })],
    ['bias', 'relu', (unit) => ({ ...unit, input: [...unit.input.slice(0, D), unit.input[D] + 0.1] })],
  ])('are no partners by another %s', async (_, activation, change) => {
    const units = drawn(6, 2);
    const found = await match(units, units.map(change), activation);
    expect(found.partners).toBe(0);
    expect(found.error).toBeGreaterThan(1e-7);
  });

  test('of other kinds are not matched', async () => {
    const units = drawn(3, 1);
    const [relu, gelu, gated] = [
      layerOf(units, 'relu', false),
      layerOf(units, 'gelu', false),
      layerOf(units, 'relu', true),
    ];
    for (const other of [gelu, gated])
      expect(await matchUnits(relu, other, D, productsBy({}), undefined)).toBeUndefined();
  });

  test('that are fewer in one network have partners in the other, from either side', async () => {
    const units = drawn(6, 3);
    const few = [units[4], units[1]];
    expect(await match(few, units, 'relu')).toMatchObject({ count: 2, matched: 2, moved: 1, partners: 2 });
    expect(await match(units, few, 'relu')).toMatchObject({ count: 6, matched: 2, moved: 1, partners: 2 });
  });

  test('that do nothing are partners of such', async () => {
    const units = drawn(4, 4);
    const dead = units.map((unit, i) => (i < 2 ? { ...unit, output: scaled(unit.output, 0) } : unit));
    const other = dead.map((unit, i) => (i < 2 ? { ...unit, input: drawn(4, 5)[i].input } : unit)).reverse();
    expect(await match(dead, other, 'gelu')).toMatchObject({ partners: 4, similarity: 1 });
  });

  test('in thousands are matched by pairs that are the best for each other, then in the best way', async () => {
    const units = drawn(2100, 6);
    const { normal } = random(7);
    const noisy = [...units]
      .reverse()
      .map((unit, i) =>
        i % 2 === 0 ? unit : { ...unit, output: unit.output.map((value) => value + 0.05 * normal()) },
      );
    const found = await match(units, noisy, 'gelu');
    expect(found).toMatchObject({ count: 2100, matched: 2100, moved: 2100, partners: 1050 });
    expect(found.similarity).toBeGreaterThan(0.99);
  });
});
