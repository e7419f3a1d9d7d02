import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { inspect } from '../../lib/model/reading/inspect.js';
import { fileIn, rawFile, rejection, temporaryFolder } from '../formats/safetensors/helpers.js';
import { bilinearShapes, deepShapes, tensorsOf, writeCheckpoint } from './helpers.js';

const root = temporaryFolder();

describe('inspect', () => {
  test('says everything about a checkpoint of a known family', async () => {
    const file = await writeCheckpoint(root, 'net.safetensors', bilinearShapes(4, 3, 2), { step: '7' });
    expect(await inspect(file)).toEqual({
      file,
      revision: null,
      files: [file],
      sha256: createHash('sha256').update(readFileSync(file)).digest('hex'),
      metadata: { step: '7' },
      tensors: [
        { name: 'bi_linear.weight', dtype: 'F64', shape: [6, 4], bytes: 192, file },
        { name: 'projection.weight', dtype: 'F64', shape: [2, 3], bytes: 48, file },
      ],
      prefix: null,
      setAside: [],
      tied: {},
      parameters: 30,
      family: 'bilinear',
      settings: [],
      description: null,
      layers: ['bilinear 4 → 3 hidden → 2'],
      positions: 1,
      inputs: 4,
      outputs: 2,
      degree: 2,
      method: 'exact',
      closes: true,
      problems: [],
    });
  });

  test('puts layers with residuals and biases into words', async () => {
    const shapes = { ...deepShapes(1, true), 'head.bias': [2] };
    const file = await writeCheckpoint(root, 'deep.safetensors', shapes, { scale: '0.25' });
    expect((await inspect(file)).layers).toEqual([
      'linear 3 → 4',
      'bilinear 4 → 6 hidden → 4, residual 0.75 x + 0.25 block(x), with 3 biases',
      'linear 4 → 2, with a bias',
    ]);
  });

  test('describes a deeper model and says that it is compared by sampling', async () => {
    const file = await writeCheckpoint(root, 'deep3.safetensors', deepShapes(3));
    const { family, degree, method, problems } = await inspect(file);
    expect({ family, degree, method, problems }).toEqual({
      family: 'deep',
      degree: 8,
      method: 'sampled',
      problems: [],
    });
  });

  test('lists the tensors of a model it does not know, of whatever type, and why it does not', async () => {
    const file = join(root, 'odd.safetensors');
    const header = {
      'wte.weight': { dtype: 'F32', shape: [2, 2], data_offsets: [0, 16] },
      'ln_f.weight': { dtype: 'BF16', shape: [], data_offsets: [16, 18] },
      mask: { dtype: 'BOOL', shape: [0, 3], data_offsets: [18, 18] },
    };
    writeFileSync(file, rawFile(JSON.stringify(header), 18));
    const { tensors, family, layers, inputs, parameters, problems } = await inspect(file);
    expect(tensors.map(({ dtype, shape }) => [dtype, shape])).toEqual([
      ['F32', [2, 2]],
      ['BF16', []],
      ['BOOL', [0, 3]],
    ]);
    expect({ family, layers, inputs, parameters }).toEqual({ family: null, layers: [], inputs: null, parameters: 5 });
    expect(problems).toEqual([
      { code: 'UNSUPPORTED_LAYER', message: expect.stringContaining('"ln_f.weight" looks like') },
    ]);
  });

  test('finds what loading would: shapes, numbers that are none, a description that does not fit', async () => {
    const odd = await writeCheckpoint(root, 'shapes.safetensors', { ...bilinearShapes(), 'projection.weight': [2, 4] });
    expect((await inspect(odd)).problems).toMatchObject([{ code: 'SHAPE_MISMATCH' }]);
    const tensors = tensorsOf(bilinearShapes());
    (tensors.get('projection.weight')?.data as Float64Array)[1] = Number.POSITIVE_INFINITY;
    const infinite = await inspect(await writeCheckpoint(root, 'infinite.safetensors', tensors));
    expect(infinite).toMatchObject({ family: 'bilinear', problems: [{ code: 'NOT_FINITE' }] });
    const model = fileIn(root, 'other.json', '{"schema":"tensim.model/1","layers":[{"type":"linear","weight":"w"}]}');
    expect((await inspect(odd, { model })).problems).toMatchObject([{ code: 'INVALID_FILE' }]);
  });

  test('names the description it went by', async () => {
    const file = await writeCheckpoint(root, 'described.safetensors', { w: [2, 3] });
    const model = fileIn(root, 'linear.json', '{"schema":"tensim.model/1","layers":[{"type":"linear","weight":"w"}]}');
    expect(await inspect(file, { model })).toMatchObject({
      family: 'custom',
      description: model,
      degree: 1,
      problems: [],
    });
  });

  test('throws for what is no checkpoint', async () => {
    const file = fileIn(root, 'text.safetensors', 'this is not a checkpoint');
    expect(await rejection(inspect(file))).toMatchObject({ code: 'INVALID_FILE', file });
    expect((await rejection(inspect(join(root, 'gone')))).code).toBe('FILE_NOT_FOUND');
  });

  test('rejects with the reason of its signal', async () => {
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    await expect(inspect(join(root, 'net.safetensors'), { signal })).rejects.toBe(reason);
  });
});
