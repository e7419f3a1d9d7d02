import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { loadModel, similarity, similarityMatrix, TensimError, tensor, writeReport } from '../../lib/index.js';
import { step, tensim } from '../cli/run.js';
import { rejection, temporaryFolder } from '../formats/safetensors/helpers.js';

/* The first ten minutes of somebody who writes a service in Node. */

const root = temporaryFolder();
const BACKEND = { backend: 'fallback' } as const;

describe('a Node developer', () => {
  test('loads models from what is at hand: a path, a URL, an upload', async () => {
    const [a, b, c] = [
      await loadModel(step(6000)),
      await loadModel(pathToFileURL(resolve(step(6000)))),
      await loadModel(readFileSync(step(6000)), { name: 'upload.safetensors' }),
    ];
    expect([b.provenance.sha256, c.provenance.sha256]).toEqual([a.provenance.sha256, a.provenance.sha256]);
    expect(c.label).toBe('upload');
  });

  test('answers a request with a result, and posts it to a worker', async () => {
    const [a, b] = [await loadModel(step(6000)), await loadModel(step(6200))];
    const result = await similarity(a, b, { ...BACKEND, perOutput: true });
    const sent = JSON.parse(JSON.stringify({ result })).result;
    const told = JSON.parse(
      (await tensim(['compare', step(6000), step(6200), '--json', '--per-output', '--backend', 'fallback'])).stdout,
    );
    expect({ ...sent, estimates: [] }).toEqual({ ...told, estimates: [] });
    expect(structuredClone(result).similarity).toBe(result.similarity);
    const matrix = await similarityMatrix([a, b], BACKEND);
    expect(structuredClone(matrix).cosine[0][1]).toBe(matrix.cosine[0][1]);
    expect(JSON.parse(JSON.stringify(matrix)).cosine[0]).toEqual([1, matrix.cosine[0][1]]);
  });

  test('gives a folder where a list would do', async () => {
    const folder = join(root, 'run');
    mkdirSync(folder);
    for (const number of [200, 6000]) copyFileSync(step(number), join(folder, `at_${number}.safetensors`));
    expect((await similarityMatrix(folder, BACKEND)).labels).toEqual(['at_200', 'at_6000']);
  });

  test('branches on codes, and shows what helps apart from what is wrong', async () => {
    expect(await rejection(loadModel('nowhere.safetensors'))).toMatchObject({ code: 'FILE_NOT_FOUND' });
    const error = await rejection(loadModel('README.md'));
    expect(error).toBeInstanceOf(TensimError);
    const { code, file, reason, hint, message } = error;
    expect({ code, file }).toEqual({ code: 'INVALID_FILE', file: 'README.md' });
    expect(message).toBe(`README.md: has the ending ".md", which is of no checkpoint; ${reason}. ${hint}`);
    expect(message.length).toBeLessThan(250);
  });

  test('makes the usual mistakes, each of which is a TensimError', async () => {
    const [wrong, write] = [tensor as (...args: unknown[]) => unknown, writeReport as (...args: unknown[]) => unknown];
    expect(() => wrong(['1', '2'], [2])).toThrow(TensimError);
    await expect(write(undefined, join(root, 'report.html'))).rejects.toBeInstanceOf(TensimError);
    await expect(write({ kind: 'pair' }, undefined)).rejects.toBeInstanceOf(TensimError);
    await expect(similarityMatrix([], BACKEND)).rejects.toBeInstanceOf(TensimError);
  });
});
