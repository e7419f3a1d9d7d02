import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, closeSync, ftruncateSync, mkdirSync, openSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../../lib/formats/checkpoint.js';
import { DTYPE_NAMES } from '../../../lib/formats/safetensors/dtypes.js';
import { fileIn, rawFile, readAll, rejection, temporaryFolder, withCheckpoint } from './helpers.js';

const folder = temporaryFolder();

describe('a checkpoint', () => {
  it('has no metadata where they are null', async () => {
    const header = '{"__metadata__": null, "a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}';
    await withCheckpoint(fileIn(folder, 'null.safetensors', rawFile(header, 1)), async ({ metadata, tensors }) => {
      expect({ ...metadata }).toEqual({});
      expect([...tensors.keys()]).toEqual(['a']);
    });
    const twice = fileIn(folder, 'twice.safetensors', rawFile(header.replace('"a"', '"__metadata__":{},"a"'), 1));
    expect((await rejection(openCheckpoint(twice))).message).toContain('"__metadata__" appears twice');
  });

  it('has the number of steps that stands as a tensor in its metadata, unless these say it', async () => {
    const step = (metadata: string) =>
      `{${metadata}"step":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"epoch":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}`;
    const data = Buffer.concat([
      new Uint8Array(BigInt64Array.of(300n).buffer),
      new Uint8Array(Float32Array.of(2).buffer),
    ]);
    await withCheckpoint(fileIn(folder, 'step.safetensors', rawFile(step(''), data)), async ({ metadata }) => {
      expect({ ...metadata }).toEqual({ step: '300', epoch: '2' });
    });
    const told = rawFile(step('"__metadata__":{"step":"7"},'), data);
    await withCheckpoint(fileIn(folder, 'told.safetensors', told), async ({ metadata }) => {
      expect(metadata.step).toBe('7');
    });
  });

  it('lists its tensors in the order of their data, with metadata and places', async () => {
    const header =
      '{"late":{"dtype":"F32","shape":[1,2],"data_offsets":[3,11]},"__metadata__":{"step":"7","constructor":"\\u00e9\\ud83d\\ude00\\n"},' +
      '"early":{"data_offsets":[0,3],"shape":[3],"dtype":"U8"},"none":{"dtype":"F64","shape":[0,4],"data_offsets":[3,3]}}';
    const path = fileIn(folder, 'listing.safetensors', rawFile(header, 11));
    await withCheckpoint(path, async (checkpoint) => {
      const offset = 8 + header.length;
      expect(checkpoint.path).toBe(path);
      expect(checkpoint.files).toEqual([path]);
      expect({ ...checkpoint.metadata }).toEqual({ step: '7', constructor: 'é😀\n' });
      expect(checkpoint.metadata.toString).toBeUndefined();
      expect([...checkpoint.tensors]).toEqual([
        ['early', { name: 'early', dtype: 'U8', shape: [3], bytes: 3, file: path, offset }],
        ['none', { name: 'none', dtype: 'F64', shape: [0, 4], bytes: 0, file: path, offset: offset + 3 }],
        ['late', { name: 'late', dtype: 'F32', shape: [1, 2], bytes: 8, file: path, offset: offset + 3 }],
      ]);
    });
  });

  it('reads scalars, empty tensors and data at odd addresses', async () => {
    const header =
      '{"pad":{"dtype":"BOOL","shape":[],"data_offsets":[0,1]},"s":{"dtype":"F64","shape":[],"data_offsets":[1,9]},' +
      '"e":{"dtype":"F16","shape":[2,0],"data_offsets":[9,9]},"v":{"dtype":"BF16","shape":[2],"data_offsets":[9,13]}}   ';
    const data = Buffer.alloc(13);
    data.writeDoubleLE(-0.1, 1);
    data.writeUInt16LE(0x3fc0, 9);
    data.writeUInt16LE(0xff80, 11);
    const tensors = await readAll(fileIn(folder, 'odd.safetensors', rawFile(header, data)));
    expect([...tensors]).toEqual([
      ['s', { data: Float64Array.of(-0.1), shape: [] }],
      ['e', { data: new Float32Array(0), shape: [2, 0] }],
      ['v', { data: Float32Array.of(1.5, -Infinity), shape: [2] }],
    ]);
  });

  it('may be without tensors and may have whitespace anywhere in its JSON', async () => {
    expect(await readAll(fileIn(folder, 'none.safetensors', rawFile('{}')))).toEqual(new Map());
    const header = '{\n\t"a" : { "dtype" :"F32",\r\n "shape": [ 1 , 1 ] , "data_offsets":[0 ,4] } }';
    const tensors = await readAll(fileIn(folder, 'spaces.safetensors', rawFile(header, 4)));
    expect(tensors.get('a')).toEqual({ data: Float32Array.of(0), shape: [1, 1] });
  });

  it('may have its header padded by any number of spaces', async () => {
    const path = fileIn(folder, 'padded.safetensors', rawFile(`{}${' '.repeat(3_000_000)}`));
    expect(await readAll(path)).toEqual(new Map());
  });

  it('lists every element type of the format and refuses to read those that are no weights', async () => {
    const sizes: Record<string, number> = { F4: 4, F6_E2M3: 6, F6_E3M2: 6, BOOL: 8, C64: 64 };
    let offset = 0;
    const members = DTYPE_NAMES.map((dtype) => {
      const bytes = sizes[dtype] ?? Number(/\d+/.exec(dtype)?.[0]);
      offset += bytes;
      return `"t.${dtype}":{"dtype":"${dtype}","shape":[2,4],"data_offsets":[${offset - bytes},${offset}]}`;
    });
    const path = fileIn(folder, 'types.safetensors', rawFile(`{${members.join(',')}}`, offset));
    await withCheckpoint(path, async (checkpoint) => {
      expect([...checkpoint.tensors.values()].map((entry) => entry.dtype)).toEqual(DTYPE_NAMES);
      for (const { name, dtype } of checkpoint.tensors.values()) {
        if (['F64', 'F32', 'F16', 'BF16'].includes(dtype)) {
          expect((await checkpoint.read(name)).data.length).toBe(8);
          continue;
        }
        const error = await rejection(checkpoint.read(name));
        expect(error).toMatchObject({ code: 'UNSUPPORTED_DTYPE', file: path, tensor: name });
        expect(error.message).toContain(`elements of type ${dtype} cannot be weights. Convert`);
      }
    });
  });

  it('reads tensors of many chunks and tensors beyond 2 GiB', async () => {
    const far = 2 ** 31 + 12_345;
    const length = 1_500_001;
    const header =
      `{"skip":{"dtype":"U8","shape":[${far}],"data_offsets":[0,${far}]},` +
      `"w":{"dtype":"F16","shape":[${length}],"data_offsets":[${far},${far + 2 * length}]}}`;
    const path = join(folder, 'large.safetensors');
    const file = openSync(path, 'w');
    const start = rawFile(header);
    writeSync(file, start);
    const words = Uint16Array.from({ length }, (_, i) => 0x3c00 + (i % 1024));
    writeSync(file, Buffer.from(words.buffer), 0, words.byteLength, start.length + far);
    ftruncateSync(file, start.length + far + 2 * length);
    closeSync(file);
    const { data } = await withCheckpoint(path, (checkpoint) => checkpoint.read('w'));
    truncateSync(path);
    expect(data.length).toBe(length);
    expect(data.findIndex((value, i) => value !== 1 + (i % 1024) / 1024)).toBe(-1);
  });

  it('has the SHA-256 of its bytes', async () => {
    const bytes = rawFile('{"a":{"dtype":"U8","shape":[5000000],"data_offsets":[0,5000000]}}', 5_000_000);
    const digest = await withCheckpoint(fileIn(folder, 'hash.safetensors', bytes), (checkpoint) => checkpoint.sha256());
    expect(digest).toBe(createHash('sha256').update(bytes).digest('hex'));
  });

  it('says which tensor it does not have', async () => {
    const path = fileIn(folder, 'empty.safetensors', rawFile('{}'));
    const error = await withCheckpoint(path, (checkpoint) => rejection(checkpoint.read('toString')));
    expect(error.code).toBe('INVALID_ARGUMENT');
    expect(error.message).toContain('there is no tensor "toString"');
  });
});

describe('a path is refused if', () => {
  it('nothing is there', async () => {
    for (const path of [join(folder, 'missing.safetensors'), join(fileIn(folder, 'plain', ''), 'below.safetensors')]) {
      const error = await rejection(openCheckpoint(path));
      expect(error).toMatchObject({ code: 'FILE_NOT_FOUND', file: path });
      expect(error.message).toContain('there is no such file');
    }
  });

  it('it is a directory', async () => {
    mkdirSync(join(folder, 'folder.safetensors'));
    const error = await rejection(openCheckpoint(join(folder, 'folder.safetensors')));
    expect(error.code).toBe('INVALID_FILE');
    expect(error.message).toContain('this is a directory, not a file');
  });

  it.skipIf(process.platform === 'win32')('it is a FIFO or a device, without waiting for it', async () => {
    const fifo = join(folder, 'fifo.safetensors');
    execFileSync('mkfifo', [fifo]);
    expect((await rejection(openCheckpoint(fifo))).message).toContain('this is a FIFO, not a file');
    expect((await rejection(openCheckpoint('/dev/zero'))).message).toContain('this is a device, not a file');
  });

  it.skipIf(process.platform === 'win32' || process.getuid?.() === 0)('it may not be read', async () => {
    const path = fileIn(folder, 'secret.safetensors', rawFile('{}'));
    chmodSync(path, 0);
    const error = await rejection(openCheckpoint(path));
    expect(error.code).toBe('FILE_NOT_FOUND');
    expect(error.message).toContain('permission denied');
  });

  it('it can be no path', async () => {
    for (const path of ['', 'a\0b', 7, undefined])
      expect((await rejection(openCheckpoint(path as string))).code).toBe('INVALID_ARGUMENT');
  });
});

describe('reading stops', () => {
  const header = '{"w":{"dtype":"F32","shape":[1000],"data_offsets":[0,4000]}}';

  it('with a clear error when the file becomes shorter', async () => {
    const path = fileIn(folder, 'shrinking.safetensors', rawFile(header, 4000));
    await withCheckpoint(path, async (checkpoint) => {
      truncateSync(path, 1000);
      for (const reading of [() => checkpoint.read('w'), () => checkpoint.sha256()]) {
        const error = await rejection(reading());
        expect(error.code).toBe('FILE_CHANGED');
        expect(error.message).toContain('had 4,068 bytes when it was opened and now ends after 1,000 bytes');
      }
      expect((await rejection(checkpoint.read('w'))).tensor).toBe('w');
    });
  });

  it('with the reason of the signal', async () => {
    const path = fileIn(folder, 'abort.safetensors', rawFile(header, 4000));
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    await expect(openCheckpoint(path, signal)).rejects.toBe(reason);
    await withCheckpoint(path, async (checkpoint) => {
      await expect(checkpoint.read('w', signal)).rejects.toBe(reason);
      await expect(checkpoint.sha256(signal)).rejects.toBe(reason);
    });
  });

  it('between two chunks when aborted on the way', async () => {
    const bytes = 50_000_000;
    const large = `{"w":{"dtype":"U8","shape":[${bytes}],"data_offsets":[0,${bytes}]}}`;
    const path = fileIn(folder, 'abort-late.safetensors', rawFile(large, bytes));
    await withCheckpoint(path, async (checkpoint) => {
      const controller = new AbortController();
      const hashing = checkpoint.sha256(controller.signal);
      setImmediate(() => controller.abort(new Error('on the way')));
      await expect(hashing).rejects.toThrow('on the way');
    });
  });

  it('when the checkpoint is closed, which may be done twice', async () => {
    const checkpoint = await openCheckpoint(fileIn(folder, 'closed.safetensors', rawFile(header, 4000)));
    await checkpoint.close();
    await checkpoint[Symbol.asyncDispose]();
    const error = await rejection(checkpoint.read('w'));
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', tensor: 'w' });
    expect(error.message).toContain('has been closed');
  });
});
