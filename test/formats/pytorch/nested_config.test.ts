import { describe, expect, test } from 'vitest';
import { inspect } from '../../../lib/model/reading/inspect.js';
import { loadModel } from '../../../lib/model/reading/load.js';
import { dict, global, int, join, pickle, reduce, tensor, text } from '../../support/pickle.js';
import { fileIn, rejection, temporaryFolder } from '../safetensors/helpers.js';
import { checkpoint } from './checkpoint.js';

/* What a network was made with, saved beside its state dict. */

const folder = temporaryFolder();
const STATE = dict(
  [text('fc1.weight'), tensor({ shape: [3, 2], strides: [2, 1] })],
  [text('fc2.weight'), tensor({ shape: [1, 3], strides: [3, 1] })],
);
const write = (...beside: (readonly [name: string, value: Buffer])[]) =>
  fileIn(
    folder,
    'net.pt',
    checkpoint(pickle(dict([text('model'), STATE], ...beside.map(([name, value]) => [text(name), value] as const)))),
  );
const config = (...entries: (readonly [name: string, value: Buffer])[]) =>
  dict(...entries.map(([name, value]) => [text(name), value] as const));
/** As argparse saves what it has read. */
const namespace = (attributes: Buffer) => join(global('argparse', 'Namespace'), ')\x81', attributes, 'b');

describe('an activation in a config beside the state dict', () => {
  test.each<[string, readonly [string, Buffer], string, string]>([
    [
      'of a dictionary',
      ['config', config(['activation', text('relu')], ['width', int(3)])],
      'relu',
      'config.activation',
    ],
    [
      'of the hyperparameters of lightning',
      ['hyper_parameters', config(['hidden_act', text('gelu_new')])],
      'gelu_tanh',
      'hyper_parameters.hidden_act',
    ],
    ['of arguments', ['args', namespace(config(['activation', text('tanh')]))], 'tanh', 'args.activation'],
    [
      'within another',
      ['cfg', config(['model', config(['act', int(1)], ['activation_fn', text('silu')])])],
      'silu',
      'cfg.model.activation_fn',
    ],
    [
      'as a class',
      ['hparams', config(['activation', global('torch.nn.modules.activation', 'GELU')])],
      'gelu',
      'hparams.activation',
    ],
    [
      'as a function',
      ['model_config', config(['activation', global('torch.nn.functional', 'relu')])],
      'relu',
      'model_config.activation',
    ],
  ])('%s is taken, and told', async (_, beside, activation, place) => {
    const { layers, settings } = await inspect(write(beside));
    expect(layers).toEqual([`hidden 2 → 3 ${activation} → 1`]);
    expect(settings).toEqual([{ name: 'activation', value: activation, from: `the metadata "${place}"` }]);
  });

  test('gives way to what is given, and to what stands beside the state dict itself', async () => {
    const nested = ['config', config(['activation', text('relu')])] as const;
    const given = await loadModel(write(nested), { config: { activation: 'tanh' } });
    expect(given.layers[0]).toMatchObject({ activation: 'tanh' });
    const both = await loadModel(write(nested, ['activation', text('silu')]));
    expect(both.layers[0]).toMatchObject({ activation: 'silu' });
  });

  test('is none where two say otherwise, and one where they agree', async () => {
    const of = (one: string, other: string) =>
      write([
        'config',
        config(['encoder', config(['activation', text(one)])], ['decoder', config(['activation', text(other)])]),
      ]);
    expect((await loadModel(of('relu', 'relu'))).layers[0]).toMatchObject({ activation: 'relu' });
    expect((await rejection(loadModel(of('relu', 'gelu')))).message).toMatch(/whether an activation stands between/);
  });

  test('is refused where it is none, with the place', async () => {
    const error = await rejection(loadModel(write(['config', config(['activation', text('snake')])])));
    expect(error.message).toContain('the metadata "config.activation" is "snake"');
  });

  test('is not looked for in what is no config, nor without end', async () => {
    const deep = config(['a', config(['b', config(['c', config(['activation', text('relu')])])])]);
    const many = config(...Array.from({ length: 300 }, (_, i) => [`x${i}`, int(i)] as const), [
      'activation',
      text('relu'),
    ]);
    for (const beside of [
      ['history', config(['activation', text('relu')])],
      ['config', deep],
      ['config', many],
      ['config', reduce(global('custom', 'load'), text('activation'))],
    ] as const)
      expect((await rejection(loadModel(write(beside)))).message).toMatch(/whether an activation stands between/);
  });
});
