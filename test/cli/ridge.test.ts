import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { loadModel } from '../../lib/model/reading/load.js';
import { momentsOf } from '../../lib/similarity/law/moments_of.js';
import { similarity } from '../../lib/similarity/similarity.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { LLAMA, writeNetwork, writeTensors } from '../support/block_files.js';
import { random } from '../support/random.js';
import { llamaTensors, smallLayer } from '../support/transformers.js';
import { tensim } from './run.js';

const root = temporaryFolder();
const [D, H, N] = [6, 8, 40];
const { normal } = random(5);
const draw = (size: number) => Float64Array.from({ length: size }, normal);
const models = [0, 1, 2].map((i) =>
  writeTensors(join(root, `m${i}.safetensors`), {
    '0.weight': [draw(H * D), H, D],
    '0.bias': [draw(H), H],
    '2.weight': [draw(3 * H), 3, H],
  }),
);
/** Samples in four of six directions. */
const directions = draw(4 * D);
const inputs = new Float64Array(N * D);
for (let i = 0; i < N; i++) {
  const own = draw(4);
  for (let j = 0; j < D; j++) for (let k = 0; k < 4; k++) inputs[i * D + j] += own[k] * directions[k * D + j];
}
const samples = writeTensors(join(root, 'samples.safetensors'), { inputs: [inputs, N, D] });
const pair = ['compare', models[0], models[1], '--activation', 'gelu'];
const under = ['--input-data', samples];

describe('--input-data', () => {
  test('takes the moments of samples for the law', async () => {
    const { code, stdout } = await tensim([...pair, ...under, '--json']);
    expect(code).toBe(0);
    const found = JSON.parse(stdout);
    const [a, b] = await Promise.all(models.map((file) => loadModel(file, { config: { activation: 'gelu' } })));
    const expected = await similarity(a, b, { input: await momentsOf(samples) });
    expect(found.similarity).toBe(expected.similarity);
    expect(found).toMatchObject({ schema: 'tensim.compare/1', input: 'samples.safetensors', exact: true });
  });

  test('and --input cannot both be', async () => {
    const { code, stderr } = await tensim([...pair, ...under, '--input', 'standard']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/--input and --input-data/);
  });
});

describe('--ridge', () => {
  test('with one number gives one result, under a law that says so', async () => {
    const { stdout } = await tensim([...pair, ...under, '--ridge', '0.1', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ schema: 'tensim.compare/1', input: 'samples.safetensors, ridge 0.1' });
  });

  describe('with several', () => {
    const sweep = ['--ridge', '0,0.1,1'];
    let found: {
      schema: string;
      steps: { ridge: number; extent: { rank: number }; result: { schema: string; similarity: number } }[];
    };
    beforeAll(async () => {
      found = JSON.parse((await tensim([...pair, ...under, ...sweep, '--json'])).stdout);
    });

    test('gives a result for each', async () => {
      expect(found.schema).toBe('tensim.ridge/1');
      expect(found.steps.map(({ ridge, extent }) => [ridge, extent.rank])).toEqual([
        [0, 4],
        [0.1, D],
        [1, D],
      ]);
      const alone = JSON.parse((await tensim([...pair, ...under, '--ridge', '0.1', '--json'])).stdout);
      expect(found.steps[1].result).toEqual(alone);
      expect(new Set(found.steps.map(({ result }) => result.similarity)).size).toBe(3);
    });

    test('prints a table', async () => {
      const { stdout } = await tensim([...pair, ...under, ...sweep]);
      expect(stdout).toMatch(/ridge +similarity +directions reached\n +0 +\S+ +4 of 6, effectively \S+\n +0\.1 /);
      expect(stdout).toMatch(/ +1 +\S+ +6 of 6, effectively 6\n/);
      expect(stdout).toMatch(/neither predicts a loss/);
    });

    test('writes reports', async () => {
      const out = ['html', 'svg', 'csv', 'json', 'npy'].map((ending) => join(root, `sweep.${ending}`));
      const { code } = await tensim([...pair, ...under, ...sweep, ...out.flatMap((file) => ['--out', file])]);
      expect(code).toBe(0);
      const [html, svg, csv, json] = out.map((file) => readFileSync(file, 'utf8'));
      expect(html).toMatch(/how the answer depends on the law/);
      expect(html).toMatch(/4 of 6/);
      expect(svg).toMatch(/^<svg/);
      expect(csv).toMatch(/^ridge,rank,effectiveDimension,similarity\n0,4,/);
      expect(JSON.parse(json).steps).toEqual(found.steps);
    });

    test('goes over a matrix as well', async () => {
      const { code, stdout } = await tensim(['matrix', ...models, '--activation', 'gelu', ...under, ...sweep]);
      expect(code).toBe(0);
      expect(stdout).toMatch(/ridge +lowest +median +highest +directions reached\n +0 /);
      const json = JSON.parse(
        (await tensim(['matrix', ...models, '--activation', 'gelu', ...under, ...sweep, '--json'])).stdout,
      );
      expect(json.steps[0].result).toMatchObject({ schema: 'tensim.matrix/1', input: 'samples.safetensors, ridge 0' });
      expect(json.steps[2].result.cosine[0][1]).toBeCloseTo(found.steps[2].result.similarity, 14);
    });

    test('and over blocks', async () => {
      const networks = [1, 2].map((seed) => writeNetwork(root, `n${seed}`, llamaTensors([smallLayer(seed)]), LLAMA));
      const own = Float64Array.from({ length: 30 * 12 }, normal);
      const file = writeTensors(join(root, 'stream.safetensors'), { 'mlp.0': [own, 30, 12], 'attn.0': [own, 30, 12] });
      const { stdout } = await tensim(['blocks', ...networks, '--input-data', file, ...sweep]);
      expect(stdout).toMatch(/ridge +0 +0\.1 +1\nMLP 0 .*\nQK 0 .*\nOV 0 /);
      expect(stdout).toMatch(/12 of 12, effectively 12/);
      const json = JSON.parse((await tensim(['blocks', ...networks, '--input-data', file, ...sweep, '--json'])).stdout);
      expect(json.steps[1].result).toMatchObject({ schema: 'tensim.blocks/1', input: 'stream.safetensors, ridge 0.1' });
    });
  });

  test.each([
    ['compare', [...pair, '--ridge', '0.1'], /a ridge needs a covariance/],
    ['compare', [...pair, '--ridge', '0,1'], /a ridge needs a covariance/],
    ['compare', [...pair, ...under, '--ridge', '0,2'], /numbers from 0 to 1/],
    ['compare', [...pair, ...under, '--ridge', '0,0'], /each once/],
    ['explain', ['explain', ...pair.slice(1), ...under, '--ridge', '0,1'], /one law/],
    ['blocks', ['blocks', models[0], models[1], '--ridge', '0,1'], /needs moments|no transformer/],
  ])('is refused where it means nothing: %s %j', async (_, args, message) => {
    const { code, stderr } = await tensim(args);
    expect(code).toBeGreaterThan(1);
    expect(stderr).toMatch(message);
  });
});
