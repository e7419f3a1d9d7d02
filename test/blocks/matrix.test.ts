import { mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { blockMatrix } from '../../lib/blocks/matrix.js';
import { similarityOfBlocks } from '../../lib/blocks/similarity_of_blocks.js';
import { encodeSafetensors } from '../../lib/formats/safetensors/write.js';
import { tensim } from '../cli/run.js';
import { rejection, temporaryFolder } from '../formats/safetensors/helpers.js';
import { type Given, gauged, llamaTensors, type SmallLayer, smallLayer } from '../support/transformers.js';

const root = temporaryFolder();
const CONFIG = { n_head: 4, num_key_value_heads: 2, hidden_act: 'silu' };

function written(path: string, tensors: Given): string {
  const folder = join(root, path);
  mkdirSync(folder, { recursive: true });
  const named = new Map(Object.entries(tensors).map(([key, [data, ...shape]]) => [key, { data, shape }]));
  writeFileSync(join(folder, 'model.safetensors'), encodeSafetensors(named));
  writeFileSync(join(folder, 'config.json'), JSON.stringify(CONFIG));
  return folder;
}

const layers: SmallLayer[] = [smallLayer(1), smallLayer(2), smallLayer(3)];
const paths = [
  written('run/step_1', llamaTensors(layers)),
  written('run/step_2', llamaTensors([smallLayer(7), layers[1], layers[2]])),
  written('run/step_3', llamaTensors(layers.map((one, i) => gauged(one, 10 + i)))),
  written('run/step_4', llamaTensors(layers)),
];

test('every two of several networks are compared as they are by themselves', async () => {
  const { networks, layers: found, kind } = await blockMatrix(paths);
  expect(kind).toBe('blocks-matrix');
  expect(networks.map(({ label }) => label)).toEqual(['step_1', 'step_2', 'step_3', 'step_4']);
  expect(new Set(networks.map(({ sha256 }) => sha256)).size).toBe(3);
  for (const [i, j] of [
    [0, 1],
    [1, 0],
    [1, 2],
    [0, 3],
    [3, 2],
  ]) {
    const pair = await similarityOfBlocks(paths[i], paths[j]);
    for (const [n, { layer, mlp, attention }] of found.entries()) {
      const own = pair.layers[n];
      expect(layer).toBe(own.layer);
      expect(mlp!.similarity[i][j]).toBeCloseTo(own.mlp!.similarity, 13);
      expect(mlp!.fidelityError[i][j]).toBeCloseTo(own.mlp!.fidelityError, 12);
      const { heads, ov } = own.attention!;
      expect(attention!.qk[i][j]).toBeCloseTo(heads.reduce((sum, { qk }) => sum + qk!, 0) / heads.length, 13);
      expect(attention!.ov[i][j]).toBeCloseTo(ov!.similarity, 13);
    }
  }
  // Equal blocks are compared once, and are one function without rounding.
  expect(found[1].mlp!.similarity[0][1]).toBe(1);
  expect(found[0].mlp!.fidelityError[0][3]).toBe(0);
  expect(found[0].mlp).toMatchObject({ exact: true, standardError: null });
});

test('sampled matrices tell their errors', async () => {
  const { layers: found } = await blockMatrix(paths.slice(0, 3), { method: 'sampled', maxSamples: 1024 });
  const { mlp } = found[0];
  expect(mlp!.exact).toBe(false);
  const exact = await similarityOfBlocks(paths[0], paths[1]);
  const [error, similarity] = [mlp!.standardError![0][1]!, mlp!.similarity[0][1]!];
  expect(Math.abs(similarity - exact.layers[0].mlp!.similarity)).toBeLessThan(4 * error);
  expect(found[1].mlp!.standardError![0][1]).toBe(0);
});

test('less than two networks make no matrix', () => {
  expect(() => blockMatrix([paths[0]])).toThrow(/two networks/);
});

describe('a state file', () => {
  /** Aborts after so many layers. */
  function stopping(after: number) {
    const controller = new AbortController();
    const onProgress = ({ done }: { done: number }) => {
      if (done >= after) controller.abort(new Error('stopped'));
    };
    return { signal: controller.signal, onProgress };
  }

  test.each([
    ['a pair', (options: object) => similarityOfBlocks(paths[0], paths[1], options)],
    ['a matrix', (options: object) => blockMatrix(paths, options)],
  ])('goes on from where %s was stopped, and gives the same to the bit', async (name, run) => {
    const state = join(root, `${name}.layers`);
    const whole = await run({});
    await expect(run({ state, ...stopping(2) })).rejects.toThrow('stopped');
    const reached = statSync(state).size;
    const resumed = await run({ state });
    expect(JSON.stringify(resumed)).toBe(JSON.stringify(whole));
    expect(statSync(state).size).toBeGreaterThan(reached);
    const complete = readFileSync(state);
    expect(JSON.stringify(await run({ state }))).toBe(JSON.stringify(whole));
    expect(readFileSync(state).equals(complete)).toBe(true);
  });

  test('counts for the same weights and options only', async () => {
    const state = join(root, 'options.layers');
    await similarityOfBlocks(paths[0], paths[1], { state });
    const size = statSync(state).size;
    const narrow = await similarityOfBlocks(paths[0], paths[1], { state, window: 3 });
    expect(narrow).toEqual(await similarityOfBlocks(paths[0], paths[1], { window: 3 }));
    expect(statSync(state).size).toBeGreaterThan(size);
    const other = await similarityOfBlocks(paths[0], paths[2], { state });
    expect(other).toEqual(await similarityOfBlocks(paths[0], paths[2]));
  });

  test('that was cut off is gone on with', async () => {
    const state = join(root, 'cut.layers');
    const whole = await similarityOfBlocks(paths[0], paths[1], { state });
    truncateSync(state, statSync(state).size - 5);
    expect(await similarityOfBlocks(paths[0], paths[1], { state })).toEqual(whole);
  });

  test('that is something else is refused, and left as it is', async () => {
    const state = join(root, 'other.layers');
    writeFileSync(state, 'tensim.state/1\n\0');
    const error = await rejection(similarityOfBlocks(paths[0], paths[1], { state }));
    expect(error.code).toBe('INVALID_FILE');
    expect(readFileSync(state, 'latin1')).toBe('tensim.state/1\n\0');
  });
});

describe('tensim blocks --matrix', () => {
  test('takes a folder of folders, and prints the lowest of every layer', async () => {
    const out = join(root, 'matrix.csv');
    const { code, stdout } = await tensim(['blocks', join(root, 'run'), '--matrix', '--out', out]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/4 networks, 3 layers/);
    expect(stdout).toMatch(/MLP, mean over layers/);
    const lines = readFileSync(out, 'utf8').trimEnd().split('\n');
    expect(lines[0]).toBe('layer,part,network,step_1/model,step_2/model,step_3/model,step_4/model');
    expect(lines).toHaveLength(1 + 3 * 3 * 4);
  });

  test('prints JSON under a schema of its own', async () => {
    const { stdout } = await tensim(['blocks', ...paths, '--matrix', '--json']);
    const found = JSON.parse(stdout);
    expect(found).toMatchObject({ schema: 'tensim.blocks-matrix/1', width: 12, window: 64 });
    expect(found.layers[0].attention.qk).toHaveLength(4);
  });

  test.each([[[paths[0]]], [[paths[0], paths[1], paths[2]]], [[paths[0], paths[1], '--out', join(root, 'a.csv')]]])(
    'is asked for where there are not two: %j',
    async (args) => {
      expect((await tensim(['blocks', ...args])).code).toBe(2);
    },
  );
});
