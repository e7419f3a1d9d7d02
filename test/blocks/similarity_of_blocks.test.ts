import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { similarityOfBlocks } from '../../lib/blocks/similarity_of_blocks.js';
import { tensim } from '../cli/run.js';
import { rejection, temporaryFolder } from '../formats/safetensors/helpers.js';
import { backendsWith } from '../support/backends.js';
import { writeNetwork } from '../support/block_files.js';
import { random } from '../support/random.js';
import { type Given, gauged, llamaTensors, type SmallLayer, smallLayer } from '../support/transformers.js';

const root = temporaryFolder();

const written = (name: string, tensors: Given, config?: Record<string, unknown>) =>
  writeNetwork(root, name, tensors, config);

const layers = [smallLayer(1), smallLayer(2)];
const base = written('base', llamaTensors(layers));
const other = written('other', llamaTensors([smallLayer(3), smallLayer(4)]));
const same = written('same', llamaTensors(layers.map((one, i) => gauged(one, 10 + i))));

function noisy(one: SmallLayer, part: 'down' | 'query' | 'value', size: number): SmallLayer {
  const { normal } = random(5);
  return { ...one, [part]: one[part].map((value) => value + size * normal()) };
}

describe.each(backendsWith('hidden'))('blocks on %s', (backend) => {
  test('of one function in other weights are the same, with heads aligned', async () => {
    const found = await similarityOfBlocks(base, same, { backend });
    expect(found).toMatchObject({ kind: 'blocks', width: 12, window: 64, alignment: 'heads', worst: null, backend });
    for (const { mlp, attention, weights } of found.layers) {
      expect(Math.abs(1 - mlp!.similarity)).toBeLessThan(1e-12);
      expect(mlp!.fidelityError).toBeLessThan(1e-12);
      expect(mlp).toMatchObject({ exact: true, standardError: null });
      expect(Math.abs(1 - attention!.ov!.similarity)).toBeLessThan(1e-12);
      for (const { qk, ov } of attention!.heads) {
        expect(Math.abs(1 - qk!)).toBeLessThan(1e-12);
        expect(Math.abs(1 - ov!)).toBeLessThan(1e-12);
      }
      expect(new Set(attention!.heads.map(({ answeredBy }) => answeredBy)).size).toBe(4);
      expect(weights.equal).toBe(false);
      expect(weights.cosine).toBeLessThan(0.9);
    }
    expect(found.embedding).toEqual({ cosine: 1, nmse: 0, equal: true });
  });

  test('are told where they differ', async () => {
    const found = await similarityOfBlocks(
      base,
      written('down', llamaTensors([layers[0], noisy(layers[1], 'down', 0.3)])),
      { backend },
    );
    expect(found.worst).toMatchObject({ layer: 1, part: 'mlp' });
    expect(found.layers[0].weights).toEqual({ cosine: 1, nmse: 0, equal: true });
    expect(found.layers[1].attention!.ov!.fidelityError).toBe(0);
    expect(found.layers[1].mlp!.fidelityError).toBeGreaterThan(0.01);
    const heads = await similarityOfBlocks(
      base,
      written('query', llamaTensors([noisy(layers[0], 'query', 2), layers[1]])),
      { backend },
    );
    expect(heads.worst).toMatchObject({ layer: 0, part: 'qk' });
    const values = await similarityOfBlocks(
      base,
      written('value', llamaTensors([noisy(layers[0], 'value', 2), layers[1]])),
      { backend },
    );
    expect(values.worst).toMatchObject({ layer: 0, part: 'ov' });
  });
});

test('heads that are not aligned answer those of their number', async () => {
  const found = await similarityOfBlocks(base, same, { align: 'none' });
  const heads = found.layers.flatMap(({ attention }) => attention!.heads);
  expect(heads.every(({ head, answeredBy }) => head === answeredBy)).toBe(true);
  expect(Math.min(...heads.map(({ qk }) => qk!))).toBeLessThan(0.9);
  expect(found.layers[0].attention!.ov!.similarity).toBeCloseTo(1, 12);
});

test('the scores depend on the window, nothing else does', async () => {
  const [one, two] = [
    await similarityOfBlocks(base, other, { window: 1 }),
    await similarityOfBlocks(base, other, { window: 9 }),
  ];
  expect([one.window, two.window]).toEqual([1, 9]);
  expect(one.layers[0].mlp).toEqual(two.layers[0].mlp);
  expect(one.layers[0].attention!.ov).toEqual(two.layers[0].attention!.ov);
  expect(one.layers[0].attention!.heads[0].qk).not.toBe(two.layers[0].attention!.heads[0].qk);
});

test('what belongs to no block that is compared is named', async () => {
  const tensors = llamaTensors(layers);
  tensors['model.layers.1.router.weight'] = [new Float64Array(24).fill(1), 2, 12];
  const found = await similarityOfBlocks(base, written('router', tensors));
  expect([found.a.left, found.b.left]).toEqual([[], ['model.layers.1.router.weight']]);
});

describe('networks are refused', () => {
  test.each<[string, string, string, RegExp]>([
    [
      'of other numbers of layers',
      written('short', llamaTensors(layers.slice(1))),
      'SHAPE_MISMATCH',
      /2 layers.*has 1/,
    ],
    [
      'without their number of heads',
      written('silent', llamaTensors(layers), { hidden_act: 'silu' }),
      'INVALID_FILE',
      /heads/,
    ],
    [
      'that are no transformers',
      written('mlp', { '0.weight': [new Float64Array(4).fill(1), 2, 2] }),
      'UNSUPPORTED_LAYER',
      /no transformer/,
    ],
  ])('%s', async (_, path, code, message) => {
    const error = await rejection(similarityOfBlocks(base, path));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });

  test.each([{ window: 0 }, { window: 1.5 }, { align: 'all' as 'none' }, { method: 'closure' as 'exact' }])(
    'for options that cannot be: %j',
    async (options) => {
      expect(() => similarityOfBlocks(base, base, options)).toThrow(/(?:window|align|method) must/);
    },
  );

  test('when they are aborted', async () => {
    await expect(similarityOfBlocks(base, base, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow(
      'enough',
    );
  });
});

describe('tensim blocks', () => {
  test('prints a line for every layer, and where they differ most', async () => {
    const { code, stdout } = await tensim(['blocks', base, other]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/They differ most in layer [01], in /);
    expect(stdout).toMatch(/layer +MLP +fidelity error +QK +OV +heads +weights\n +0 .*\n +1 /);
    expect(stdout).toMatch(/not a similarity of the networks as wholes/);
  });

  test('says that all blocks are the same functions', async () => {
    const { stdout } = await tensim(['blocks', base, same]);
    expect(stdout).toMatch(/All blocks are the same functions\./);
    expect(stdout).toMatch(/ 0 +1 +0 +1 +1 +4 moved/);
  });

  test('says that MLPs were sampled, and how well they are known', async () => {
    const args = ['blocks', base, other, '--method', 'sampled', '--max-samples', '1024', '--seed', '5'];
    const { stdout } = await tensim(args);
    expect(stdout).toMatch(/MLPs of 2 layers sampled, similarities ± 0\.\d+ at most/);
    const { layers } = JSON.parse((await tensim([...args, '--json'])).stdout);
    expect(layers[0].mlp).toMatchObject({ exact: false, samples: 1024 });
    expect((await tensim(['blocks', base, other])).stdout).not.toMatch(/sampled/);
  });

  test('prints JSON under its schema', async () => {
    const { stdout } = await tensim(['blocks', base, same, '--json', '--window', '8', '--align', 'none']);
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({ schema: 'tensim.blocks/1', window: 8, alignment: 'none', a: { layout: 'llama' } });
    expect(result.layers[1].mlp).toHaveProperty('byDegree');
    expect(result.a.settings.heads).toEqual({ value: 4, from: expect.stringMatching(/"n_head" in .*config\.json/) });
  });

  test('writes reports, which it checks before it compares', async () => {
    const file = join(root, 'strip.html');
    const { code, stderr } = await tensim(['blocks', base, other, '--out', file, '--align', 'rotation']);
    expect([code, stderr]).toEqual([0, expect.stringContaining(`wrote ${file}`)]);
    expect(readFileSync(file, 'utf8')).toContain('The residual stream was rotated by the embedding');
    expect((await tensim(['blocks', base, 'nowhere', '--out', 'strip.csv'])).stderr).toMatch(/kind of report/);
  });

  test.each([
    [['--window', '0'], 2],
    [['--align', 'all'], 2],
    [['--config', '{"n_head": 5}'], 2],
  ])('ends with its exit code: %j', async (flags, expected) => {
    expect((await tensim(['blocks', base, other, ...flags])).code).toBe(expected);
  });
});
