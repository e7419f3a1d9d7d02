import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { inspect } from '../../lib/model/reading/inspect.js';
import { type LoadOptions, loadModel } from '../../lib/model/reading/load.js';
import { similarity } from '../../lib/similarity/similarity.js';
import { tensim } from '../cli/run.js';
import { rejection, temporaryFolder } from '../formats/safetensors/helpers.js';
import { chainShapes, writeCheckpoint } from './helpers.js';

const root = temporaryFolder();
const fixture = (name: string) => join(import.meta.dirname, 'fixtures', 'everyday', name);

describe('files as people have them', () => {
  const options: LoadOptions = { config: { activation: 'relu' } };

  test.each(['relu_ck_a.pt', 'fc_a.pt', 'fc_a.safetensors'])(
    '%s is two layers, once an activation is said',
    async (name) => {
      expect(await rejection(loadModel(fixture(name)))).toMatchObject({ code: 'INVALID_FILE' });
      const { family, layers, settings, problems } = await inspect(fixture(name), options);
      expect({ family, layers, settings, problems }).toEqual({
        family: 'mlp',
        layers: ['hidden 16 → 32 relu → 10, with 2 biases'],
        settings: [{ name: 'activation', value: 'relu', from: 'given' }],
        problems: [],
      });
    },
  );

  test('of one network in two formats it is the same function', async () => {
    const [pt, safetensors] = [
      await loadModel(fixture('fc_a.pt'), options),
      await loadModel(fixture('fc_a.safetensors'), options),
    ];
    expect((await similarity(pt, safetensors, { tolerance: 0.05, maxSamples: 2048 })).similarity).toBeCloseTo(1, 9);
    const { similarity: exact } = await similarity(
      await loadModel(fixture('fc_a.pt'), { config: { activation: 'none' } }),
      await loadModel(fixture('fc_a.safetensors'), { config: { activation: 'none' } }),
    );
    expect(exact).toBeCloseTo(1, 12);
  });

  test('names that wrappers leave are taken off, so that weights compare with those of the bare network', async () => {
    const shapes = chainShapes(['fc1', 'fc2'], [5, 7, 3]);
    const bare = await loadModel(await writeCheckpoint(root, 'bare.safetensors', shapes), options);
    for (const prefix of ['module.', '_orig_mod.', 'module._orig_mod.', 'model.', 'policy.net.']) {
      const named = Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [prefix + name, shape]));
      const file = await writeCheckpoint(root, 'wrapped.safetensors', named);
      expect((await inspect(file, options)).prefix).toBe(prefix);
      const { similarity: same } = await similarity(bare, await loadModel(file, options), { measure: 'weights' });
      expect(same).toBeCloseTo(1, 12);
    }
  });

  test('a description beside says more than names, and goes before them', async () => {
    const folder = join(root, 'described');
    mkdirSync(folder);
    copyFileSync(fixture('fc_a.safetensors'), join(folder, 'net.safetensors'));
    const hidden = {
      type: 'hidden',
      weight: 'fc1.weight',
      bias: 'fc1.bias',
      activation: 'silu',
      down: 'fc2.weight',
      downBias: 'fc2.bias',
    };
    writeFileSync(join(folder, 'model.json'), JSON.stringify({ schema: 'tensim.model/1', layers: [hidden] }));
    const { family, layers } = await inspect(join(folder, 'net.safetensors'), options);
    expect({ family, layers }).toEqual({ family: 'custom', layers: ['hidden 16 → 32 silu → 10, with 2 biases'] });
  });

  test('a convolutional network and a transformer are compared by their weights', async () => {
    expect((await rejection(loadModel(fixture('cnn_a.pt')))).message).toContain('is a convolutional network');
    const { code, stdout } = await tensim([
      'compare',
      fixture('cnn_a.pt'),
      fixture('cnn_a.pt'),
      '--measure',
      'weights',
      '--json',
    ]);
    expect({ code, same: JSON.parse(stdout).similarity }).toEqual({ code: 0, same: expect.closeTo(1, 12) });
  });
});
