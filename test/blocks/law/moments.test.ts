import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { BlockInput, BlockMoments } from '../../../lib/blocks/law/input.js';
import { similarityOfBlocks } from '../../../lib/blocks/similarity_of_blocks.js';
import type { BlocksResult } from '../../../lib/blocks/terms.js';
import { createModel } from '../../../lib/model/create.js';
import { similarity } from '../../../lib/similarity/similarity.js';
import { tensim } from '../../cli/run.js';
import { rejection, temporaryFolder } from '../../formats/safetensors/helpers.js';
import { GPT, gptTensors, writeNetwork, writeTensors } from '../../support/block_files.js';
import { random } from '../../support/random.js';
import { type Given, llamaTensors, type SmallLayer, smallLayer } from '../../support/transformers.js';

const D = 12;
const { normal } = random(11);
const root = temporaryFolder();
const [one, other] = [smallLayer(1), smallLayer(2)];
const llamas = [one, other].map((layer, i) => writeNetwork(root, `llama${i}`, llamaTensors([layer, layer])));
const gpts = [3, 4].map((seed) => writeNetwork(root, `gpt${seed}`, gptTensors([smallLayer(seed, 4)]), GPT));

/** Σ of rank 7, and a mean. */
const mean = Float64Array.from({ length: D }, normal);
const half = Float64Array.from({ length: D * 7 }, normal);
const cov = Float64Array.from({ length: D * D }, (_, at) => {
  let sum = 0;
  for (let k = 0; k < 7; k++) sum += half[Math.floor(at / D) * 7 + k] * half[(at % D) * 7 + k];
  return sum;
});
const square = (data: Float64Array) => ({ data, shape: [D, D] });
const MOMENTS: BlockMoments = { mean, cov: square(cov) };

const under = (of: readonly string[], input: BlockInput) => similarityOfBlocks(of[0], of[1], { input, window: 5 });
/** All numbers of a result. */
const numbers = ({ layers }: BlocksResult) =>
  layers.flatMap(({ mlp, attention }) => [
    ...[mlp!.similarity, mlp!.fidelityError, attention!.ov!.similarity, attention!.ov!.fidelityError],
    ...attention!.heads.flatMap(({ qk, ov }) => [qk!, ov!]),
  ]);
function expectSame(a: BlocksResult, b: BlocksResult, tolerance = 1e-11): void {
  const [x, y] = [numbers(a), numbers(b)];
  expect(x.length).toBe(y.length);
  for (const [i, value] of x.entries()) expect(Math.abs(value - y[i])).toBeLessThan(tolerance);
}

/** A gain folded into rows of d. */
const folded = (rows: Float64Array, gain: Float64Array) => rows.map((value, at) => value * gain[at % D]);

describe('moments of a block', () => {
  let found: BlocksResult;
  beforeAll(async () => {
    const momentsOf = (layer: number) => (layer === 0 ? MOMENTS : undefined);
    found = await similarityOfBlocks(llamas[0], llamas[1], { input: { momentsOf }, window: 5, align: 'none' });
  });

  test('are the law of its MLP, in front of the gain', async () => {
    const model = ({ gate, up, down, units, gains }: SmallLayer) =>
      createModel({
        layers: [
          {
            type: 'gated',
            gate: { data: folded(gate, gains[1]), shape: [units, D] },
            up: { data: folded(up, gains[1]), shape: [units, D] },
            down: { data: down, shape: [D, units] },
            activation: 'silu',
          },
        ],
      });
    const expected = await similarity(model(one), model(other), { input: MOMENTS });
    const mlp = found.layers[0].mlp!;
    expect(mlp.similarity).toBeCloseTo(expected.similarity, 12);
    expect(mlp.fidelityError).toBeCloseTo(expected.fidelityError, 11);
    expect(mlp.byDegree!.centred).toBeCloseTo(expected.degrees!.centred!, 12);
    expect(mlp).toMatchObject({ input: 'custom', exact: true, extent: { inputs: D, rank: 7 } });
  });

  test('are the law of its heads', () => {
    // E score·score' at an offset is the trace of R_Δᵀ (Wq S Wq'ᵀ) R_Δ (Wk S Wk'ᵀ)ᵀ with S = Σ + μμᵀ.
    const second = cov.map((value, at) => value + mean[Math.floor(at / D)] * mean[at % D]);
    const rowsOf = (layer: SmallLayer, of: 'query' | 'key' | 'value', head: number) =>
      Array.from({ length: 4 }, (_, i) => folded(layer[of].subarray((4 * head + i) * D), layer.gains[0]));
    const form = (x: Float64Array, y: Float64Array, matrix: Float64Array) => {
      let sum = 0;
      for (let i = 0; i < D; i++) for (let j = 0; j < D; j++) sum += x[i] * matrix[i * D + j] * y[j];
      return sum;
    };
    const turned = (rows: Float64Array[], offset: number) => {
      const angle = (p: number) => offset * 10_000 ** (-p / 2);
      return rows.map((row, i) => {
        const [p, sign] = [i % 2, i < 2 ? -1 : 1];
        return row.map((value, j) => Math.cos(angle(p)) * value + sign * Math.sin(angle(p)) * rows[(i + 2) % 4][j]);
      });
    };
    const scores = (a: SmallLayer, b: SmallLayer, head: number) => {
      let sum = 0;
      for (let offset = 0; offset > -5; offset--) {
        const keys = [a, b].map((layer) => turned(rowsOf(layer, 'key', Math.floor(head / 2)), offset));
        const queries = [a, b].map((layer) => rowsOf(layer, 'query', head));
        for (let i = 0; i < 4; i++)
          for (let j = 0; j < 4; j++)
            sum += form(queries[0][i], queries[1][j], second) * form(keys[0][i], keys[1][j], second);
      }
      return sum;
    };
    const writes = (a: SmallLayer, b: SmallLayer, head: number) => {
      const values = [a, b].map((layer) => rowsOf(layer, 'value', Math.floor(head / 2)));
      let sum = 0;
      for (let i = 0; i < 4; i++)
        for (let j = 0; j < 4; j++) {
          let outputs = 0;
          for (let c = 0; c < D; c++) outputs += a.output[c * 16 + 4 * head + i] * b.output[c * 16 + 4 * head + j];
          sum += outputs * form(values[0][i], values[1][j], cov);
        }
      return sum;
    };
    for (const { head, qk, ov } of found.layers[0].attention!.heads)
      for (const [value, of] of [[qk, scores] as const, [ov, writes] as const])
        expect(value).toBeCloseTo(of(one, other, head) / Math.sqrt(of(one, one, head) * of(other, other, head)), 12);
    expect(found.layers[0].attention).toMatchObject({ input: 'custom', extent: { rank: 7 } });
  });

  test('may be of some blocks only, and others say so', async () => {
    const plain = await similarityOfBlocks(llamas[0], llamas[1], { window: 5, align: 'none' });
    expect(found.input).toBe('custom');
    expect(found.layers[1]).toEqual(plain.layers[1]);
    expect(plain.layers[1].mlp!.input).toBe('standard');
    expect(plain.layers[1].attention!.input).toBe('standard');
  });
});

test('behind an RMS norm, the identity is the standard law', async () => {
  const momentsOf = () => ({
    cov: square(Float64Array.from({ length: D * D }, (_, at) => (at % (D + 1) === 0 ? 1 : 0))),
  });
  expectSame(await under(llamas, { momentsOf }), await under(llamas, 'standard'));
});

describe('behind a layer norm', () => {
  const project = (matrix: Float64Array) => {
    const rows = matrix.slice();
    for (const [step, stride] of [[D, 1] as const, [1, D] as const])
      for (let i = 0; i < D; i++) {
        let sum = 0;
        for (let j = 0; j < D; j++) sum += rows[i * step + j * stride] / D;
        for (let j = 0; j < D; j++) rows[i * step + j * stride] -= sum;
      }
    return rows;
  };

  test('the projection, stretched, is the standard law', async () => {
    const identity = Float64Array.from({ length: D * D }, (_, at) => (at % (D + 1) === 0 ? D / (D - 1) : 0));
    const momentsOf = () => ({ cov: square(project(identity)) });
    const found = await under(gpts, { momentsOf });
    expectSame(found, await under(gpts, 'standard'));
    expect(found.layers[0].mlp!.extent!.rank).toBe(D - 1);
    expect(found.layers[0].mlp!.extent!.effectiveDimension).toBeCloseTo(D - 1, 10);
  });

  test('moments are projected first: what a layer norm takes off cannot matter', async () => {
    const inside = { mean: mean.map((value) => value - mean.reduce((a, b) => a + b) / D), cov: square(project(cov)) };
    expectSame(await under(gpts, { momentsOf: () => MOMENTS }), await under(gpts, { momentsOf: () => inside }));
    expect(Math.abs((await under(gpts, { momentsOf: () => MOMENTS })).layers[0].mlp!.similarity)).toBeLessThan(0.99);
  });
});

test('a ridge takes the covariance towards the identity', async () => {
  const trace = cov.reduce((sum, value, at) => sum + (at % (D + 1) === 0 ? value : 0), 0);
  const blended = cov.map((value, at) => 0.75 * value + (at % (D + 1) === 0 ? (0.25 * trace) / D : 0));
  const found = await under(llamas, { momentsOf: () => MOMENTS, ridge: 0.25, name: 'mine' });
  expectSame(found, await under(llamas, { momentsOf: () => ({ mean, cov: square(blended) }) }));
  expect(found.input).toBe('mine, ridge 0.25');
  expect(found.layers[0].mlp!.extent!.rank).toBe(D);
});

describe('files of moments', () => {
  const tensors: Given = {};
  for (const part of ['mlp', 'attn'])
    for (const layer of [0, 1]) {
      tensors[`${part}.${layer}.mean`] = [mean, D];
      tensors[`${part}.${layer}.cov`] = [cov, D, D];
    }
  const file = writeTensors(join(root, 'moments.safetensors'), tensors);
  const some = (keep: RegExp): Given => Object.fromEntries(Object.entries(tensors).filter(([name]) => keep.test(name)));

  test('give what a function gives', async () => {
    const found = await under(llamas, { file });
    expectSame(found, await under(llamas, { momentsOf: () => MOMENTS }), 1e-15);
    expect(found.input).toBe('moments.safetensors');
  });

  test('may be several in a folder', async () => {
    const folder = join(root, 'moments');
    mkdirSync(folder);
    writeTensors(join(folder, 'a.safetensors'), some(/^mlp/));
    writeTensors(join(folder, 'b.safetensors'), some(/^attn/));
    expectSame(await under(llamas, { file: folder }), await under(llamas, { file }), 1e-15);
  });

  test('are told of in what the command prints', async () => {
    const path = writeTensors(join(root, 'some.safetensors'), some(/^mlp|^attn\.1/));
    const { code, stdout } = await tensim(['blocks', ...llamas, '--input', path]);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /moments of some\.safetensors \(directions reached: 7 of 12, effectively \S+\), but standard normal in attention of 0, which it lacks/,
    );
    const json = JSON.parse((await tensim(['blocks', ...llamas, '--input', path, '--json'])).stdout);
    expect(json).toMatchObject({ schema: 'tensim.blocks/1', input: 'some.safetensors' });
    expect(json.layers.map(({ attention }: BlocksResult['layers'][0]) => attention!.input)).toEqual([
      'standard',
      'some.safetensors',
    ]);
  });

  test.each<[string, Given, string, RegExp]>([
    [
      'of another width',
      { ...tensors, 'mlp.0.cov': [cov.subarray(0, 16), 4, 4] },
      'SHAPE_MISMATCH',
      /\[4, 4\].*12, 12/,
    ],
    ['that hold something else', { ...tensors, 'mlp.0.scale': [mean, D] }, 'INVALID_FILE', /"mlp.0.scale"/],
    ['with a mean alone', some(/mean/), 'INVALID_FILE', /without "mlp.0.cov"/],
    ['of no covariance', { ...tensors, 'mlp.1.cov': [cov.map((v) => -v), D, D] }, 'INVALID_COVARIANCE', /mlp\.1/],
  ])('%s are refused', async (name, given, code, message) => {
    const error = await rejection(under(llamas, { file: writeTensors(join(root, `${name}.safetensors`), given) }));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });

  test('that are not there are named', async () => {
    const error = await rejection(under(llamas, { file: join(root, 'none.safetensors') }));
    expect(error).toMatchObject({ code: 'FILE_NOT_FOUND' });
    expect(error.message).toMatch(/none\.safetensors/);
  });
});

test.each([
  { input: 'normal' as 'standard' },
  { input: {} as 'standard' },
  { input: { file: 'a', name: 'b' } as { file: string } },
  { input: { file: 'a', ridge: 2 } },
])('what is no law is refused: %j', (options) => {
  expect(() => similarityOfBlocks(llamas[0], llamas[1], options)).toThrow(/input law of blocks|ridge/);
});
