import { describe, expect, test } from 'vitest';
import { evaluate } from '../../lib/evaluation/evaluate.js';
import { activationValue } from '../../lib/gaussian/activations/evaluate.js';
import { ACTIVATION_NAMES, type ActivationName, activationOf } from '../../lib/layers/activations.js';
import { createModel, type LayerDefinition } from '../../lib/model/create.js';
import { type Tensor, tensor } from '../../lib/tensor/tensor.js';
import { availableBackends } from '../support/backends.js';
import { randomTensor } from '../support/models.js';
import { type Random, random } from '../support/random.js';

const WIDTH = 4;
const UNITS = 5;
const OUTPUTS = 3;

const slopesOf = (name: ActivationName, draw: Random, units: number) =>
  name === 'prelu' ? { slopes: randomTensor(draw, units) } : {};

/** A hidden layer of `name` with everything around it, then a bare activation, then a gated block with few parts. */
function layersOf(name: ActivationName, draw: Random): LayerDefinition[] {
  return [
    {
      type: 'hidden',
      weight: randomTensor(draw, UNITS, WIDTH),
      bias: randomTensor(draw, UNITS),
      activation: name,
      ...slopesOf(name, draw, UNITS),
      down: randomTensor(draw, WIDTH, UNITS),
      downBias: randomTensor(draw, WIDTH),
      skip: randomTensor(draw, WIDTH, WIDTH),
      alpha: 0.5,
      beta: -0.75,
    },
    { type: 'activation', width: WIDTH, activation: name, ...slopesOf(name, draw, WIDTH) },
    {
      type: 'gated',
      gate: randomTensor(draw, OUTPUTS, WIDTH),
      up: randomTensor(draw, OUTPUTS, WIDTH),
      upBias: randomTensor(draw, OUTPUTS),
      activation: name,
      ...slopesOf(name, draw, OUTPUTS),
      downBias: randomTensor(draw, OUTPUTS),
      skip: randomTensor(draw, OUTPUTS, WIDTH),
    },
  ];
}

const times = (matrix: Tensor, x: readonly number[]) =>
  Array.from({ length: matrix.shape[0] }, (_, i) =>
    x.reduce((sum, at, j) => sum + matrix.data[i * x.length + j] * at, 0),
  );
const plus = (a: readonly number[], b: Tensor | readonly number[] | undefined) =>
  b === undefined ? a : a.map((at, i) => at + ('data' in b ? b.data[i] : b[i]));

/** The layers one after the other, as their formulas are written. */
function byFormula(layers: readonly LayerDefinition[], x: readonly number[]): readonly number[] {
  return layers.reduce<readonly number[]>((at, layer) => {
    if (layer.type !== 'hidden' && layer.type !== 'gated' && layer.type !== 'activation') throw new Error(layer.type);
    const { name, slope } = activationOf({ activation: layer.activation, slope: null });
    const phi = (values: readonly number[]) =>
      values.map((value, i) => activationValue({ name, slope }, layer.slopes?.data[i] ?? slope)(value));
    if (layer.type === 'activation') return phi(at);
    const units =
      layer.type === 'hidden'
        ? phi(plus(times(layer.weight, at), layer.bias))
        : phi(plus(times(layer.gate, at), layer.gateBias)).map(
            (value, i) => value * plus(times(layer.up, at), layer.upBias)[i],
          );
    const block = plus(layer.down === undefined ? units : times(layer.down, units), layer.downBias);
    const { alpha = 0, beta = 1 } = layer;
    const result = block.map((value, i) => (alpha === 0 ? 0 : alpha * at[i]) + beta * value);
    return layer.skip === undefined ? result : plus(result, times(layer.skip, at));
  }, x);
}

describe.each(availableBackends)('activations on %s', (backend) => {
  test.each(ACTIVATION_NAMES)('%s agrees with the formulas written out', async (name) => {
    const draw = random(7);
    const layers = layersOf(name, draw);
    const model = createModel({ layers });
    // Exponentials of exponentials multiply every rounding by their exponents.
    const reach = name === 'exp' ? 0.2 : 2;
    const batch = 300; // more than go through the layers together
    const inputs = tensor(
      Float64Array.from({ length: batch * WIDTH }, () => reach * draw.normal()),
      [batch, WIDTH],
    );
    for (const [dtype, tolerance] of [
      ['float64', 1e-14],
      ['float32', 2e-6],
    ] as const) {
      const { data } = await evaluate(model, inputs, { backend, dtype });
      for (const row of [0, 1, 130, batch - 1]) {
        const wanted = byFormula(layers, [...inputs.data.subarray(row * WIDTH, (row + 1) * WIDTH)]);
        const size = Math.max(1, ...wanted.map(Math.abs));
        wanted.forEach((value, c) => {
          expect(Math.abs(data[row * OUTPUTS + c] - value)).toBeLessThanOrEqual(tolerance * size);
        });
        // Nor does a result depend on what else is in the batch.
        const one = tensor(inputs.data.slice(row * WIDTH, (row + 1) * WIDTH), [1, WIDTH]);
        const alone = await evaluate(model, one, { backend, dtype, threads: 1 });
        expect([...alone.data]).toEqual([...data.subarray(row * OUTPUTS, (row + 1) * OUTPUTS)]);
      }
    }
  });

  /** Computed with thirty digits from the definitions. */
  test.each([
    ['gelu', 1, 0.841344746068543],
    ['gelu', -8, -4.976768459417427e-15],
    ['gelu_tanh', 1, 0.8411919906082767],
    ['quick_gelu', -1, -0.1542042340671787],
    ['silu', -1, -0.2689414213699951],
    ['tanh', 0.5, 0.4621171572600098],
    ['sigmoid', -40, 4.248354255291589e-18],
    ['softplus', 1, 1.313261687518223],
    ['mish', 1, 0.8650983882673103],
    ['erf', 1, 0.8427007929497149],
    ['elu', -1, -0.6321205588285577],
    ['selu', -1, -1.111330737812563],
    ['hardswish', 1, 2 / 3],
    ['hardsigmoid', 1, 2 / 3],
    ['relu6', 7, 6],
    ['hardtanh', -3, -1],
    ['heaviside', 0, 0.5],
  ] as const)('%s(%f) is what it is defined to be', async (activation, x, wanted) => {
    const model = createModel({ layers: [{ type: 'activation', width: 1, activation }] });
    const { data } = await evaluate(model, tensor(Float64Array.of(x), [1, 1]), { backend });
    expect(Math.abs(data[0] - wanted)).toBeLessThanOrEqual(4e-16 * Math.abs(wanted) * Math.max(1, (x * x) / 4));
  });
});
