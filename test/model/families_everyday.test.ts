import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { evaluate } from '../../lib/evaluation/evaluate.js';
import { recognise, recogniseEveryday, unrecognised } from '../../lib/model/families/recognise.js';
import { inspect } from '../../lib/model/reading/inspect.js';
import { loadModel } from '../../lib/model/reading/load.js';
import { type ModelConfig, ModelSettings } from '../../lib/model/settings.js';
import { type Tensor, tensor } from '../../lib/tensor/tensor.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import {
  attentionShapes,
  bilinearShapes,
  chainShapes,
  counting,
  deepShapes,
  imageShapes,
  listing,
  type Shapes,
  transformerShapes,
  writeCheckpoint,
} from './helpers.js';

const root = temporaryFolder();
const fixture = (name: string) => join(import.meta.dirname, 'fixtures', 'everyday', name);
const settingsOf = (options: ModelConfig = {}) => new ModelSettings('net', {}, { options });
const read = (shapes: Shapes, options: ModelConfig = { activation: 'relu' }) =>
  recogniseEveryday(listing(shapes), settingsOf(options));
/** What a network is called chain by: its weights in the order of the layers. */
const weights = (shapes: Shapes, options?: ModelConfig) =>
  read(shapes, options)?.layers.flatMap((layer) =>
    layer.type === 'hidden'
      ? [layer.weight, ...(layer.down ? [layer.down] : [])]
      : layer.type === 'linear'
        ? [layer.weight]
        : [],
  );
const refusal = (shapes: Shapes, options: ModelConfig = {}): string => {
  try {
    read(shapes, options);
  } catch (error) {
    return (error as Error).message;
  }
  return unrecognised(listing(shapes), 'net').message;
};

const NAMES: readonly (readonly string[])[] = [
  ['0', '2'],
  ['0', '2', '4'],
  ['1', '3'],
  ['0', '3', '6'],
  ['0', '1', '2'],
  ['8', '10', '12'],
  ['0.1', '0.3', '0.5'],
  ['net.0', 'net.2'],
  ['linear_relu_stack.0', 'linear_relu_stack.2', 'linear_relu_stack.4'],
  ['fc1', 'fc2'],
  ['fc1', 'fc2', 'fc3', 'fc4'],
  ['fc_1', 'fc_2'],
  ['fc0', 'fc1'],
  ['layers.0', 'layers.1', 'layers.2'],
  ['layers.0.linear', 'layers.1.linear'],
  ['layer1', 'layer2'],
  ['linear1', 'linear2'],
  ['lin1', 'lin2', 'lin3'],
  ['l1', 'l2'],
  ['dense', 'dense_1', 'dense_2'],
  ['Dense_0', 'Dense_1'],
  ['w_1', 'w_2'],
  ['hidden', 'output'],
  ['input', 'hidden', 'output'],
  ['input_layer', 'hidden1', 'hidden2', 'output_layer'],
  ['fc1', 'fc2', 'fc_out'],
  ['hidden_layers.0', 'hidden_layers.1', 'out'],
  ['layers.0', 'layers.2', 'head'],
  ['fc1', 'classifier'],
  ['mlp.c_fc', 'mlp.c_proj'],
  ['up_proj', 'down_proj'],
];

describe('a chain of linear layers', () => {
  const widths = [5, 7, 6, 4, 3];
  const cases = NAMES.flatMap((modules) => [true, false].map((biases) => ({ modules, biases })));

  test.each(cases)('$modules, biases: $biases, in any order in the file', ({ modules, biases }) => {
    const shapes = chainShapes(modules, widths, biases);
    const places = modules.map((module) => ({ tensor: `${module}.weight` }));
    fc.assert(
      fc.property(fc.shuffledSubarray(Object.keys(shapes), { minLength: Object.keys(shapes).length }), (order) => {
        const shuffled = Object.fromEntries(order.map((name) => [name, shapes[name]]));
        expect(weights(shuffled)).toEqual(places);
      }),
      { numRuns: 5 },
    );
    const blueprint = read(shapes);
    expect(blueprint).toMatchObject({ family: 'mlp', positions: 1 });
    expect(blueprint?.layers).toHaveLength(modules.length - 1);
    expect(blueprint?.layers.at(-1)).toMatchObject({ type: 'hidden', activation: 'relu', alpha: 0, beta: 1 });
    expect(read(shapes, { activation: 'none' })).toMatchObject({
      family: 'linear',
      layers: places.map(() => ({ type: 'linear' })),
    });
    expect(refusal(shapes)).toContain(
      'a state dict does not say whether an activation stands between. Say "activation": "none" or its name (--activation relu',
    );
  });

  test('stands for the same function whatever it is called, and whichever way its matrices lie', async () => {
    const [w1, b1, w2, b2] = [counting([7, 5], -9), counting([7], -3), counting([3, 7], -11), counting([3])];
    const turned = ({ data, shape: [rows, columns] }: Tensor): Tensor => ({
      data: Float64Array.from({ length: data.length }, (_, k) => data[(k % rows) * columns + Math.floor(k / rows)]),
      shape: [columns, rows],
    });
    const spelled: Record<string, Record<string, Tensor>> = {
      torch: { 'fc1.weight': w1, 'fc1.bias': b1, 'fc2.weight': w2, 'fc2.bias': b2 },
      keras: { 'dense/kernel:0': turned(w1), 'dense/bias:0': b1, 'dense_1/kernel:0': turned(w2), 'dense_1/bias:0': b2 },
      flax: {
        'params.Dense_0.kernel': turned(w1),
        'params.Dense_0.bias': b1,
        'params.Dense_1.kernel': turned(w2),
        'params.Dense_1.bias': b2,
      },
      numpy: { W1: w1, b1, W2: w2, b2 },
      'numpy, inputs first': { W1: turned(w1), b1, W2: turned(w2), b2 },
      'scikit-learn': { coefs_0: turned(w1), intercepts_0: b1, coefs_1: turned(w2), intercepts_1: b2 },
      TransformerLens: { 'mlp.W_in': turned(w1), 'mlp.b_in': b1, 'mlp.W_out': turned(w2), 'mlp.b_out': b2 },
      Conv1D: { 'c_fc.weight': turned(w1), 'c_fc.bias': b1, 'c_proj.weight': turned(w2), 'c_proj.bias': b2 },
      'W and b': { 'layers.0.W': turned(w1), 'layers.0.b': b1, 'layers.1.W': turned(w2), 'layers.1.b': b2 },
    };
    const x = tensor([0.5, -1, 0.25, 2, -0.75], [1, 5]);
    const outputs: number[][] = [];
    for (const [name, tensors] of Object.entries(spelled)) {
      const file = await writeCheckpoint(root, `${name}.safetensors`, new Map(Object.entries(tensors)));
      const model = await loadModel(file, { config: { activation: 'tanh' } });
      outputs.push([...(await evaluate(model, x)).data]);
    }
    const hidden = Array.from({ length: 7 }, (_, i) =>
      Math.tanh([...x.data].reduce((sum, value, j) => sum + value * w1.data[5 * i + j], b1.data[i])),
    );
    const expected = Array.from({ length: 3 }, (_, i) =>
      hidden.reduce((sum, value, j) => sum + value * w2.data[7 * i + j], b2.data[i]),
    );
    for (const output of outputs) for (const [i, value] of output.entries()) expect(value).toBeCloseTo(expected[i], 10);
  });

  test('of one layer is linear, and needs to be told nothing', async () => {
    expect(read({ weight: [3, 5], bias: [3] }, {})).toMatchObject({ family: 'linear', layers: [{ type: 'linear' }] });
    const { family, degree, layers, problems } = await inspect(fixture('linear_a.pt'));
    expect({ family, degree, layers, problems }).toEqual({
      family: 'linear',
      degree: 1,
      layers: ['linear 16 → 10, with a bias'],
      problems: [],
    });
    for (const part of ['emb', 'wte', 'layers.0.self_attn.q_proj'])
      expect(read(chainShapes([part], [4, 4], false), {})).toBeUndefined();
  });

  test('with prelu has the slopes that stand between', () => {
    const shapes = { ...chainShapes(['0', '2', '4'], [5, 7, 6, 3]), '1.weight': [7], '3.weight': [6] };
    expect(read(shapes, { activation: 'prelu' })?.layers).toMatchObject([
      { weight: { tensor: '0.weight' }, slopes: { tensor: '1.weight' }, activation: 'prelu' },
      { weight: { tensor: '2.weight' }, slopes: { tensor: '3.weight' }, activation: 'prelu' },
    ]);
    expect(refusal(shapes, { activation: 'relu' })).toContain('with more beside them: "1.weight" [7]');
  });

  test.each<[string, Shapes, string]>([
    [
      'numbers leave room here and not there',
      chainShapes(['0', '1', '3'], widths),
      'nothing stands between "0.weight", "1.weight"',
    ],
    ['shapes do not fit', { ...chainShapes(['fc1'], [5, 7]), ...chainShapes(['fc2'], [6, 3]) }, '"fc1.weight" [7, 5]'],
    [
      'a normalisation stands between',
      { ...chainShapes(['fc1', 'fc2'], widths), 'bn1.weight': [7] },
      'a normalisation',
    ],
    ['rows are outputs or inputs', { W1: [4, 4], W2: [4, 4] }, 'an output or an input'],
    ['a last layer may be a first', chainShapes(['fc', 'fc1', 'fc2'], [4, 4, 4, 4]), 'of no known family'],
    [
      'an encoder and its decoder meet',
      chainShapes(['encoder.0', 'encoder.2', 'decoder.0', 'decoder.2'], widths),
      '2 networks',
    ],
    ['names say nothing of an order', chainShapes(['alpha', 'beta'], widths), 'of no known family'],
    ['two names stand for one place', chainShapes(['fc1', 'lin1'], widths), 'of no known family'],
  ])('is refused in a few lines where %s', (_, shapes, reason) => {
    const message = refusal(shapes, { activation: 'relu' });
    expect(message).toContain(reason);
    expect(message).toMatch(/model\.json.*--measure weights/);
    expect(message.length).toBeLessThan(450);
  });
});

describe('a gated block', () => {
  const [d, h, o] = [5, 7, 3];
  const three = ([gate, up, down]: readonly string[], outputs = o): Shapes => ({
    [gate]: [h, d],
    [up]: [h, d],
    [down]: [outputs, h],
  });

  test.each([
    ['gate_proj.weight', 'up_proj.weight', 'down_proj.weight'],
    ['mlp.gate.weight', 'mlp.up.weight', 'mlp.down.weight'],
    ['w1.weight', 'w3.weight', 'w2.weight'],
    ['w1.weight', 'w2.weight', 'w3.weight'],
    ['wi_0.weight', 'wi_1.weight', 'wo.weight'],
    ['ffn_gate.weight', 'ffn_up.weight', 'ffn_down.weight'],
    ['fc1_g.weight', 'fc1_x.weight', 'fc2.weight'],
  ])('%s, %s, %s', (...names) => {
    const [gate, up, down] = names.map((tensor) => ({ tensor }));
    expect(read(three(names), { activation: 'SwiGLU' })).toEqual({
      family: 'gated',
      positions: 1,
      layers: [{ type: 'gated', gate, up, down, activation: 'silu', slope: null, alpha: 0, beta: 1 }],
    });
    expect(read(three(names), { activation: 'none' })?.layers).toEqual([
      { type: 'bilinear', left: gate, right: up, down, alpha: 0, beta: 1 },
    ]);
    expect(refusal(three(names))).toMatch(/the matrices of a gated block.* Say "activation": "none"/);
  });

  test("Llama's order, as wide behind as before, is no chain", () => {
    const llama = three(['w1.weight', 'w3.weight', 'w2.weight'], d);
    expect(read(llama)?.layers[0]).toMatchObject({ type: 'gated', up: { tensor: 'w3.weight' } });
    expect(refusal({ W1: [h, d], W2: [d, h], W3: [h, d] }, { activation: 'relu' })).toContain(
      'of a gated block or of a chain',
    );
    expect(weights({ W1: [h, d], W2: [4, h], W3: [o, 4] })).toHaveLength(3);
    expect(
      refusal({ 'w1.weight': [4, 4], 'w2.weight': [4, 4], 'w3.weight': [4, 4] }, { activation: 'relu' }),
    ).toContain('do not tell which is the last');
  });

  test('stacked has the gate first', () => {
    const shapes = { 'gate_up_proj.weight': [2 * h, d], 'gate_up_proj.bias': [2 * h], 'down_proj.weight': [o, h] };
    const half = (which: string, part = 'weight') => ({ tensor: `gate_up_proj.${part}`, half: which });
    expect(read(shapes, { activation: 'silu' })?.layers[0]).toMatchObject({
      gate: half('first'),
      up: half('second'),
      gateBias: half('first', 'bias'),
      upBias: half('second', 'bias'),
    });
    expect(read({ 'w12.weight': [2 * h, d], 'w3.weight': [o, h] })?.layers[0]).toMatchObject({ type: 'gated' });
    expect(weights({ 'wi.weight': [h, d], 'wo.weight': [o, h] })).toEqual([
      { tensor: 'wi.weight' },
      { tensor: 'wo.weight' },
    ]);
  });

  test('has two sides that are no gate only without an activation', () => {
    const sides = three(['fc_l.weight', 'fc_r.weight', 'out.weight']);
    expect(read(sides, { activation: 'none' })?.layers[0]).toMatchObject({
      type: 'bilinear',
      left: { tensor: 'fc_l.weight' },
    });
    expect(refusal(sides)).toContain('Say "activation": "none"');
    expect(refusal(sides, { activation: 'relu' })).toContain('not told to which it is applied');
  });

  test('that is one of several has something around it, and is refused', () => {
    expect(read(three(['0.w1.weight', '0.w3.weight', '0.w2.weight'], d))).toBeUndefined();
    expect(read(chainShapes(['layers.0.fc1', 'layers.0.fc2'], [5, 7, 5]))).toBeUndefined();
  });
});

describe('the policy of an actor and critic', () => {
  const policy = (hidden: readonly number[]): Shapes => ({
    ...chainShapes(
      hidden.map((_, i) => `mlp_extractor.policy_net.${2 * i}`),
      [4, ...hidden],
    ),
    ...chainShapes(
      hidden.map((_, i) => `mlp_extractor.value_net.${2 * i}`),
      [4, ...hidden],
    ),
    ...chainShapes(['action_net'], [hidden.at(-1) ?? 4, 2]),
    ...chainShapes(['value_net'], [hidden.at(-1) ?? 4, 1]),
    log_std: [2],
  });

  test.each([[[8]], [[8, 6]], [[8, 6, 5]]])('of hidden layers %j', (hidden) => {
    const blueprint = read(policy(hidden), { activation: "<class 'torch.nn.modules.activation.Tanh'>" });
    expect(blueprint).toMatchObject({
      family: 'policy',
      layers: hidden.map(() => ({ type: 'hidden', activation: 'tanh' })),
    });
    expect(blueprint?.layers.at(-1)).toMatchObject({ down: { tensor: 'action_net.weight' } });
    expect(refusal(policy(hidden))).toContain(`is a chain of ${hidden.length + 1} linear layers`);
  });

  test('is compared by weights together with the critic, whether an activation is told or not', async () => {
    const file = await writeCheckpoint(root, 'policy.safetensors', policy([8]));
    const told = await loadModel(file, { config: { activation: 'tanh' } });
    const untold = await loadModel(file, { unknown: 'parameters' });
    expect([...told.parameters.keys()]).toEqual([...untold.parameters.keys()]);
    expect(told.outputShape).toEqual([1, 2]);
  });
});

describe('networks that are no chain', () => {
  const gpt2: Shapes = {
    'wte.weight': [9, 4],
    'h.0.ln_1.weight': [4],
    'h.0.attn.c_attn.weight': [4, 12],
    'h.0.mlp.c_fc.weight': [4, 16],
    'h.0.mlp.c_fc.bias': [16],
    'h.0.mlp.c_proj.weight': [16, 4],
    'h.0.mlp.c_proj.bias': [4],
  };
  const llama = (block: number): Shapes => ({
    [`model.layers.${block}.self_attn.q_proj.weight`]: [4, 4],
    [`model.layers.${block}.mlp.gate_proj.weight`]: [6, 4],
    [`model.layers.${block}.mlp.up_proj.weight`]: [6, 4],
    [`model.layers.${block}.mlp.down_proj.weight`]: [4, 6],
    [`model.layers.${block}.input_layernorm.weight`]: [4],
  });
  const opt: Shapes = {
    'decoder.layers.0.self_attn.q_proj.weight': [4, 4],
    ...chainShapes(['decoder.layers.0.fc1', 'decoder.layers.0.fc2'], [4, 8, 4]),
  };

  test.each<[string, Shapes, string]>([
    ['GPT-2', gpt2, 'is a transformer of 1 block with a softmax'],
    ['Llama', { ...llama(0), ...llama(1) }, 'is a transformer of 2 blocks with a softmax'],
    ['OPT', opt, 'is a transformer of 1 block with a softmax'],
    [
      'a convolutional network',
      { 'conv1.weight': [8, 1, 3, 3], ...chainShapes(['fc'], [8, 3]) },
      'is a convolutional network',
    ],
    ['a recurrent network', { 'rnn.weight_ih_l0': [8, 4], 'rnn.weight_hh_l0': [8, 8] }, 'is a recurrent network'],
    ['an adapter', { 'q.lora_A.weight': [2, 4], 'q.lora_B.weight': [4, 2] }, 'holds adapters'],
    [
      'a controller and what certifies it',
      {
        ...chainShapes(['controller.0', 'controller.2'], [2, 5, 1]),
        ...chainShapes(['lyapunov.0', 'lyapunov.2'], [2, 6, 1]),
      },
      'holds 2 networks side by side, "controller" and "lyapunov"',
    ],
  ])('%s is told for what it is, and what to do', (_, shapes, what) => {
    expect(read(shapes)).toBeUndefined();
    const message = refusal(shapes);
    expect(message).toContain(what);
    expect(message).toMatch(/model\.json.*--measure weights/);
    expect(message.length).toBeLessThan(450);
  });

  test('a transformer is compared block by block', () => {
    expect(refusal({ ...llama(0), ...llama(1) })).toContain(`--config '{"block": 0}' to 1`);
    const at = (name: string) => ({ tensor: `model.layers.1.mlp.${name}_proj.weight` });
    expect(read({ ...llama(0), ...llama(1) }, { block: 1, activation: 'swish' })?.layers).toEqual([
      {
        type: 'gated',
        gate: at('gate'),
        up: at('up'),
        down: at('down'),
        activation: 'silu',
        slope: null,
        alpha: 0,
        beta: 1,
      },
    ]);
    expect(read(gpt2, { block: 0, activation: 'gelu_new' })?.layers).toMatchObject([
      {
        type: 'hidden',
        weight: { tensor: 'h.0.mlp.c_fc.weight', transposed: true },
        down: { tensor: 'h.0.mlp.c_proj.weight', transposed: true },
        activation: 'gelu_tanh',
      },
    ]);
    expect(read(opt, { block: 0, activation: 'relu' })?.layers).toMatchObject([
      { weight: { tensor: 'decoder.layers.0.fc1.weight' }, down: { tensor: 'decoder.layers.0.fc2.weight' } },
    ]);
    expect(refusal(gpt2, { block: 3 })).toContain('has no MLP in a block 3');
    expect(refusal(gpt2, { block: 0 })).toContain('is a chain of 2 linear layers, 4 → 16 → 4');
  });
});

test('networks of the other families stay what they are, whatever is said of an activation', () => {
  const settings = settingsOf({ activation: 'relu', heads: 2, context: 3, mask: 'causal', scale: 1, residual: false });
  const all = {
    bilinear: bilinearShapes(),
    deep: deepShapes(2, true),
    image: imageShapes(2),
    attention: attentionShapes(1),
    transformer: transformerShapes(1),
    sides: { 'left.weight': [4, 4], 'right.weight': [4, 4], 'down.weight': [4, 4] },
    stack: { 'Ls.0': [4, 4], 'Rs.0': [4, 4], 'Ds.0': [4, 4] },
  };
  for (const [family, shapes] of Object.entries(all))
    expect(recognise(listing(shapes), settings)).toMatchObject({ family });
});
