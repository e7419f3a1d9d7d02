import { describe, expect, test } from 'vitest';
import { evaluate } from '../../lib/evaluation/evaluate.js';
import { writeSafetensors } from '../../lib/formats/safetensors/write.js';
import { inspect } from '../../lib/model/reading/inspect.js';
import { loadModel } from '../../lib/model/reading/load.js';
import type { ModelConfig } from '../../lib/model/settings.js';
import { similarity } from '../../lib/similarity/similarity.js';
import { type Tensor, tensor } from '../../lib/tensor/tensor.js';
import { rejection, temporaryFolder } from '../formats/safetensors/helpers.js';
import { difference } from '../support/forward.js';
import { randomTensor } from '../support/models.js';
import { random } from '../support/random.js';

/* Batch norms among the linear layers of networks that are named in everyday ways, against the loops that torch runs. */

const folder = temporaryFolder();
type Weights = Record<string, Tensor>;
type Step = readonly ['linear' | 'norm', string] | readonly ['phi'];

/** The tensors of modules that stand in this order, all of three features. */
function tensorsOf(steps: readonly Step[], seed: number): Weights {
  const draw = random(seed);
  const weights: Weights = {};
  for (const [kind, name] of steps) {
    if (kind === 'phi') continue;
    weights[`${name}.weight`] = kind === 'linear' ? randomTensor(draw, 3, 3) : randomTensor(draw, 3);
    weights[`${name}.bias`] = randomTensor(draw, 3);
    if (kind === 'linear') continue;
    weights[`${name}.running_mean`] = randomTensor(draw, 3);
    weights[`${name}.running_var`] = tensor([0.3, 1.2, 2.5], [3]);
    weights[`${name}.num_batches_tracked`] = tensor([seed], [1]);
  }
  return weights;
}

/** As torch runs them after training. */
function run(steps: readonly Step[], weights: Weights, x: readonly number[], epsilon: number): number[] {
  return steps.reduce<number[]>(
    (row, [kind, name]) => {
      if (kind === 'phi') return row.map((one) => Math.max(one, 0));
      const part = (role: string) => weights[`${name}.${role}`].data;
      if (kind === 'linear')
        return row.map((_, i) => row.reduce((sum, one, j) => sum + part('weight')[3 * i + j] * one, part('bias')[i]));
      return row.map(
        (one, i) =>
          ((one - part('running_mean')[i]) / Math.sqrt(part('running_var')[i] + epsilon)) * part('weight')[i] +
          part('bias')[i],
      );
    },
    [...x],
  );
}

const linear = (name: string): Step => ['linear', name];
const norm = (name: string): Step => ['norm', name];
const phi: Step = ['phi'];

let count = 0;
async function write(steps: readonly Step[], seed = 1): Promise<[path: string, weights: Weights]> {
  const weights = tensorsOf(steps, seed);
  const path = `${folder}/${count++}.safetensors`;
  await writeSafetensors(path, weights);
  return [path, weights];
}

const X = [
  [0.3, -1.2, 0.7],
  [-0.4, 0.9, 1.6],
];

const KNOWN: [string, readonly Step[], ModelConfig][] = [
  ['before the activation', [linear('0'), norm('1'), phi, linear('3')], {}],
  [
    'before it, and a dropout behind',
    [linear('net.0'), norm('net.1'), phi, linear('net.4'), norm('net.5'), phi, linear('net.8')],
    {},
  ],
  ['behind the activation', [linear('0'), phi, norm('2'), linear('3')], {}],
  ['behind it and a dropout', [linear('0'), phi, norm('3'), linear('4')], {}],
  ['on both sides', [linear('0'), norm('1'), phi, norm('3'), linear('4')], {}],
  ['in front of all layers and behind them', [norm('0'), linear('1'), phi, linear('3'), norm('4')], {}],
  [
    'by name, as told',
    [linear('fc1'), norm('bn1'), phi, linear('fc2'), norm('bn2'), phi, linear('fc3')],
    { normPlace: 'before' },
  ],
  [
    'by name, as told otherwise',
    [linear('fc1'), phi, norm('bn1'), linear('fc2'), phi, norm('bn2'), linear('fc3')],
    { normPlace: 'after' },
  ],
  ['by lists of both', [linear('layers.0'), norm('norms.0'), phi, linear('layers.1')], { normPlace: 'before' }],
  ['with room on both sides, as told', [linear('0'), phi, norm('2'), linear('4')], { normPlace: 'after' }],
  ['with another ε', [linear('0'), norm('1'), phi, linear('3')], { normEpsilon: 0.2 }],
];

describe('batch norms among linear layers', () => {
  test.each(KNOWN)('%s', async (_, steps, config) => {
    const [path, weights] = await write(steps);
    const model = await loadModel(path, { config: { activation: 'relu', ...config } });
    expect(model.family).toBe('mlp');
    const { data } = await evaluate(model, tensor(X.flat(), [2, 3]));
    const expected = X.flatMap((x) => run(steps, weights, x, config.normEpsilon ?? 1e-5));
    expect(difference(data, expected)).toBeLessThan(1e-13);
  });

  test('are exact beside a single hidden layer, on either side of it', async () => {
    for (const steps of [
      [norm('0'), linear('1'), norm('2'), phi, linear('4')],
      [linear('0'), phi, norm('2'), linear('3'), norm('4')],
    ]) {
      const config = { activation: 'relu' };
      const [a, b] = [await write(steps, 1), await write(steps, 2)].map(([path]) => path);
      const [one, other] = [await loadModel(a, { config }), await loadModel(b, { config })];
      const exact = await similarity(one, other);
      expect(exact.method).toBe('exact');
      const sampled = await similarity(one, other, { method: 'sampled', tolerance: 0.02 });
      expect(Math.abs(sampled.similarity - exact.similarity)).toBeLessThan(0.04);
    }
  });

  test('are where they are in a network without activations, whatever their names', async () => {
    const steps = [linear('fc1'), norm('bn1'), linear('fc2')];
    const [path, weights] = await write(steps);
    const model = await loadModel(path, { config: { activation: 'none' } });
    expect(model.family).toBe('linear');
    const { data } = await evaluate(model, tensor(X.flat(), [2, 3]));
    expect(
      difference(
        data,
        X.flatMap((x) => run(steps, weights, x, 1e-5)),
      ),
    ).toBeLessThan(1e-13);
  });

  test('are told by inspect, with what was assumed', async () => {
    const [path] = await write([linear('0'), norm('1'), phi, linear('3')]);
    const found = await inspect(path, { config: { activation: 'relu' } });
    expect(found.layers).toEqual([
      'linear 3 → 3, with a bias',
      'batch norm 3, with a bias',
      'relu 3',
      'linear 3 → 3, with a bias',
    ]);
    expect(found.settings).toContainEqual({ name: 'norm_eps', value: '0.00001', from: 'default' });
    expect(found.setAside.map(({ name }) => name)).toEqual(['1.num_batches_tracked']);
  });

  test.each<[string, readonly Step[], string]>([
    [
      'by name, with nobody saying',
      [linear('fc1'), norm('bn1'), linear('fc2')],
      'whether it stands before the activation or behind it',
    ],
    [
      'with room on both sides',
      [linear('0'), norm('2'), linear('4')],
      'whether it stands before the activation or behind it',
    ],
    [
      'without room',
      [linear('0'), norm('1'), linear('2'), linear('4')],
      'no activation stands between the layers around it',
    ],
    [
      'behind a layer that is not there',
      [linear('fc1'), norm('bn7'), linear('fc2')],
      'its name does not tell behind which layer',
    ],
    [
      'of a name that says nothing',
      [linear('fc1'), norm('scale'), linear('fc2')],
      'its name does not tell behind which layer',
    ],
    ['far behind the last layer', [linear('0'), linear('2'), norm('5')], 'something stands between it and the layer'],
    ['two in one place', [linear('0'), norm('1'), norm('2'), linear('4')], 'two stand in one place'],
  ])('%s are refused', async (_, steps, message) => {
    const [path] = await write(steps);
    const error = await rejection(loadModel(path, { config: { activation: 'relu' } }));
    expect(error).toMatchObject({ code: 'UNSUPPORTED_LAYER', file: path });
    expect(error.message).toContain(message);
    expect(error.hint).toContain('model.json');
  });

  test('of another width are refused by the shapes', async () => {
    const [, weights] = await write([linear('0'), norm('1'), phi, linear('3')]);
    const path = `${folder}/wide.safetensors`;
    await writeSafetensors(path, { ...weights, '1.running_mean': tensor([1, 2], [2]) });
    const error = await rejection(loadModel(path, { config: { activation: 'relu' } }));
    expect(error.code).toBe('SHAPE_MISMATCH');
  });
});
