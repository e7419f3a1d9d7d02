import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TensimError } from '../../../lib/errors.js';
import type { NamedTensors } from '../../../lib/formats/outgoing.js';
import { encodeSafetensors, writeSafetensors } from '../../../lib/formats/safetensors/write.js';
import { decodeFloats, encodeFloats, type FloatFormat, floatArray } from '../../../lib/tensor/convert.js';
import { type Tensor, tensor } from '../../../lib/tensor/tensor.js';
import { runs } from '../../support/campaign.js';
import { fileIn, readAll, rejection, temporaryFolder, withCheckpoint } from './helpers.js';

const folder = temporaryFolder();

const anyTensor: fc.Arbitrary<Tensor> = fc.array(fc.nat(4), { maxLength: 4 }).chain((shape) => {
  const length = shape.reduce((a, b) => a * b, 1);
  const size = { minLength: length, maxLength: length };
  return fc.oneof(fc.float64Array(size), fc.float32Array(size)).map((data) => tensor(data, shape));
});

const anyTensors = fc
  .uniqueArray(fc.tuple(fc.string({ unit: 'grapheme', maxLength: 12 }), anyTensor), {
    maxLength: 6,
    selector: ([name]) => name,
  })
  .map(
    (entries) => new Map(entries.filter(([name]) => !/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]|^__proto__$/u.test(name))),
  );

describe('what is written', () => {
  it('is read again to the bit, in the same order, with its metadata', async () => {
    const metadata = fc.dictionary(
      fc.string({ unit: 'binary' }).filter(wellFormed),
      fc.string({ unit: 'binary' }).filter(wellFormed),
    );
    await fc.assert(
      fc.asyncProperty(anyTensors, metadata, async (tensors, given) => {
        const { ['__proto__']: _, ...strings } = given;
        const path = join(folder, 'property.safetensors');
        await writeSafetensors(path, tensors, strings);
        const read = await readAll(path);
        expect([...read.keys()]).toEqual([...tensors.keys()]);
        for (const [name, { data, shape }] of tensors) {
          expect(read.get(name)?.shape).toEqual(shape);
          expect(bytesOf(read.get(name) as Tensor)).toEqual(bytesOf({ data, shape }));
        }
        await withCheckpoint(path, async (checkpoint) => expect({ ...checkpoint.metadata }).toEqual(strings));
        expect(readFileSync(path).equals(encodeSafetensors(tensors, strings))).toBe(true);
      }),
      { numRuns: runs(60) },
    );
  });

  it.each(['F64', 'F32', 'F16', 'BF16'] as const)(
    'as %s is read as the rounded numbers',
    async (dtype: FloatFormat) => {
      const values = Float64Array.of(1 / 3, -0, 1e-7, -65_504, 3e-39, Infinity, Number.NaN, 1024.5);
      const expected = floatArray(dtype, values.length);
      decodeFloats(encodeFloats(values, dtype), dtype, expected);
      const path = join(folder, 'typed.safetensors');
      await writeSafetensors(path, { w: tensor(values, [2, 4]) }, {}, { dtype });
      expect((await readAll(path)).get('w')).toEqual({ data: expected, shape: [2, 4] });
      await withCheckpoint(path, async (checkpoint) => expect(checkpoint.tensors.get('w')?.dtype).toBe(dtype));
    },
  );

  it('follows strides: transposed, broadcast, every other element', async () => {
    const data = Float64Array.of(0, 1, 2, 3, 4, 5);
    const path = join(folder, 'strided.safetensors');
    await writeSafetensors(path, {
      transposed: { data, shape: [3, 2], strides: [1, 3] },
      broadcast: { data, shape: [2, 2], strides: [0, 1] },
      sparse: { data: Float32Array.from(data), shape: [3], strides: [2] },
      none: { data, shape: [0, 9], strides: [100, 100] },
      scalar: { data, shape: [], strides: [] },
    });
    const read = await readAll(path);
    expect([...read.values()].map(({ data }) => [...data])).toEqual([
      [0, 3, 1, 4, 2, 5],
      [0, 1, 0, 1],
      [0, 2, 4],
      [],
      [0],
    ]);
  });

  it('follows strides across the pieces in which it is written', () => {
    const [rows, columns] = [517, 613];
    const data = Float64Array.from({ length: rows * columns }, (_, i) => i);
    const bytes = encodeSafetensors({ t: { data, shape: [columns, rows], strides: [1, columns] } });
    const header = Number(Buffer.from(bytes).readBigUInt64LE());
    const written = new Float64Array(rows * columns);
    decodeFloats(bytes.subarray(8 + header), 'F64', written);
    expect(written.findIndex((value, i) => value !== (i % rows) * columns + Math.floor(i / rows))).toBe(-1);
  });

  it('has its data at a multiple of eight bytes and names in the order given', () => {
    fc.assert(
      fc.property(anyTensors, (tensors) => {
        const bytes = Buffer.from(encodeSafetensors(tensors));
        const length = Number(bytes.readBigUInt64LE());
        expect(length % 8).toBe(0);
        const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as object;
        expect(new Set(Object.keys(header))).toEqual(new Set(tensors.keys()));
      }),
    );
    const ordered = new Map(['10', '2', 'b', 'a'].map((name) => [name, tensor([1], [1])]));
    const text = Buffer.from(encodeSafetensors(ordered)).toString('latin1');
    const places = [...ordered.keys()].map((name) => text.indexOf(`"${name}":`));
    expect(places).toEqual([...places].sort((a, b) => a - b));
  });

  it('replaces a file at once and leaves nothing else behind', async () => {
    mkdirSync(join(folder, 'atomic'));
    const path = fileIn(folder, 'atomic/model.safetensors', 'old');
    const tooLarge = { fine: tensor(new Float64Array(500_000), [500_000]), large: tensor([1e300], [1]) };
    const error = await rejection(writeSafetensors(path, tooLarge, {}, { dtype: 'F32' }));
    expect(error).toMatchObject({ code: 'NOT_FINITE', tensor: 'large' });
    expect(error.message).toContain(
      '1e+300 is beyond the range of F32, whose largest number is 3.4028234663852886e+38',
    );
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(readdirSync(join(folder, 'atomic'))).toEqual(['model.safetensors']);
    await writeSafetensors(path, { w: tensor([2], [1]) });
    expect(readdirSync(join(folder, 'atomic'))).toEqual(['model.safetensors']);
    expect((await readAll(path)).size).toBe(1);
  });
});

describe('writing is refused if', () => {
  it('the folder does not exist', async () => {
    const path = join(folder, 'nowhere', 'model.safetensors');
    const error = await rejection(writeSafetensors(path, {}));
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', file: path });
    expect(error.message).toContain('cannot be written (ENOENT');
    expect(existsSync(join(folder, 'nowhere'))).toBe(false);
  });

  const one = tensor([1], [1]);
  const data = new Float64Array(6);
  const cases: [string, NamedTensors, string, string][] = [
    ['a name is reserved', new Map([['__metadata__', one]]), 'INVALID_ARGUMENT', '"__metadata__" is reserved'],
    ['a name has control characters', { 'a\u001b': one }, 'INVALID_ARGUMENT', '"a\\u001b" contains control characters'],
    ['a name is half a character', { '\ud83d': one }, 'INVALID_ARGUMENT', 'half a surrogate pair'],
    ['a name is very long', { ['é'.repeat(513)]: one }, 'INVALID_ARGUMENT', 'longer than 1,024 bytes'],
    ['data is no typed array', { w: { data: [1] as never, shape: [1] } }, 'INVALID_ARGUMENT', 'must be a Float64Array'],
    ['a shape does not fit', { w: { data, shape: [5] } }, 'SHAPE_MISMATCH', 'shape [5] has 5 elements, the data 6'],
    ['a shape is negative', { w: { data, shape: [-2, -3] } }, 'SHAPE_MISMATCH', 'non-negative integers'],
    ['strides reach too far', { w: { data, shape: [2, 3], strides: [4, 1] } }, 'SHAPE_MISMATCH', 'elements 0 to 6'],
    ['strides reach below zero', { w: { data, shape: [2], strides: [-1] } }, 'SHAPE_MISMATCH', 'elements -1 to 0'],
    [
      'strides are too few',
      { w: { data, shape: [2, 3], strides: [1] } },
      'SHAPE_MISMATCH',
      'one integer for each axis',
    ],
    [
      'there are too many axes',
      { w: { data: Float64Array.of(1), shape: Array(33).fill(1) } },
      'SHAPE_MISMATCH',
      '33 axes',
    ],
  ];
  it.each(cases)('%s', (_, tensors, code, message) => {
    expect(() => encodeSafetensors(tensors)).toThrow(TensimError);
    expect(() => encodeSafetensors(tensors)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    );
  });

  it.each([
    ['is no string', { step: 5 as never }, '"step" is of type number'],
    ['has half a character', { step: '\udc00' }, 'half a surrogate pair'],
    ['has the key __proto__', JSON.parse('{"__proto__":"x"}'), '"__proto__"'],
  ])('metadata %s', (_, metadata, message) => {
    expect(() => encodeSafetensors({}, metadata)).toThrow(message);
  });

  it('the dtype cannot be written', () => {
    expect(() => encodeSafetensors({ w: one }, {}, { dtype: 'I8' as never })).toThrow(
      'dtype must be F64, F32, F16 or BF16, found "I8"',
    );
  });
});

function wellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}

function bytesOf({ data }: Tensor): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
