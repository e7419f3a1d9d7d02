import { readFileSync } from 'node:fs';
import { join as pathOf } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openCheckpoint } from '../../../lib/formats/checkpoint.js';
import { inspect } from '../../../lib/model/reading/inspect.js';
import { dict, global, int, join, list, pickle, reduce, storage, tensor, text, tuple } from '../../support/pickle.js';
import { zip } from '../../support/zip.js';
import { fileIn, rejection, temporaryFolder } from '../safetensors/helpers.js';
import { SIX } from './checkpoint.js';

/* What torch.save wrote before version 1.6, by hand; the fixture legacy.pt, of torch itself, is read in read.test.ts. */

const folder = temporaryFolder();
const MAGIC = Buffer.from('80028a0a6cfc9c46f9206aa850192e', 'hex');
const VERSION = pickle('M\xe9\x03');
const MACHINE = pickle(dict([text('little_endian'), '\x88']));

const measured = (elements: number, data: Buffer): Buffer => {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(elements));
  return Buffer.concat([length, data]);
};

/** @param storages key, elements and bytes, in the order of the file */
function legacy(root: Buffer, storages: readonly (readonly [string, number, Buffer])[] = [['0', 6, SIX]]): Buffer {
  const keys = pickle(list(...storages.map(([key]) => text(key))));
  return Buffer.concat([MAGIC, VERSION, MACHINE, root, keys, ...storages.map(([, n, data]) => measured(n, data))]);
}

const one = legacy(pickle(dict([text('w'), tensor()])));
const write = (bytes: Uint8Array, name = 'old.pt') => fileIn(folder, name, bytes);

async function read(bytes: Uint8Array, name: string, key?: string) {
  const opened = await openCheckpoint(write(bytes), { key });
  try {
    return await opened.read(name);
  } finally {
    await opened.close();
  }
}

describe('files of torch.save before version 1.6', () => {
  test('have their storages one after the other, of any width, those of others among them', async () => {
    const doubles = Buffer.from(Float64Array.of(7, 8).buffer);
    const bytes = legacy(
      pickle(
        dict(
          [
            text('optimizer'),
            dict([
              text('m'),
              tensor({ key: 'a', elements: 2, shape: [2], strides: [1], type: global('torch', 'DoubleStorage') }),
            ]),
          ],
          [text('model'), dict([text('w'), tensor({ key: 'b', offset: 1, shape: [2], strides: [2] })])],
        ),
      ),
      [
        ['a', 2, doubles],
        ['b', 6, SIX],
      ],
    );
    expect(await read(bytes, 'w', 'model')).toEqual({ data: Float32Array.of(2, 4), shape: [2] });
    expect(await read(bytes, 'm', 'optimizer')).toEqual({ data: Float64Array.of(7, 8), shape: [2] });
  });

  test('may have a pickle far longer than what is read of it first', async () => {
    const notes = Array.from({ length: 3000 }, (_, i) => [text(`note${i}`), text('x'.repeat(60))] as const);
    const root = pickle(dict([text('model'), dict([text('w'), tensor()])], [text('notes'), dict(...notes)]));
    expect(root.length).toBeGreaterThan(2 ** 17);
    expect((await read(legacy(root), 'w')).data).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6));
  });

  test('may have more storages than any list of names is kept of', async () => {
    const keys = Array.from({ length: 1200 }, (_, i) => `${i}`);
    const tensors = keys.map((key) => [text(`w${key}`), tensor({ key })] as const);
    const bytes = legacy(
      pickle(dict(...tensors)),
      keys.map((key) => [key, 6, SIX] as const),
    );
    expect((await read(bytes, 'w1199')).data).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6));
  });

  test('are read within an archive', async () => {
    const bytes = zip([
      { name: 'data', data: Buffer.from('{"num_timesteps": 5}') },
      { name: 'policy.pth', data: one },
    ]);
    expect((await read(bytes, 'w')).data).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6));
    expect(await inspect(write(bytes, 'ppo.zip'))).toMatchObject({
      place: 'policy.pth',
      metadata: { num_timesteps: '5' },
    });
  });

  test('may hold a network as a whole, with the source of its class beside it', async () => {
    const source = join(tuple(text('module'), global('nets', 'Net'), text('nets.py'), text('class Net: …')), 'Q');
    const state = dict(
      [text('_parameters'), reduce(global('collections', 'OrderedDict'))],
      [text('_modules'), dict([text('fc'), inner()])],
    );
    expect((await read(legacy(pickle(source, ')\x81', state, 'b')), 'fc.weight')).data).toHaveLength(6);

    function inner(): Buffer {
      const linear = join(
        tuple(text('module'), global('torch.nn.modules.linear', 'Linear'), text('linear.py'), text('…')),
        'Q',
      );
      return join(
        linear,
        ')\x81',
        dict([text('_parameters'), dict([text('weight'), tensor()])], [text('_modules'), dict()]),
        'b',
      );
    }
  });

  test('are refused where they are damaged, wherever they break off', async () => {
    for (let cut = 1; cut < one.length; cut += 3) {
      const error = await rejection(openCheckpoint(write(one.subarray(0, cut))));
      expect([cut, error.code]).toEqual([cut, 'INVALID_FILE']);
    }
  });

  test.each<[string, Buffer, string]>([
    ['of another version', Buffer.concat([MAGIC, pickle('M\xea\x03'), MACHINE]), 'the version of its format'],
    [
      'whose keys are no list',
      Buffer.concat([MAGIC, VERSION, MACHINE, pickle(dict([text('w'), tensor()])), pickle(int(3))]),
      'lists its storages',
    ],
    [
      'whose keys are numbers',
      Buffer.concat([MAGIC, VERSION, MACHINE, pickle(dict([text('w'), tensor()])), pickle(list(int(3)))]),
      'lists its storages',
    ],
    [
      'with a storage longer than the file',
      legacy(pickle(dict([text('w'), tensor()])), [['0', 2 ** 40, SIX]]),
      'its storage "0" is said to have',
    ],
    [
      'with a storage that is not there',
      legacy(pickle(dict([text('w'), tensor({ key: '1' })]))),
      'its storage "1" is missing',
    ],
    [
      'with a tensor larger than its storage',
      legacy(pickle(dict([text('w'), tensor({ shape: [3, 3], strides: [3, 1], elements: 9 })]))),
      'is said to have 36 bytes',
    ],
    [
      'with a storage of unknown elements in front',
      legacy(
        pickle(
          dict(
            [text('q'), storage({ key: '0', type: global('torch', 'QUInt8Storage') })],
            [text('w'), tensor({ key: '1' })],
          ),
        ),
        [
          ['0', 6, Buffer.alloc(6)],
          ['1', 6, SIX],
        ],
      ),
      'its storage "1" is missing',
    ],
    [
      'with a view of a storage',
      legacy(
        pickle(
          dict([
            text('w'),
            reduce(
              global('torch._utils', '_rebuild_tensor_v2'),
              join(
                tuple(
                  text('storage'),
                  global('torch', 'FloatStorage'),
                  text('0'),
                  text('cpu'),
                  int(6),
                  tuple(text('1'), int(2), int(4)),
                ),
                'Q',
              ),
              int(0),
              tuple(int(4)),
              tuple(int(1)),
              '\x89',
              reduce(global('collections', 'OrderedDict')),
            ),
          ]),
        ),
      ),
      'keeps it in a storage of "torch.FloatStorage"',
    ],
    [
      'with an instruction that is none',
      Buffer.concat([MAGIC, VERSION, MACHINE, Buffer.alloc(300)]),
      'instruction 0x00',
    ],
  ])('%s are refused', async (_, bytes, message) => {
    const error = await rejection(openCheckpoint(write(bytes)));
    expect(error).toMatchObject({ code: 'INVALID_FILE' });
    expect(error.message).toContain(message);
    expect(error.hint).toBeTruthy();
  });

  test('are told from other pickles by their first number', () => {
    const start = readFileSync(pathOf(import.meta.dirname, 'fixtures', 'legacy.pt')).subarray(0, MAGIC.length);
    expect(start.equals(MAGIC)).toBe(true);
  });
});
