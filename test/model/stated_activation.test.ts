import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ACTIVATION_NAMES } from '../../lib/layers/activations.js';
import { inspect } from '../../lib/model/reading/inspect.js';
import { loadModel } from '../../lib/model/reading/load.js';
import { ModelSettings, type SettingSources } from '../../lib/model/settings.js';
import { statedActivation, statedGate } from '../../lib/model/stated_activation.js';
import { tensim } from '../cli/run.js';
import { fileIn, rejection, temporaryFolder } from '../formats/safetensors/helpers.js';
import { attentionShapes, writeCheckpoint } from './helpers.js';

const root = temporaryFolder();
const shapes = { 'fc1.weight': [6, 4], 'fc2.weight': [3, 6] };

describe('an activation is understood', () => {
  test.each(ACTIVATION_NAMES)('by its own name: %s', (name) => {
    expect(statedActivation(name)).toEqual({ activation: name, slope: null });
  });

  test.each([
    ['none', 'identity', null],
    ['linear', 'identity', null],
    ['ReLU', 'relu', null],
    ['ReLU()', 'relu', null],
    ['ReLU(inplace=True)', 'relu', null],
    ['torch.nn.ReLU', 'relu', null],
    ['torch.relu', 'relu', null],
    ['F.gelu', 'gelu', null],
    ['nn.functional.silu', 'silu', null],
    ["<class 'torch.nn.modules.activation.Tanh'>", 'tanh', null],
    ['gelu_new', 'gelu_tanh', null],
    ["GELU(approximate='tanh')", 'gelu_tanh', null],
    ["GELU(approximate='none')", 'gelu', null],
    ['swish', 'silu', null],
    ['leaky_relu(0.2)', 'leaky_relu', 0.2],
    ['LeakyReLU(negative_slope=0.01)', 'leaky_relu', null],
    ['LeakyReLU(negative_slope=0.2, inplace=True)', 'leaky_relu', 0.2],
    ['ELU(alpha=0.5)', 'elu', 0.5],
  ])('as others write it: %s', (text, activation, slope) => {
    expect(statedActivation(text)).toEqual({ activation, slope });
  });

  test.each([
    '',
    'null',
    'jax.nn.gelu',
    'relu(0.2)',
    'leaky_relu(x)',
    'softmax',
    'relu, tanh',
    'swiglu',
    'ReLU(threshold=1)',
  ])('and "%s" is none', (text) => expect(statedActivation(text)).toBeUndefined());

  test('gates may be named by the whole block', () => {
    for (const [whole, activation] of Object.entries({
      SwiGLU: 'silu',
      GEGLU: 'gelu',
      ReGLU: 'relu',
      GLU: 'sigmoid',
      bilinear: 'identity',
    }))
      expect(statedGate(whole)).toEqual({ activation, slope: null });
    expect(statedGate('gelu')).toEqual({ activation: 'gelu', slope: null });
  });
});

describe('who states it', () => {
  const file = (path: string, values: object) => ({ path, text: JSON.stringify(values) });
  const all: SettingSources = {
    options: { activation: 'relu' },
    given: file('given.json', { hidden_act: 'gelu' }),
    beside: file('config.json', { activation_function: 'gelu_new' }),
  };
  const stated = (metadata: Readonly<Record<string, string>>, sources: SettingSources) => {
    const settings = new ModelSettings('net', metadata, sources);
    settings.activation();
    return settings.asked;
  };

  test('goes by who is nearest to the caller', () => {
    const metadata = { hidden_activation: 'tanh' };
    const { options: _, ...files } = all;
    const { given: __, ...beside } = files;
    const from = (value: string, place: string) => [{ name: 'activation', value, from: place }];
    expect(stated(metadata, all)).toEqual(from('relu', 'given'));
    expect(stated(metadata, files)).toEqual(from('gelu', '"hidden_act" in given.json'));
    expect(stated(metadata, beside)).toEqual(from('tanh', 'the metadata "hidden_activation"'));
    expect(stated({}, beside)).toEqual(from('gelu_tanh', '"activation_function" in config.json'));
    expect(stated({}, {})).toEqual([]);
  });

  test('must name one, and what nobody looks at may say anything', () => {
    expect(() => stated({ activation: 'softmax' }, {})).toThrow(
      expect.objectContaining({
        code: 'INVALID_FILE',
        message: expect.stringContaining('"activation" is "softmax", not "none"'),
      }),
    );
    expect(() => stated({}, { options: { activation: 'softmax' } })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
    expect(stated({ activation: 'softmax' }, { options: { activation: 'relu' } })).toHaveLength(1);
  });

  test('may be a config.json beside the file, one that is given, and the option at once', async () => {
    const folder = join(root, 'beside');
    mkdirSync(folder);
    const net = await writeCheckpoint(folder, 'net.safetensors', shapes);
    const given = fileIn(root, 'given.json', '{"hidden_act": "gelu", "n_ctx": 3}');
    expect(await rejection(loadModel(net))).toMatchObject({ code: 'INVALID_FILE' });
    fileIn(folder, 'config.json', '{"activation_function": "gelu_new"}');
    expect((await inspect(net)).layers).toEqual(['hidden 4 → 6 gelu_tanh → 3']);
    expect((await inspect(net, { config: given })).layers).toEqual(['hidden 4 → 6 gelu → 3']);
    expect((await inspect(net, { config: { activation: 'relu', file: given } })).layers).toEqual([
      'hidden 4 → 6 relu → 3',
    ]);
    expect((await inspect(net, { config: { file: '{"activation": "silu"}' } })).layers).toEqual([
      'hidden 4 → 6 silu → 3',
    ]);
  });

  test('may be --activation, beside --config', async () => {
    const net = await writeCheckpoint(root, 'net.safetensors', shapes);
    const { stdout } = await tensim(['inspect', net, '--activation', 'tanh', '--config', '{"block": 0}']);
    expect(stdout).toMatch(/setting +activation = tanh \(given\)/);
    const options = ['--activation', 'none', '--json'];
    for (const command of [['compare'], ['explain'], ['gate', '--min', '0.9', '--against'], ['matrix']]) {
      const { code, stderr } = await tensim([
        ...command,
        net,
        net,
        ...(command[0] === 'gate' ? options.slice(0, 2) : options),
      ]);
      expect({ command, code, stderr: stderr.replace(/^note.*\n/gm, '') }).toMatchObject({ command, code: 0 });
    }
    expect((await tensim(['compare', net, net, '--activation', 'softmax'])).code).toBe(2);
  });
});

test('every setting that a model was read with is told, and those that nobody stated', async () => {
  const metadata = { n_head: '2', n_ctx: '3', attn_scale: '0.25' };
  const net = await writeCheckpoint(root, 'attention.safetensors', attentionShapes(1), metadata);
  const { settings } = await inspect(net, { config: { mask: 'causal' } });
  expect(settings).toEqual([
    { name: 'n_ctx', value: '3', from: 'the metadata "n_ctx"' },
    { name: 'attn_scale', value: '0.25', from: 'the metadata "attn_scale"' },
    { name: 'n_head', value: '2', from: 'the metadata "n_head"' },
    { name: 'mask', value: 'causal', from: 'given' },
    { name: 'rotary_base', value: '10000', from: 'default' },
  ]);
});
