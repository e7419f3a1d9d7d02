import { describe, expect, it } from 'vitest';
import { Pacer } from '../../../lib/cooperate.js';
import { evaluate } from '../../../lib/evaluation/evaluate.js';
import { mapLayer } from '../../../lib/layers/layer.js';
import type { LayerDefinition } from '../../../lib/model/create.js';
import type { Layer, Model } from '../../../lib/model/model.js';
import { differenceChain } from '../../../lib/similarity/difference/chain.js';
import { tensor } from '../../../lib/tensor/tensor.js';
import { randomAttention, randomBlock, randomLinear, sequenceModel } from '../../support/models.js';
import { type Random, random } from '../../support/random.js';

const block = (draw: Random, hidden: number, rest: object = {}) =>
  randomBlock(draw, { inputs: 4, hidden, outputs: 4, biases: true, ...rest });
const attention = (draw: Random, heads: number, rest: object = {}) =>
  randomAttention(draw, { inputs: 4, heads, size: 2, biases: true, ...rest });

/** Two chains, drawn one after the other. */
const CASES: Record<string, (draw: Random, second: boolean) => LayerDefinition[]> = {
  'linear layers': (draw) => [randomLinear(draw, 5, 4), randomLinear(draw, 3, 5)],
  'a block': (draw) => [block(draw, 3)],
  'a block with a residual': (draw) => [block(draw, 3, { residual: [0.5, 2] })],
  'blocks without D': (draw) => {
    const { down, downBias, ...rest } = block(draw, 5);
    return [rest, randomLinear(draw, 3, 5)];
  },
  'blocks of other β': (draw, second) => [
    block(draw, 3, { residual: [1, second ? 0.5 : 2] }),
    randomLinear(draw, 3, 4),
  ],
  'blocks of other α': (draw, second) => [
    block(draw, 3, { residual: [second ? 0.75 : 1, 0.5] }),
    block(draw, 2, { residual: [second ? 0 : 0.5, 1], biases: false }),
    block(draw, 3, { residual: [second ? 0.5 : 0, 1] }),
  ],
  'other numbers of units': (draw, second) => [block(draw, second ? 3 : 5), randomLinear(draw, 3, 4)],
  'other widths between layers': (draw, second) => [
    randomLinear(draw, second ? 3 : 6, 4),
    randomLinear(draw, 4, second ? 3 : 6),
    block(draw, 3, { outputs: second ? 5 : 2 }),
    randomLinear(draw, 3, second ? 5 : 2),
  ],
  'linear layers that one has alone': (draw, second) => [
    ...(second ? [] : [randomLinear(draw, 4, 4)]),
    block(draw, 3),
    ...(second ? [randomLinear(draw, 4, 4), randomLinear(draw, 4, 4)] : []),
  ],
  'two blocks': (draw) => [randomLinear(draw, 4, 4), block(draw, 3, { residual: [1, 0.5] }), block(draw, 5)],
  'three blocks': (draw) => [block(draw, 3), block(draw, 3, { residual: [1, 1] }), block(draw, 2, { outputs: 2 })],
  attention: (draw) => [attention(draw, 2)],
  'attention with rotary embeddings and a residual': (draw) => [
    attention(draw, 2, { residual: [1, 1], rotaryBase: 100 }),
    randomLinear(draw, 3, 4),
  ],
  'other numbers of heads': (draw, second) => [attention(draw, second ? 1 : 3, { mask: 'none' })],
  'attention and blocks': (draw) => [attention(draw, 1, { residual: [1, 1] }), block(draw, 3, { residual: [1, 1] })],
};

describe('the chain of a difference', () => {
  it.each(Object.keys(CASES))('is f − g for %s', async (name) => {
    for (const seed of [1, 2]) {
      const draw = random(seed);
      const [f, g] = [false, true].map((second) => sequenceModel(3, CASES[name](draw, second)));
      await expectDifference(f, g, draw);
    }
  });

  it.each(Object.keys(CASES))('is f − g for %s of which one layer changes', async (name) => {
    const draw = random(3);
    const layers = CASES[name](draw, false);
    for (const k of layers.keys()) {
      const changed = layers.map((layer, i) => (i === k ? nudged(layer as Layer, draw, 0.1) : layer));
      await expectDifference(sequenceModel(3, changed), sequenceModel(3, layers), draw);
    }
  });

  it('is of the size of the models, however small their difference', async () => {
    const draw = random(4);
    const layers = CASES['two blocks'](draw, false) as Layer[];
    const nudge = layers.map((layer) => nudged(layer, draw, 1e-11));
    const found = await differenceChain(sequenceModel(1, nudge).layers, layers, new Pacer());
    expect(Math.abs(Math.log2(found!.scale / 1e-11))).toBeLessThan(4);
    expect(Number.isInteger(Math.log2(found!.scale))).toBe(true);
    const sizes = found!.layers!.flatMap((layer) => (layer.type === 'bilinear' ? [...layer.down!.data] : []));
    expect(Math.max(...sizes.map(Math.abs))).toBeLessThan(10);
  });

  it('is zero for equal chains, be their numbers of one type or the other', async () => {
    const layers = CASES['two blocks'](random(5), false) as Layer[];
    const singles = layers.map((layer) =>
      mapLayer(layer, ({ data, shape }) => ({ data: Float32Array.from(data), shape })),
    );
    const doubles = singles.map((layer) =>
      mapLayer(layer, ({ data, shape }) => ({ data: Float64Array.from(data), shape })),
    );
    expect((await differenceChain(doubles, singles, new Pacer()))?.layers).toBeNull();
  });

  it('begins with the layers that both share', async () => {
    const draw = random(6);
    const [first, second] = [randomLinear(draw, 5, 4), randomLinear(draw, 3, 5)];
    const found = await differenceChain([first, nudged(second, draw, 1e-3)], [first, second], new Pacer());
    expect(found!.layers![0]).toBe(first);
    expect(found!.layers![1]).toMatchObject({ weight: { shape: [3, 5] } });
  });

  it.each<[string, LayerDefinition[], LayerDefinition[]]>([
    ['other blocks', [block(random(7), 3)], [attention(random(7), 1)]],
    ['other numbers of blocks', [block(random(7), 3)], [block(random(7), 3), block(random(7), 3)]],
    [
      'other residuals of attention',
      [attention(random(7), 1, { residual: [1, 1] })],
      [attention(random(7), 1, { residual: [0.5, 1] })],
    ],
    ['heads of other sizes', [attention(random(7), 1)], [attention(random(7), 1, { size: 4 })]],
    ['other masks', [attention(random(7), 1)], [attention(random(7), 1, { mask: 'none' })]],
  ])('is not there for %s', async (_, f, g) => {
    expect(await differenceChain(f as Layer[], g as Layer[], new Pacer())).toBeNull();
  });
});

/** Every number times 1 + `size` · a normal number. */
function nudged(layer: Layer, draw: Random, size: number): Layer {
  return mapLayer(layer, ({ data, shape }) => {
    return { data: Float64Array.from(data, (value) => value * (1 + size * draw.normal())), shape };
  });
}

async function expectDifference(f: Model, g: Model, draw: Random): Promise<void> {
  const found = await differenceChain(f.layers, g.layers, new Pacer());
  const [positions, inputs] = g.inputShape;
  const x = tensor(
    Float64Array.from({ length: 5 * positions * inputs }, () => draw.normal()),
    [5, positions, inputs],
  );
  const chain = sequenceModel(positions, found!.layers!);
  const [delta, one, two] = await Promise.all([chain, f, g].map((model) => evaluate(model, x)));
  expect(delta.shape).toEqual(one.shape);
  const size = Math.max(...one.data.map(Math.abs), ...two.data.map(Math.abs));
  for (const [i, value] of delta.data.entries()) {
    expect(Math.abs(found!.scale * value - (one.data[i] - two.data[i])) / size).toBeLessThan(1e-12);
  }
}
