import { copyFileSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { TensimError } from '../../lib/errors.js';
import { loadModel } from '../../lib/model/reading/load.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import { hearWarnings } from '../../lib/words/warning.js';
import { step } from '../cli/run.js';
import { fileIn, rejection, temporaryFolder } from '../formats/safetensors/helpers.js';
import { writeCheckpoint } from '../model/helpers.js';

const root = temporaryFolder();
const BACKEND = { backend: 'fallback' } as const;

describe('a model is loaded', () => {
  test('from the URL of its file', async () => {
    const model = await loadModel(pathToFileURL(resolve(step(0))));
    expect(model.provenance.sha256).toBe((await loadModel(step(0))).provenance.sha256);
    expect(await rejection(loadModel(new URL('https://example.org/a.safetensors')))).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('is an address on the web'),
    });
  });

  test('from its bytes, with or without a name', async () => {
    const bytes = readFileSync(step(6000));
    const { label, provenance, parameters } = await loadModel(step(6000));
    const named = await loadModel(bytes, { name: 'runs/step_06000.safetensors' });
    expect(named.label).toBe(label);
    expect(named.provenance).toEqual({ ...provenance, file: 'runs/step_06000.safetensors' });
    expect(named.parameters).toEqual(parameters);
    const bare = await loadModel(new Uint8Array(bytes), { label: 'mine' });
    expect([bare.label, bare.provenance.sha256]).toEqual(['mine', provenance.sha256]);
    // A view of a larger buffer is what it shows.
    const larger = new Uint8Array(bytes.length + 20);
    larger.set(bytes, 10);
    const view = larger.subarray(10, 10 + bytes.length);
    expect((await loadModel(view)).provenance.sha256).toBe(provenance.sha256);
  });

  test('and errors name the bytes as they were named; nothing is left behind', async () => {
    const before = readdirSync(tmpdir()).filter((name) => name.startsWith('tensim-bytes-'));
    const error = await rejection(loadModel(new Uint8Array(100).fill(7), { name: 'broken.safetensors' }));
    expect(error).toBeInstanceOf(TensimError);
    expect(error).toMatchObject({ code: 'INVALID_FILE', file: 'broken.safetensors' });
    expect(error.message).toMatch(/^broken\.safetensors: /);
    const file = await writeCheckpoint(root, 'conv.safetensors', { 'conv1.weight': [8, 1, 3, 3] });
    const unknown = await rejection(loadModel(readFileSync(file), { name: 'conv.safetensors' }));
    expect(unknown.message).not.toContain('tensim-bytes-');
    expect(unknown.hint).toContain('tensim inspect conv.safetensors --draft');
    for (const name of ['', '..', 'a\0b', 7 as unknown as string])
      expect(await rejection(loadModel(new Uint8Array(8), { name }))).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith('tensim-bytes-'))).toEqual(before);
  });
});

describe('similarityMatrix takes', () => {
  const folder = join(root, 'run');
  mkdirSync(folder);
  for (const [i, number] of [6000, 200, 8000].entries())
    copyFileSync(step(number), join(folder, `ckpt_${[10, 9, 11][i]}.safetensors`));

  test('a folder or a pattern, in the order of training', async () => {
    for (const given of [folder, [folder], join(folder, '*.safetensors')]) {
      const { labels, order } = await similarityMatrix(given, BACKEND);
      expect(labels).toEqual(['ckpt_9', 'ckpt_10', 'ckpt_11']);
      expect(order?.by).not.toBe('none');
    }
  });

  test('these among others, in the place where they stand', async () => {
    const model = await loadModel(step(0));
    const { labels, order } = await similarityMatrix([step(400), folder, model], BACKEND);
    expect(labels).toEqual(['step_00400', 'ckpt_9', 'ckpt_10', 'ckpt_11', 'step_00000']);
    expect(order).toBeUndefined();
    // One model in a folder is that model, under the folder's name.
    const single = join(root, 'single');
    mkdirSync(single);
    copyFileSync(step(0), join(single, 'model.safetensors'));
    expect((await similarityMatrix([single, step(400)], BACKEND)).labels).toEqual(['single', 'step_00400']);
  });

  test('and names what is no model in a folder', async () => {
    const mixed = join(root, 'mixed');
    mkdirSync(mixed);
    for (const number of [200, 400]) copyFileSync(step(number), join(mixed, `step_${number}.safetensors`));
    await writeCheckpoint(mixed, 'table.safetensors', { table: [2, 2] });
    const heard: string[] = [];
    const deaf = hearWarnings((warning) => heard.push(warning));
    const { labels } = await similarityMatrix(mixed, BACKEND);
    deaf();
    expect(labels).toEqual(['step_200', 'step_400']);
    expect(heard).toEqual([
      expect.stringMatching(/table\.safetensors is passed over as no model: of no known family$/),
    ]);
  });

  test('and refuses what stands for nothing', async () => {
    const empty = join(root, 'empty');
    mkdirSync(empty);
    fileIn(empty, 'notes.txt', 'none');
    for (const given of [empty, join(root, 'gone-*.safetensors'), join(root, 'gone.safetensors')])
      expect(await rejection(similarityMatrix(given, BACKEND))).toMatchObject({ code: 'FILE_NOT_FOUND' });
  });
});
