import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TensimError } from '../../../lib/errors.js';
import { loadInputs, loadInputs as readNpy } from '../../../lib/evaluation/inputs_file.js';
import { writeSafetensors } from '../../../lib/formats/safetensors/write.js';
import { matrixNpy } from '../../../lib/report/npy.js';
import { runs } from '../../support/campaign.js';
import { fileIn, rejection, temporaryFolder } from '../safetensors/helpers.js';

const root = temporaryFolder();
let files = 0;
const write = (bytes: Uint8Array | string, name = `${files++}.npy`) => fileIn(root, name, bytes as never);

/** An .npy file as NumPy writes it. */
function npy(descr: string, shape: string, data: Uint8Array, { order = 'False', version = 1 } = {}): Buffer {
  const text = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }\n`;
  const length = Buffer.alloc(version === 1 ? 2 : 4);
  if (version === 1) length.writeUInt16LE(text.length);
  else length.writeUInt32LE(text.length);
  return Buffer.concat([
    Buffer.from([0x93]),
    Buffer.from('NUMPY'),
    Buffer.from([version, 0]),
    length,
    Buffer.from(text),
    data,
  ]);
}

const bytesOf = (array: ArrayBufferView) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

describe('readNpy', () => {
  test('reads back the matrix of a report', async () => {
    const rows = [Float64Array.of(1, Number.NaN), Float64Array.of(-0, 5e-324)];
    const file = write(Buffer.concat([...matrixNpy(rows)]));
    expect(await readNpy(file)).toEqual({ data: Float64Array.of(1, Number.NaN, -0, 5e-324), shape: [2, 2] });
  });

  test.each([
    ['<f8', bytesOf(Float64Array.of(1.5, -2)), Float64Array.of(1.5, -2)],
    ['<f4', bytesOf(Float32Array.of(1.5, -2)), Float32Array.of(1.5, -2)],
    ['<f2', bytesOf(Uint16Array.of(0x3c00, 0xc000)), Float32Array.of(1, -2)],
    ['>f4', bytesOf(Float32Array.of(1.5, -2)).slice().reverse(), Float32Array.of(-2, 1.5)],
    ['|u1', Uint8Array.of(0, 255), Int32Array.of(0, 255)],
    ['|i1', Uint8Array.of(0, 255), Int32Array.of(0, -1)],
    ['<i2', bytesOf(Int16Array.of(-3, 7)), Int32Array.of(-3, 7)],
    ['<u2', bytesOf(Uint16Array.of(3, 65535)), Int32Array.of(3, 65535)],
    ['<i4', bytesOf(Int32Array.of(-3, 7)), Int32Array.of(-3, 7)],
    ['>i4', Uint8Array.of(0, 0, 0, 1, 0, 0, 1, 0), Int32Array.of(1, 256)],
    ['<u4', bytesOf(Uint32Array.of(3, 7)), Int32Array.of(3, 7)],
    ['<i8', bytesOf(BigInt64Array.of(-3n, 7n)), Int32Array.of(-3, 7)],
    ['<u8', bytesOf(BigUint64Array.of(3n, 7n)), Int32Array.of(3, 7)],
  ])('reads %s', async (descr, bytes, data) => {
    for (const version of [1, 2, 3])
      expect(await readNpy(write(npy(descr, '(2,)', bytes, { version })))).toEqual({ data, shape: [2] });
  });

  test('Fortran order is put in row-major order', async () => {
    const columns = npy('<f4', '(2, 3)', bytesOf(Float32Array.of(1, 4, 2, 5, 3, 6)), { order: 'True' });
    expect(await readNpy(write(columns))).toEqual({ data: Float32Array.of(1, 2, 3, 4, 5, 6), shape: [2, 3] });
  });

  test('one axis in Fortran order is the same; a scalar has no axes', async () => {
    const one = npy('<f8', '(1,)', bytesOf(Float64Array.of(3)), { order: 'True' });
    expect((await readNpy(write(one))).shape).toEqual([1]);
    expect((await readNpy(write(npy('<f8', '()', bytesOf(Float64Array.of(3)))))).shape).toEqual([]);
  });

  test('headers with quotes of the other kind, and long integers of Python 2', async () => {
    const eight = Buffer.concat([...matrixNpy([Float64Array.of(1)])]);
    const changed = (from: RegExp, to: string) => {
      const text = eight.toString('latin1');
      return Buffer.from(text.replace(from, to).replace('  \n', '\n'), 'latin1');
    };
    const quotes = Buffer.from(eight.toString('latin1').replaceAll("'", '"'), 'latin1');
    for (const bytes of [quotes, changed(/\(1, 1\)/, '(1L, 1L)')])
      expect(await readNpy(write(bytes))).toEqual({ data: Float64Array.of(1), shape: [1, 1] });
  });

  const eight = bytesOf(Float64Array.of(1));
  test.each([
    ['33 axes', npy('<f8', `(${'1,'.repeat(33)})`, eight), 'INVALID_FILE', 'shape'],
    ['objects', npy('|O', '(1,)', eight), 'UNSUPPORTED_DTYPE', '|O'],
    ['a structure', npy("<f8', 'x': '", '(1,)', eight), 'INVALID_FILE', 'header'],
    ['complex numbers', npy('<c16', '(1,)', eight), 'UNSUPPORTED_DTYPE', 'c16'],
    ['prototype pollution', npy('toString', '(1,)', eight), 'UNSUPPORTED_DTYPE', 'toString'],
    ['too much data', npy('<f8', '(1,)', Buffer.alloc(9)), 'INVALID_FILE', '9 bytes'],
    ['too little data', npy('<f8', '(2,)', eight), 'INVALID_FILE', '8 bytes'],
    ['a huge shape', npy('<f8', '(999999999999999, 999999999999999)', eight), 'INVALID_FILE', '8 bytes'],
    ['a negative extent', npy('<f8', '(-1,)', eight), 'INVALID_FILE', 'header'],
    [
      'an integer beyond 32 bits',
      npy('<i8', '(1,)', bytesOf(BigInt64Array.of(2n ** 31n))),
      'INVALID_FILE',
      'element 0',
    ],
    [
      'an integer beyond 53 bits',
      npy('<u8', '(1,)', bytesOf(BigUint64Array.of(2n ** 64n - 1n))),
      'INVALID_FILE',
      '32-bit',
    ],
    ['another version', npy('<f8', '(1,)', eight, { version: 9 }), 'INVALID_FILE', 'version 9'],
    ['text', Buffer.from('step,loss\n0,1.5\n'), 'INVALID_FILE', 'no .npy file'],
    ['nothing', Buffer.alloc(0), 'INVALID_FILE', 'too short'],
  ])('refuses %s', async (_, bytes, code, message) => {
    const error = await rejection(readNpy(write(bytes)));
    expect(error).toMatchObject({ code });
    expect((error as Error).message).toContain(message);
  });

  test('whatever is changed in a file, it is read or refused, and nothing else', async () => {
    const good = npy('<f8', '(2, 3)', bytesOf(Float64Array.of(1, 2, 3, 4, 5, 6)));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 }),
        fc.nat(good.length),
        async (changes, end) => {
          const bytes = Buffer.from(good);
          for (const [at, value] of changes) bytes[at] = value;
          const read = readNpy(write(bytes.subarray(0, end === 0 ? bytes.length : end), 'changed.npy'));
          const outcome = await read.catch((error: unknown) => error);
          if (outcome instanceof Error) expect(outcome).toBeInstanceOf(TensimError);
          else expect((outcome as { shape: number[] }).shape.reduce((a, b) => a * b, 1)).toBeGreaterThan(0);
        },
      ),
      { numRuns: runs(300) },
    );
  });
});

describe('loadInputs', () => {
  test('takes the only array beside numbers without axes', async () => {
    const file = join(root, 'numbered.safetensors');
    await writeSafetensors(
      file,
      new Map([
        ['x', numbers],
        ['step', { data: Float32Array.of(7), shape: [] }],
      ]),
    );
    expect(await loadInputs(file)).toEqual(numbers);
  });

  test('takes truth values for vectors of zeros and ones', async () => {
    const file = write(npy('|b1', '(2, 2)', Uint8Array.of(1, 0, 0, 1)));
    expect(await loadInputs(file)).toEqual({ data: Float32Array.of(1, 0, 0, 1), shape: [2, 2] });
  });

  const numbers = { data: Float32Array.of(1, 2), shape: [1, 2] };

  test('takes the only tensor of a safetensors file, or the one called inputs', async () => {
    const only = join(root, 'only.safetensors');
    await writeSafetensors(only, new Map([['x', numbers]]));
    expect(await loadInputs(only)).toEqual(numbers);
    const named = join(root, 'named.safetensors');
    await writeSafetensors(
      named,
      new Map([
        ['labels', { data: Float32Array.of(9), shape: [1] }],
        ['inputs', numbers],
      ]),
    );
    expect(await loadInputs(named)).toEqual(numbers);
    const many = join(root, 'many.safetensors');
    await writeSafetensors(
      many,
      new Map([
        ['x', numbers],
        ['y', numbers],
      ]),
    );
    expect(await rejection(loadInputs(many))).toMatchObject({ code: 'INVALID_FILE' });
  });

  test('integers are token ids', async () => {
    const data = bytesOf(BigInt64Array.of(3n, 0n, 1n, 2n));
    const header = JSON.stringify({ t: { dtype: 'I64', shape: [2, 2], data_offsets: [0, 32] } });
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    const file = write(Buffer.concat([length, Buffer.from(header), data]), 'tokens.safetensors');
    expect(await loadInputs(file)).toEqual({ data: Int32Array.of(3, 0, 1, 2), shape: [2, 2] });
    const npyFile = write(npy('<i4', '(1, 2)', bytesOf(Int32Array.of(4, 5))), 'tokens.npy');
    expect(await loadInputs(npyFile)).toEqual({ data: Int32Array.of(4, 5), shape: [1, 2] });
  });
});
