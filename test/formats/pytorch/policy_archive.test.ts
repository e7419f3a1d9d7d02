import { describe, expect, test } from 'vitest';
import { openCheckpoint } from '../../../lib/formats/checkpoint.js';
import { inspect } from '../../../lib/model/reading/inspect.js';
import { loadModel } from '../../../lib/model/reading/load.js';
import { dict, pickle, tensor, text } from '../../support/pickle.js';
import { deflated, type Member, zip } from '../../support/zip.js';
import { fileIn, rejection, temporaryFolder } from '../safetensors/helpers.js';
import { checkpoint } from './checkpoint.js';

const folder = temporaryFolder();
const named = (shapes: Readonly<Record<string, readonly [rows: number, columns: number]>>) =>
  checkpoint(
    pickle(
      dict(
        ...Object.entries(shapes).map(
          ([name, shape]) => [text(name), tensor({ shape, strides: [shape[1], 1] })] as const,
        ),
      ),
    ),
  );
/** A policy of three observations, two units and two actions. */
const POLICY = named({
  'mlp_extractor.policy_net.0.weight': [2, 3],
  'mlp_extractor.value_net.0.weight': [2, 3],
  'action_net.weight': [2, 2],
  'value_net.weight': [1, 2],
});
const OTHER = named({ w: [2, 3] });
const settings = (policy_kwargs: unknown): Member => ({
  name: 'data',
  data: Buffer.from(JSON.stringify({ policy_kwargs, num_timesteps: 1000, seed: null })),
});
const archive = (...members: readonly Member[]) =>
  zip([...members, { name: 'policy.pth', data: POLICY }, { name: 'policy.optimizer.pth', data: OTHER }]);
const write = (bytes: Uint8Array, name = 'ppo.zip') => fileIn(folder, name, bytes);
const tanh = { config: { activation: 'tanh' } };

describe('archives of stable-baselines3', () => {
  test.each(['ppo.zip', 'best_model', 'ppo.pt'])('are opened by what is in them: %s', async (name) => {
    const opened = await openCheckpoint(write(archive(settings({})), name));
    try {
      expect(opened).toMatchObject({ format: 'pytorch', place: 'policy.pth', metadata: { num_timesteps: '1000' } });
      expect(await opened.read('action_net.weight')).toEqual({ data: Float32Array.of(1, 2, 3, 4), shape: [2, 2] });
    } finally {
      await opened.close();
    }
  });

  test('are the policy, with the activation that is given', async () => {
    const { layers, family, place } = await inspect(write(archive()), tanh);
    expect({ layers, family, place }).toEqual({
      layers: ['hidden 3 → 2 tanh → 2'],
      family: 'policy',
      place: 'policy.pth',
    });
  });

  test('say their activation where it was chosen by name, and nothing is guessed where it was not', async () => {
    const relu = archive(
      settings({ ':type:': "<class 'dict'>", activation_fn: "<class 'torch.nn.modules.activation.ReLU'>" }),
    );
    expect((await inspect(write(relu))).layers).toEqual(['hidden 3 → 2 relu → 2']);
    for (const others of [{}, { activation_fn: 3 }, { activation_fn: '<function f>' }, null]) {
      const error = await rejection(loadModel(write(archive(settings(others)))));
      expect(error.message).toMatch(/activation/);
    }
    const broken = { name: 'data', data: Buffer.from('{"policy_kwargs":') };
    expect((await inspect(write(archive(broken)), tanh)).problems).toEqual([]);
  });

  test('have other checkpoints under keys that begin with their names', async () => {
    const path = write(archive());
    for (const [key, place] of [
      ['policy.pth', 'policy.pth'],
      ['policy.optimizer.pth', 'policy.optimizer.pth'],
      ['policy.pth..', 'policy.pth'],
    ]) {
      const opened = await openCheckpoint(path, { key });
      await opened.close();
      expect([key, opened.place]).toEqual([key, place]);
    }
    const error = await rejection(openCheckpoint(path, { key: 'value' }));
    expect(error.message).toContain('A key begins with one of "policy.pth" or "policy.optimizer.pth"');
  });

  test('are refused where they cannot be read in place, and where what is in them is damaged', async () => {
    const compressed = zip([deflated('policy.pth', POLICY)]);
    expect((await rejection(openCheckpoint(write(compressed)))).message).toMatch(/compressed.*Unpack/s);
    const legacy = Buffer.concat([Buffer.from('80028a0a6cfc9c46f9206aa850192e', 'hex'), Buffer.alloc(300)]);
    const old = await rejection(openCheckpoint(write(zip([{ name: 'policy.pth', data: legacy }]))));
    expect(old.message).toContain('its pickle has the instruction 0x00');
    for (const cut of [20, 100, POLICY.length - 30]) {
      const error = await rejection(
        openCheckpoint(write(zip([{ name: 'policy.pth', data: POLICY.subarray(0, cut) }]))),
      );
      expect([cut, error.code]).toEqual([cut, 'INVALID_FILE']);
    }
  });
});
