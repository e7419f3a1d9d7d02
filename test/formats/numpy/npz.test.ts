import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { loadInputs } from '../../../lib/evaluation/inputs_file.js';
import { openCheckpoint } from '../../../lib/formats/checkpoint.js';
import { convert } from '../../../lib/formats/convert.js';
import { npyHeader } from '../../../lib/formats/numpy/npy_header.js';
import { inspect } from '../../../lib/model/reading/inspect.js';
import { loadModel } from '../../../lib/model/reading/load.js';
import { isIntegerFormat } from '../../../lib/tensor/integers.js';
import { bilinearShapes, writeCheckpoint } from '../../model/helpers.js';
import { deflated, zip } from '../../support/zip.js';
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
      'compressed by a method of others',
      zip([{ name: 'w.npy', data: tiny(), method: 12 }]),
      'numpy.savez("refused.plain.npz", **numpy.load("refused.npz"))',
    ],
    ['encrypted', zip([deflated('w.npy', tiny(), { flags: 0x801 })]), 'its member "w.npy" is encrypted'],
    [
      'a trap that unfolds without end',
      zip([deflated('w.npy', Buffer.concat([npyHeader('|u1', [2 ** 27]), Buffer.alloc(2 ** 27)]))]),
      'more than 100 times as much',
    ],
    [
      'what cannot be unfolded',
      zip([{ ...deflated('w.npy', tiny()), data: Buffer.alloc(40, 0xff) }]),
      'cannot be unfolded',
    ],
    ['cut short when unfolded', zip([deflated('w.npy', tiny(), { unpacked: 500 })]), 'says [1] elements'],
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

describe('a compressed archive', () => {
  const large = Float32Array.from({ length: 700_001 }, (_, i) => Math.fround(Math.sin(i) * 1e-3));
  const bytes = Buffer.concat([npyHeader('<f4', [large.length]), new Uint8Array(large.buffer)]);

  /** Hundreds of thousands of numbers, which `toEqual` would look at one by one for seconds. */
  const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView) => Buffer.from(buffer, byteOffset, byteLength);

  test('is read as one that is not', async () => {
    await withCheckpoint(fixture('compressed.npz'), async (checkpoint) => {
      const plain = await withCheckpoint(fixture('others.npz'), (other) => other.read('weight'));
      expect(await checkpoint.read('weight')).toEqual(plain);
    });
    const file = fileIn(folder, 'large.npz', zip([deflated('small.npy', tiny()), deflated('large.npy', bytes)]));
    await withCheckpoint(file, async (checkpoint) => {
      expect(bytesOf((await checkpoint.read('large')).data).equals(bytesOf(large))).toBe(true);
      expect([...(await checkpoint.readIntegers('small')).data]).toEqual([1]);
      expect(bytesOf(await checkpoint.readBytes('large')).equals(bytesOf(large))).toBe(true);
    });
  });

  test('is converted, and its inputs are taken', async () => {
    const file = fileIn(folder, 'inputs.npz', zip([deflated('inputs.npy', bytes)]));
    const output = join(folder, 'inputs.safetensors');
    await convert(file, output);
    const { data } = await loadInputs(output);
    expect(data).toBeInstanceOf(Float32Array);
    expect(bytesOf(data).equals(bytesOf(large))).toBe(true);
  });

  test.each<[string, object, string]>([
    ['whose checksum is another', { crc: 7 }, 'has another checksum than the directory says'],
    ['with more than it says', { data: deflateRawSync(Buffer.concat([bytes, bytes])) }, 'unfolds to more than'],
    [
      'with less than it says',
      { data: deflateRawSync(bytes.subarray(0, 2_000_000)) },
      'unfolds to 2000000 bytes instead',
    ],
    ['that ends too early', { data: deflateRawSync(bytes).subarray(0, 9000) }, 'unfolds to'],
    ['that is spoilt', { data: spoilt(deflateRawSync(bytes)) }, 'tensor'],
  ])('%s is refused when it is read', async (_, lies, message) => {
    const file = fileIn(folder, 'spoilt.npz', zip([deflated('large.npy', bytes, lies)]));
    await withCheckpoint(file, async (checkpoint) => {
      const error = await rejection(checkpoint.read('large'));
      expect(error).toMatchObject({ code: 'INVALID_FILE', file });
      if (message !== 'tensor') expect(error.message).toContain(message);
    });
  });

  test('what follows the end of the data is nothing', async () => {
    const data = Buffer.concat([deflateRawSync(bytes), Buffer.alloc(5_000_000, 7)]);
    const file = fileIn(folder, 'trailing.npz', zip([deflated('large.npy', bytes, { data })]));
    await withCheckpoint(file, async (checkpoint) => {
      expect(bytesOf((await checkpoint.read('large')).data).equals(bytesOf(large))).toBe(true);
      for await (const _ of checkpoint.readInOrder(['large']));
      expect(await checkpoint.sha256()).toBe(createHash('sha256').update(readFileSync(file)).digest('hex'));
    });
  });

  test('stops with the reason of its signal', async () => {
    const file = fileIn(folder, 'stopped.npz', zip([deflated('large.npy', bytes)]));
    await withCheckpoint(file, async (checkpoint) => {
      const stop = new AbortController();
      const reading = checkpoint.read('large', stop.signal);
      stop.abort(new Error('enough'));
      await expect(reading).rejects.toThrow('enough');
    });
  });
});

describe('what stands beside the weights in an archive', () => {
  const scalar = (descr: string, data: Uint8Array) => Buffer.concat([npyHeader(descr, []), data]);
  const text = Buffer.from('s\0\0\0e\0\0\0e\0\0\0d\0\0\0\0\0\0\0', 'latin1');
  const weights = Object.entries(bilinearShapes()).map(([name, shape]) => {
    const size = shape.reduce((a, b) => a * b, 1);
    return {
      name: `${name}.npy`,
      data: Buffer.concat([npyHeader('<f8', shape), new Uint8Array(new Float64Array(size).fill(1).buffer)]),
    };
  });

  test.each<[name: string, data: Buffer, metadata: string | undefined]>([
    ['step', scalar('<i8', new Uint8Array(BigInt64Array.of(300n).buffer)), '300'],
    ['lr', scalar('<f8', new Uint8Array(Float64Array.of(0.25).buffer)), '0.25'],
    ['done', scalar('|b1', Uint8Array.of(1)), 'true'],
    ['name', scalar('<U5', text), 'seed'],
    ['name', scalar('>U1', Uint8Array.of(0, 0, 0, 0x61)), 'a'],
    ['name', scalar('|S4', Buffer.from('ab\0\0')), 'ab'],
    ['run.step', scalar('<i4', new Uint8Array(Int32Array.of(7).buffer)), '7'],
    ['global_step', Buffer.concat([npyHeader('<i4', [1]), new Uint8Array(Int32Array.of(7).buffer)]), '7'],
    ['cfg', scalar('|O', Buffer.from('any pickle')), undefined],
    ['when', scalar('<M8[ns]', new Uint8Array(8)), undefined],
    ['names', Buffer.concat([npyHeader('<U1', [2]), new Uint8Array(8)]), undefined],
    ['labels', Buffer.concat([npyHeader('<i4', [2]), new Uint8Array(8)]), undefined],
    ['log', structure(), undefined],
  ])('%s is known', async (name, data, value) => {
    const file = fileIn(folder, 'beside.npz', zip([...weights, { name: `${name}.npy`, data }]));
    const { family, problems, setAside, metadata } = await inspect(file);
    expect({ family, problems, beside: setAside.map((one) => one.name), metadata: { ...metadata } }).toEqual({
      ...{ family: 'bilinear', problems: [], beside: [name] },
      metadata: value === undefined ? {} : { [name]: value },
    });
    expect((await loadModel(file)).parameters.size).toBe(2);
  });

  test('but fractions of modules, and complex numbers, could be weights', async () => {
    for (const [name, data] of [
      ['head.scale', scalar('<f8', new Uint8Array(8))],
      ['head.phase', Buffer.concat([npyHeader('<c16', [1]), new Uint8Array(16)])],
    ] as const) {
      const file = fileIn(folder, 'more.npz', zip([...weights, { name: `${name}.npy`, data }]));
      expect(await rejection(loadModel(file))).toMatchObject({ code: 'UNSUPPORTED_LAYER' });
    }
  });

  test('members without the ending are arrays if they begin as one', async () => {
    const bare = weights.map(({ name, data }) => ({ name: name.replace('.npy', ''), data }));
    const file = fileIn(
      folder,
      'bare.npz',
      zip([
        ...bare,
        { name: 'notes', data: Buffer.from('made in June') },
        deflated('README', Buffer.from('x'.repeat(99))),
      ]),
    );
    expect(await inspect(file)).toMatchObject({ family: 'bilinear', problems: [] });
  });

  function structure(): Buffer {
    const header = "{'descr': [('loss', '<f8'), ('step', '<i8')], 'fortran_order': False, 'shape': (1,), }\n";
    return Buffer.concat([
      Buffer.from('\x93NUMPY\x01\x00', 'latin1'),
      Buffer.from([header.length, 0]),
      Buffer.from(header),
      Buffer.alloc(16),
    ]);
  }
});

describe('what is none', () => {
  test.each([
    ['version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n', 'git lfs pull'],
    ['<!DOCTYPE html><html>', 'web page'],
    ['\n\n  <html>', 'web page'],
    ['\ufeff<html>', 'web page'],
  ])('%j is told apart in every format', async (content, hint) => {
    for (const name of ['a.npz', 'a.npy', 'a.safetensors', 'a.safetensors.index.json', 'a.pt', 'a.bin.index.json']) {
      const error = await rejection(openCheckpoint(fileIn(folder, name, content)));
      expect(error).toMatchObject({ code: 'INVALID_FILE' });
      expect(error.hint).toContain(hint);
    }
  });
});

function spoilt(data: Buffer): Buffer {
  data.fill(0xff, 5000, 5100);
  return data;
}

/** An array of one byte. */
function tiny(): Buffer {
  const text = "{'descr': '|u1', 'fortran_order': False, 'shape': (1,)}\n";
  return Buffer.concat([
    Buffer.from('\x93NUMPY\x01\x00', 'latin1'),
    Buffer.from([text.length, 0]),
    Buffer.from(`${text}\x01`),
  ]);
}
