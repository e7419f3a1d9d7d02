import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { BilinearLayer, LinearLayer } from '../../lib/model/model.js';
import { loadModel } from '../../lib/model/reading/load.js';
import { rawFile, rejection, temporaryFolder } from '../formats/safetensors/helpers.js';
import { bilinearShapes, deepShapes, tensorsOf, writeCheckpoint } from './helpers.js';

const root = temporaryFolder();

describe('loadModel', () => {
  test('reads a bilinear checkpoint; L and R are the halves of one array', async () => {
    const tensors = tensorsOf({ ...bilinearShapes(4, 3, 2), 'bi_linear.bias': [6], 'projection.bias': [2] });
    const file = await writeCheckpoint(root, 'step_10.safetensors', tensors, { step: '10' });
    const model = await loadModel(file);
    expect(model).toMatchObject({
      label: 'step_10',
      family: 'bilinear',
      inputShape: [1, 4],
      outputShape: [1, 2],
      degree: 2,
      parameterCount: 24 + 6 + 6 + 2,
    });
    const sha256 = createHash('sha256').update(readFileSync(file)).digest('hex');
    expect({ ...model.provenance, metadata: { ...model.provenance.metadata } }).toEqual({
      file,
      sha256,
      metadata: { step: '10' },
    });
    const stacked = tensors.get('bi_linear.weight')?.data as Float64Array;
    const block = model.layers[0] as BilinearLayer;
    expect(block.left).toEqual({ data: stacked.slice(0, 12), shape: [3, 4] });
    expect(block.right).toEqual({ data: stacked.slice(12), shape: [3, 4] });
    expect(block.right.data.buffer).toBe(block.left.data.buffer);
    expect(block.right.data.byteOffset).toBeGreaterThan(block.left.data.byteOffset);
    expect([...(block.rightBias?.data ?? [])]).toEqual([...(tensors.get('bi_linear.bias')?.data ?? [])].slice(3));
    expect(block.downBias).toEqual(tensors.get('projection.bias'));
    expect([...model.parameters].map(([name, { shape }]) => [name, [...shape]])).toEqual(
      [...tensors].map(([name, { shape }]) => [name, [...shape]]),
    );
  });

  test('reads deep checkpoints of any depth, the bias of d inside the block', async () => {
    const file = await writeCheckpoint(root, 'deep.safetensors', deepShapes(2, true), { scale: '0.25' });
    const model = await loadModel(file, { label: 'two' });
    expect(model).toMatchObject({ label: 'two', family: 'deep', inputShape: [1, 3], outputShape: [1, 2], degree: 4 });
    expect(model.layers.map(({ type }) => type)).toEqual(['linear', 'bilinear', 'bilinear', 'linear']);
    const block = model.layers[2] as BilinearLayer;
    expect(block).toMatchObject({ alpha: 0.75, beta: 0.25 });
    expect(block.down).toBe(model.parameters.get('body.1.d.weight'));
    expect(block.downBias).toBe(model.parameters.get('body.1.d.bias'));
    expect((model.layers[3] as LinearLayer).bias).toBeUndefined();
  });

  test('reads a sharded checkpoint by its index, and a folder that holds it alone', async () => {
    const folder = join(root, 'sharded');
    mkdirSync(folder);
    const [[name, weight], [other, projection]] = [...tensorsOf(bilinearShapes())];
    await writeCheckpoint(folder, 'm-1-of-2.safetensors', new Map([[name, weight]]));
    await writeCheckpoint(folder, 'm-2-of-2.safetensors', new Map([[other, projection]]));
    const index = join(folder, 'm.safetensors.index.json');
    const weight_map = { [name]: 'm-1-of-2.safetensors', [other]: 'm-2-of-2.safetensors' };
    writeFileSync(index, JSON.stringify({ metadata: {}, weight_map }));
    const model = await loadModel(index);
    expect(model).toMatchObject({ label: 'm', family: 'bilinear' });
    expect(await loadModel(folder)).toMatchObject({
      label: 'sharded',
      provenance: { sha256: model.provenance.sha256 },
    });
  });

  test('judges names, types and shapes before it reads weights', async () => {
    const file = join(root, 'shapes.safetensors');
    // The data would be refused as not finite, if it were read.
    const header = {
      'bi_linear.weight': { dtype: 'F32', shape: [2, 2], data_offsets: [0, 16] },
      'projection.weight': { dtype: 'F32', shape: [1, 2], data_offsets: [16, 24] },
    };
    writeFileSync(file, rawFile(JSON.stringify(header), Buffer.alloc(24, 0xff)));
    const error = await rejection(loadModel(file));
    expect(error).toMatchObject({ code: 'SHAPE_MISMATCH', file, tensor: 'projection.weight' });
    expect(error.message).toContain('takes 2 hidden units, but "bi_linear.weight (first half)" gives 1');
  });

  test('refuses integers as weights by the name of the tensor', async () => {
    const file = join(root, 'integers.safetensors');
    const header = {
      'bi_linear.weight': { dtype: 'I8', shape: [2, 2], data_offsets: [0, 4] },
      'projection.weight': { dtype: 'I8', shape: [1, 1], data_offsets: [4, 5] },
    };
    writeFileSync(file, rawFile(JSON.stringify(header), 5));
    expect(await rejection(loadModel(file))).toMatchObject({
      code: 'UNSUPPORTED_DTYPE',
      tensor: 'bi_linear.weight',
      file,
    });
  });

  test('refuses NaN deep in a large tensor, naming the place', async () => {
    const size = 1100;
    const tensors = tensorsOf(bilinearShapes(size, size / 2, 1));
    const weight = tensors.get('bi_linear.weight')?.data as Float64Array;
    weight[1050 * size + 7] = Number.NaN;
    const file = await writeCheckpoint(root, 'nan.safetensors', tensors);
    const error = await rejection(loadModel(file));
    expect(error).toMatchObject({ code: 'NOT_FINITE', tensor: 'bi_linear.weight', file });
    expect(error.message).toContain('element [1050, 7] is NaN');
  });

  test('rejects with the reason of its signal, before and while it reads', async () => {
    const file = await writeCheckpoint(root, 'abort.safetensors', bilinearShapes(64, 64, 64));
    const reason = new Error('enough');
    await expect(loadModel(file, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const loading = loadModel(file, { signal: controller.signal });
    controller.abort(reason);
    await expect(loading).rejects.toBe(reason);
  });

  test('says what is wrong with a path', async () => {
    const empty = join(root, 'empty');
    const many = join(root, 'many');
    mkdirSync(empty);
    mkdirSync(many);
    await writeCheckpoint(many, 'a.safetensors', bilinearShapes());
    await writeCheckpoint(many, 'b.safetensors', bilinearShapes());
    const gone = join(root, 'gone.safetensors');
    expect(await rejection(loadModel(gone))).toMatchObject({ code: 'FILE_NOT_FOUND', file: gone });
    expect(await rejection(loadModel(empty))).toMatchObject({ code: 'FILE_NOT_FOUND', file: empty });
    const error = await rejection(loadModel(many));
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', file: many });
    expect(error.message).toContain('2 checkpoints');
    for (const path of ['', 'a\0b', undefined, 3])
      expect((await rejection(loadModel(path as string))).code).toBe('INVALID_ARGUMENT');
  });

  test('a file cut off anywhere is damaged', async () => {
    const file = await writeCheckpoint(root, 'whole.safetensors', bilinearShapes());
    const { length } = readFileSync(file);
    for (const keep of [length - 1, length >> 1, 9, 8, 7, 0]) {
      truncateSync(file, keep);
      expect(await rejection(loadModel(file))).toMatchObject({ code: 'INVALID_FILE', file });
    }
  });
});
