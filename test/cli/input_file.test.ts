import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readInput } from '../../lib/cli/input_file.js';
import { TensimError } from '../../lib/errors.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { fileIn, rejection, temporaryFolder } from '../formats/safetensors/helpers.js';
import { bilinearShapes, writeCheckpoint } from '../model/helpers.js';
import { runs } from '../support/campaign.js';
import { tensim } from './run.js';

const root = temporaryFolder();
const json = (name: string, value: unknown) =>
  fileIn(root, name, typeof value === 'string' ? value : JSON.stringify(value));

describe('--input', () => {
  test('takes the names of laws', async () => {
    expect(await readInput('standard')).toBe('standard');
    expect(await readInput('onehot')).toBe('onehot');
    expect(await readInput('sigma=0.5')).toEqual({ sigma: 0.5 });
    expect(await readInput('sigma=2e3')).toEqual({ sigma: 2000 });
  });

  test.each(['sigma=', 'sigma=0', 'sigma=-1', 'sigma=nan', 'sigma=1e999', 'sigma=x', 'sigma=0x2'])(
    'refuses %s',
    async (text) => {
      expect((await rejection(readInput(text))).code).toBe('INVALID_ARGUMENT');
    },
  );

  test('reads mean and covariance from JSON, either or both', async () => {
    const mean = [1, -2];
    const cov = [
      [2, 0.5],
      [0.5, 1],
    ];
    expect(await readInput(json('both.json', { mean, cov }))).toEqual({
      mean: Float64Array.from(mean),
      cov: { data: Float64Array.of(2, 0.5, 0.5, 1), shape: [2, 2] },
      name: 'both.json',
    });
    expect(await readInput(json('mean.json', { mean }))).toEqual({ mean: Float64Array.from(mean), name: 'mean.json' });
    expect(await readInput(json('cov.JSON', { cov }))).not.toHaveProperty('mean');
  });

  test('reads mean and covariance from safetensors', async () => {
    const tensors = new Map<string, Tensor>([
      ['mean', { data: Float32Array.of(1, -2), shape: [2] }],
      ['cov', { data: Float64Array.of(2, 0.5, 0.5, 1), shape: [2, 2] }],
    ]);
    const file = await writeCheckpoint(root, 'law.safetensors', tensors);
    expect(await readInput(file)).toEqual({
      mean: Float64Array.of(1, -2),
      cov: { data: Float64Array.of(2, 0.5, 0.5, 1), shape: [2, 2] },
      name: 'law.safetensors',
    });
  });

  test.each([
    ['no JSON', '{', /is not JSON/],
    ['no object', [1], /is not an object/],
    ['nothing', {}, /neither "mean" nor "cov"/],
    ['an unknown field', { mean: [1], covariance: [[1]] }, /unknown field "covariance"/],
    ['a mean of text', { mean: ['1'] }, /"mean" must be a list of numbers/],
    ['a mean beyond all numbers', '{"mean": [1e999]}', /"mean" must be a list of numbers/],
    ['a covariance that is no list', { cov: 1 }, /"cov" must be a list of rows/],
    ['a row that is none', { cov: [1] }, /row 1 of "cov" must be a list/],
    ['a ragged covariance', { cov: [[1, 0], [0]] }, /"cov" has 2 rows, but row 2 has length 1/],
  ])('refuses a file with %s', async (_, value, message) => {
    const file = json('bad.json', value);
    const error = await rejection(readInput(file));
    expect(error).toMatchObject({ code: 'INVALID_FILE', file });
    expect(error.message).toMatch(message);
  });

  test('refuses tensors that are no law', async () => {
    const other = await writeCheckpoint(root, 'other.safetensors', { mean: [2], variance: [2] });
    expect(await rejection(readInput(other))).toMatchObject({ code: 'INVALID_FILE', file: other });
    const flat = await writeCheckpoint(root, 'flat.safetensors', { cov: [4] });
    expect(await rejection(readInput(flat))).toMatchObject({ code: 'SHAPE_MISMATCH', file: flat, tensor: 'cov' });
    expect((await rejection(readInput('gone.json'))).hint).toContain('sigma=S');
  });

  test('reads or refuses any JSON, and never fails otherwise', async () => {
    const law = fc.record({ mean: fc.jsonValue(), cov: fc.oneof(fc.jsonValue(), fc.array(fc.array(fc.double()))) });
    await fc.assert(
      fc.asyncProperty(law, async (value) => {
        await readInput(json('any.json', value)).catch((error: unknown) => {
          if (!(error instanceof TensimError)) throw error;
        });
      }),
      { numRuns: runs(50) },
    );
  });

  test('changes what is compared, and is named in the result', async () => {
    const a = await writeCheckpoint(root, 'a.safetensors', bilinearShapes(2, 3, 2));
    const b = await writeCheckpoint(root, 'b.safetensors', { ...bilinearShapes(2, 3, 2), 'bi_linear.bias': [6] });
    const law = json('law.json', {
      mean: [1, 0],
      cov: [
        [1, 0],
        [0, 0],
      ],
    });
    const compare = async (...options: string[]) =>
      JSON.parse((await tensim(['compare', a, b, '--json', ...options])).stdout);
    const shifted = await compare('--input', law);
    expect(shifted.input).toBe('law.json');
    expect(shifted.similarity).not.toBe((await compare()).similarity);
  });

  test('of another size than the models is refused', async () => {
    const a = await writeCheckpoint(root, 'three.safetensors', bilinearShapes(3, 3, 2));
    const { code, stderr } = await tensim(['compare', a, a, '--input', json('two.json', { mean: [1, 0] })]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^tensim: .*\n$/);
  });
});
