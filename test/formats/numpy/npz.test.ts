import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openCheckpoint } from '../../../lib/formats/checkpoint.js';
import { convert } from '../../../lib/formats/convert.js';
import { inspect } from '../../../lib/model/reading/inspect.js';
import { loadModel } from '../../../lib/model/reading/load.js';
import { isIntegerFormat } from '../../../lib/tensor/integers.js';
import { bilinearShapes, writeCheckpoint } from '../../model/helpers.js';
import { zip } from '../../support/zip.js';
import { fileIn, rejection, temporaryFolder, withCheckpoint } from '../safetensors/helpers.js';

const folder = temporaryFolder();
const fixture = (name: string) => join(import.meta.dirname, 'fixtures', name);

describe('an .npz archive', () => {
  test('is read as NumPy reads it, with any order of bytes and axes', async () => {
    const expected = JSON.parse(readFileSync(fixture('expected.json'), 'utf8'));
    const read = await withCheckpoint(fixture('arrays.npz'), async (checkpoint) => {
      const arrays = [];
      for (const { name, dtype, shape } of checkpoint.tensors.values()) {
        const { data } = isIntegerFormat(dtype) ? await checkpoint.readIntegers(name) : await checkpoint.read(name);
        arrays.push({ name, shape: [...shape], values: [...data] });
      }
      return arrays;
    });
    expect(read).toEqual(expected);
  });

  test('lists what is no number, and reads the numbers beside it', async () => {
    await withCheckpoint(fixture('others.npz'), async (checkpoint) => {
      expect([...checkpoint.tensors.values()].map(({ name, dtype }) => [name, dtype])).toEqual([
        ['weight', 'F32'],
        ['words', '<U4'],
        ['truth', 'BOOL'],
      ]);
      expect((await checkpoint.read('weight')).shape).toEqual([2, 3, 4]);
      expect(await rejection(checkpoint.read('words'))).toMatchObject({ code: 'UNSUPPORTED_DTYPE', tensor: 'words' });
    });
    await withCheckpoint(fixture('objects.npz'), async (checkpoint) => {
      expect(await rejection(checkpoint.read('objects'))).toMatchObject({ code: 'UNSUPPORTED_DTYPE' });
    });
  });

  test('is a model like any other', async () => {
    const safetensors = await writeCheckpoint(folder, 'model.safetensors', bilinearShapes(), { step: '7' });
    const npz = join(folder, 'model.npz');
    expect(await convert(safetensors, npz)).toEqual({ tensors: 2, metadataLost: 1 });
    const [model, original] = [await loadModel(npz), await loadModel(safetensors)];
    expect(model.label).toBe('model');
    expect([...model.parameters]).toEqual([...original.parameters]);
    expect((await inspect(npz)).problems).toEqual([]);
  });

  test.each([
    [
      'compressed',
      readFileSync(fixture('refused_compressed.npz')),
      'numpy.savez("refused.plain.npz", **numpy.load("refused.npz"))',
    ],
    ['a PyTorch checkpoint', zip([{ name: 'a/data.pkl', data: Buffer.from('x') }]), 'has the ending .pt'],
    ['an array that is none', zip([{ name: 'w.npy', data: Buffer.from('x') }]), 'tensor "w": is too short'],
    [
      'two arrays of one name',
      zip([
        { name: 'w.npy', data: tiny() },
        { name: 'w.NPY', data: tiny() },
      ]),
      'two arrays "w"',
    ],
    ['a name that moves the cursor', zip([{ name: '\x1b[2J.npy', data: tiny() }]), 'contains control characters'],
    ['no archive', Buffer.from('step,loss\n'), 'is no archive'],
  ])('is refused if it is %s', async (_, bytes, message) => {
    const file = fileIn(folder, 'refused.npz', bytes);
    const error = await rejection(openCheckpoint(file));
    expect(error).toMatchObject({ code: 'INVALID_FILE', file });
    expect(error.message).toContain(message);
  });
});

/** An array of one byte. */
function tiny(): Buffer {
  const text = "{'descr': '|u1', 'fortran_order': False, 'shape': (1,)}\n";
  return Buffer.concat([
    Buffer.from('\x93NUMPY\x01\x00', 'latin1'),
    Buffer.from([text.length, 0]),
    Buffer.from(`${text}\x01`),
  ]);
}
