import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { npyHeader } from '../../lib/formats/numpy/npy_header.js';
import { momentsOf } from '../../lib/similarity/law/moments_of.js';
import { rejection, temporaryFolder } from '../formats/safetensors/helpers.js';
import { writeTensors } from '../support/block_files.js';
import { random } from '../support/random.js';

const root = temporaryFolder();
const [N, D] = [100_000, 5];
const { normal } = random(8);
/** Far from zero, and the later ones elsewhere: sums of squares would lose ten digits. */
const samples = Float64Array.from({ length: N * D }, (_, at) => {
  const j = at % D;
  return 1e5 * (j + 1) + (at > N ? 3 : 0) + normal() * (j + 1) + (j > 0 ? 0.5 : 0) * Math.sin(at - j);
});

/** In two passes. */
function expected(values: Float64Array, d: number) {
  const n = values.length / d;
  const mean = new Float64Array(d);
  for (let at = 0; at < values.length; at++) mean[at % d] += (values[at] - values[at % d]) / n;
  for (let j = 0; j < d; j++) mean[j] += values[j];
  const cov = new Float64Array(d * d);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < d; j++)
      for (let k = 0; k < d; k++) cov[j * d + k] += ((values[i * d + j] - mean[j]) * (values[i * d + k] - mean[k])) / n;
  return { mean, cov };
}

function expectMoments(found: Awaited<ReturnType<typeof momentsOf>>): void {
  const { mean, cov } = expected(samples, D);
  expect(found.cov.shape).toEqual([D, D]);
  for (const [j, value] of mean.entries()) expect(Math.abs(found.mean[j] / value - 1)).toBeLessThan(1e-14);
  for (const [at, value] of cov.entries()) expect(Math.abs(found.cov.data[at] - value)).toBeLessThan(1e-9);
  for (let j = 0; j < D; j++)
    for (let k = 0; k < D; k++) expect(found.cov.data[j * D + k]).toBe(found.cov.data[k * D + j]);
}

describe('the moments of samples', () => {
  test('in memory are those of two passes', async () => {
    const found = await momentsOf({ data: samples, shape: [N, D] });
    expectMoments(found);
    expect(found.name).toBe('samples');
    expectMoments(await momentsOf({ data: samples, shape: [N / 10, 10, D] }));
  });

  test('in files, read in pieces, are the same', async () => {
    const numpy = join(root, 'samples.npy');
    writeFileSync(numpy, Buffer.concat([npyHeader('<f8', [N, D]), Buffer.from(samples.buffer)]));
    const found = await momentsOf(numpy);
    expectMoments(found);
    expect(found.name).toBe('samples.npy');
    expectMoments(await momentsOf(writeTensors(join(root, 'samples.safetensors'), { inputs: [samples, N, D] })));
  });

  test('of whole numbers are theirs', async () => {
    const file = join(root, 'pixels.npy');
    writeFileSync(file, Buffer.concat([npyHeader('|u1', [3, 2]), Buffer.of(0, 1, 2, 3, 4, 8)]));
    const { mean, cov } = await momentsOf(file);
    expect([...mean]).toEqual([2, 4]);
    for (const [at, value] of [8 / 3, 14 / 3, 14 / 3, 26 / 3].entries()) expect(cov.data[at]).toBeCloseTo(value, 13);
  });

  test.each<[string, number[], Float64Array, string, RegExp]>([
    ['a vector', [4], new Float64Array(4), 'SHAPE_MISMATCH', /\[4\] is no shape of samples/],
    ['one sample', [1, 4], new Float64Array(4), 'SHAPE_MISMATCH', /two at least/],
    ['nothing', [3, 0], new Float64Array(0), 'SHAPE_MISMATCH', /no shape of samples/],
    ['NaN', [2, 2], Float64Array.of(1, 2, 3, Number.NaN), 'NOT_FINITE', /entry 1 of sample 1 is NaN/],
  ])('of %s are refused', async (name, shape, data, code, message) => {
    const inMemory = await rejection(momentsOf({ data, shape }));
    expect(inMemory.code).toBe(code);
    expect(inMemory.message).toMatch(message);
    const file = writeTensors(join(root, `${name}.safetensors`), { samples: [data, ...shape] });
    expect(await rejection(momentsOf(file))).toMatchObject({ code, file, tensor: 'samples' });
  });

  test('end with a signal', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(momentsOf({ data: samples, shape: [N, D] }, { signal })).rejects.toThrow('enough');
  });
});
