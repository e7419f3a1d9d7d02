// Random shapes by every ability that is there: the largest difference from the native backend. What the backend does
// not know is said, and is no failure. SHAPES says how many there are of each.
import { relativeDifference } from '../../bench/support.js';
import { contract, evaluate, type Model, similarityMatrix, tensor } from '../../lib/index.js';
import type { DType, TensorData } from '../../lib/tensor/tensor.js';
import { modelOf, randomAttention, randomBlock, randomLinear, randomTensor, sequenceModel } from '../support/models.js';
import { type Random, random } from '../support/random.js';
import { randomGated, randomHidden } from '../support/units.js';
import { type By, block, Checks, distance, messageOf, SMALL } from './checks.js';

const COUNT = Number(process.env.SHAPES ?? (SMALL ? 3 : 34));
const checks = new Checks();
const upTo = (draw: Random, most: number) => draw.integer(1, SMALL ? Math.min(most, 20) : most);
const several = (make: () => Model) => [make(), make(), make()];

type Make = (draw: Random) => Model[];
const one: Make = (draw) => {
  const [inputs, outputs] = [upTo(draw, 200), upTo(draw, 30)];
  return several(() => block(draw, inputs, upTo(draw, 150), outputs, draw.uniform() < 0.5));
};
const alike: Make = (draw) => {
  const [inputs, units, outputs] = [upTo(draw, 200), upTo(draw, 50), upTo(draw, 30)];
  return several(() => block(draw, inputs, units, outputs));
};
const two: Make = (draw) => {
  const [inputs, width, outputs] = [upTo(draw, 40), upTo(draw, 12), upTo(draw, 12)];
  const layer = (from: number, to: number) =>
    randomBlock(draw, { inputs: from, hidden: upTo(draw, 20), outputs: to, biases: true });
  return several(() => modelOf([layer(inputs, width), layer(width, outputs)]));
};
const attention: Make = (draw) => {
  const [inputs, outputs, positions] = [upTo(draw, 24), upTo(draw, 9), draw.integer(1, 5)];
  return several(() => {
    const heads = { heads: draw.integer(1, 4), size: 2 * draw.integer(1, 9), biases: draw.uniform() < 0.5 };
    const mask = draw.uniform() < 0.5 ? 'causal' : 'none';
    const rotaryBase = draw.uniform() < 0.5 ? 10000 : null;
    const layer = randomAttention(draw, { inputs, ...heads, residual: [1, 0.35], rotaryBase, mask });
    return sequenceModel(positions, [layer, randomLinear(draw, outputs, inputs)]);
  });
};
const units =
  (kind: 'relu' | 'gelu' | 'gated'): Make =>
  (draw) => {
    const [inputs, outputs] = [upTo(draw, 200), upTo(draw, 30)];
    return several(() => {
      const shape = { inputs, hidden: upTo(draw, 200), outputs, biases: true };
      if (kind === 'gated') return modelOf([randomGated(draw, { ...shape, activation: 'silu' })]);
      return modelOf([randomHidden(draw, { ...shape, activation: kind })]);
    });
  };

/** What is compared, of which models, how, and how near float64 must come. */
const MATRICES: readonly (readonly [string, Make, By, number])[] = [
  ['pairs of units', one, { route: 'factor' }, 1e-12],
  ['dense forms', one, { route: 'dense' }, 1e-12],
  ['tensor of one block', one, { measure: 'tensor' }, 1e-12],
  ['weights', alike, { measure: 'weights' }, 1e-12],
  ['closure of two blocks', two, { method: 'closure' }, 1e-12],
  ['closure of attention', attention, { method: 'closure' }, 1e-12],
  ['two blocks, exactly', two, { method: 'exact' }, 1e-12],
  ['tensor of two blocks', two, { measure: 'tensor' }, 1e-12],
  ['hidden units, relu', units('relu'), { method: 'exact' }, 1e-10],
  ['hidden units, gelu', units('gelu'), { method: 'exact' }, 1e-10],
  ['gated units', units('gated'), { method: 'exact' }, 1e-10],
  ['sampled', two, { method: 'sampled', maxSamples: 4096, seed: 3 }, 1e-11],
];

/** The largest of the differences that `measure` finds for all shapes; null where the backend does not know it. */
async function worst(what: string, measure: (draw: Random) => Promise<number>): Promise<number | null> {
  let most = 0;
  for (let seed = 1; seed <= COUNT; seed++) {
    try {
      const error = await measure(random(seed));
      if (!(error <= most)) most = error;
    } catch (error) {
      const message = messageOf(error);
      if (message.startsWith('BACKEND_UNAVAILABLE') && message.includes('does not know')) {
        console.log(`none ${what}`);
        return null;
      }
      checks.check(false, `${what}, seed ${seed}: ${message}`);
      return null;
    }
  }
  return most;
}

async function verify(what: string, tolerance: number, measure: (draw: Random) => Promise<number>): Promise<void> {
  const most = await worst(what, measure);
  if (most !== null) checks.check(most <= tolerance, `${what}: ${COUNT} shapes, at most ${most.toExponential(2)}`);
}

for (const dtype of ['float64', 'float32'] as const) {
  for (const [what, make, by, tolerance] of MATRICES)
    await verify(`${what}, ${dtype}`, dtype === 'float64' ? tolerance : 1e-5, async (draw) => {
      const models = make(draw);
      const wanted = await similarityMatrix(models, { ...by, dtype, backend: 'native' });
      return distance((await similarityMatrix(models, { ...by, dtype, backend: 'cuda' })).gram, wanted.gram);
    });
  const plain = dtype === 'float64' ? 1e-12 : 1e-5;
  await verify(`contractions, ${dtype}`, plain, (draw) => {
    const equation = ['ijk,kl,ljm->im', 'ijk,jkl,lm->im', 'ijk,ilk,jm->lm'][draw.integer(0, 2)];
    const extents = new Map([...'ijklm'].map((name) => [name, upTo(draw, 24)]));
    const shapes = equation
      .split('->')[0]
      .split(',')
      .map((names) => [...names].map((name) => extents.get(name)!));
    const operands = shapes.map((shape) => randomTensor(draw, ...shape));
    return both(dtype, async (by) => (await contract(equation, operands, by)).data);
  });
  await verify(`forward passes, ${dtype}`, plain, (draw) => {
    const [model] = two(draw);
    const [count, inputs] = [upTo(draw, 70), model.inputShape[1]];
    const given = tensor(Float64Array.from({ length: count * inputs }, draw.normal), [count, inputs]);
    return both(dtype, async (by) => (await evaluate(model, given, by)).data);
  });
}
checks.finish('shapes against native');

/** The largest difference of results of both backends, relative to the largest number of the native one. */
async function both(
  dtype: DType,
  run: (by: { backend: 'native' | 'cuda'; dtype: DType }) => Promise<TensorData>,
): Promise<number> {
  const wanted = await run({ backend: 'native', dtype });
  return relativeDifference(await run({ backend: 'cuda', dtype }), wanted);
}
