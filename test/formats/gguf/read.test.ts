import { describe, expect, test } from 'vitest';
import { openCheckpoint } from '../../../lib/formats/checkpoint.js';
import { type GgufFile, type GgufValue, gguf, ggufFloats, GGUF_KIND as K } from '../../support/gguf.js';
import { fileIn, rejection, temporaryFolder } from '../safetensors/helpers.js';

const folder = temporaryFolder();
const W = ggufFloats('blk.0.w', [3, 2], [1, 2, 3, 4, 5, 6]);

async function open<Result>(
  file: GgufFile | Uint8Array,
  use: (checkpoint: Awaited<ReturnType<typeof openCheckpoint>>) => Result | Promise<Result>,
  name = 'model.gguf',
): Promise<Result> {
  const checkpoint = await openCheckpoint(fileIn(folder, name, file instanceof Uint8Array ? file : gguf(file)));
  try {
    return await use(checkpoint);
  } finally {
    await checkpoint.close();
  }
}
const refusal = (bytes: Uint8Array) => rejection(openCheckpoint(fileIn(folder, 'model.gguf', bytes)));

describe('tensors of GGUF', () => {
  test.each([1, 2, 3])('of version %i are row-major, the reverse of how it lists their extents', async (version) => {
    const tensors = [ggufFloats('v', [5], [9, 8, 7, 6, 5]), W];
    const read = await open({ version, tensors }, async (file) => [await file.read('blk.0.w'), file.format]);
    expect(read).toEqual([{ data: Float32Array.of(1, 2, 3, 4, 5, 6), shape: [2, 3] }, 'gguf']);
  });

  test.each([
    ['float16', 1, Uint16Array.of(0x3e00, 0xc000), Float32Array],
    ['bfloat16', 30, Uint16Array.of(0x3fc0, 0xc000), Float32Array],
    ['float64', 28, Float64Array.of(1.5, -2), Float64Array],
  ] as const)('of %s are read exactly', async (_, type, values, Type) => {
    const data = new Uint8Array(values.buffer);
    const tensors = [{ name: 'w', extents: [2], type, data }];
    expect((await open({ tensors }, (file) => file.read('w'))).data).toEqual(Type.of(1.5, -2));
  });

  test('of files with the other order of bytes are read in it', async () => {
    const data = Buffer.from(W.data).swap32();
    const file: GgufFile = { bigEndian: true, tensors: [{ ...W, data }], metadata: [['n', [K.u32, 7]]] };
    const read = await open(file, async (one) => [(await one.read('blk.0.w')).data, one.metadata.n]);
    expect(read).toEqual([Float32Array.of(1, 2, 3, 4, 5, 6), '7']);
  });

  test('lie where the alignment of the file says', async () => {
    const metadata: GgufFile['metadata'] = [['general.alignment', [K.u32, 256]]];
    const tensors = [ggufFloats('v', [1], [7]), W];
    const read = await open({ alignment: 256, metadata, tensors }, (file) => file.read('blk.0.w'));
    expect(read.data).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6));
  });

  test.each([
    ['Q4_0', 2, 18],
    ['Q8_0', 8, 34],
    ['NVFP4', 40, 18],
    ['Q2_0', 42, 9],
  ])(
    'of the packed type %s are listed by their name and their size of 32, and are no weights',
    async (dtype, type, bytes) => {
      const tensors = [{ name: 'w', extents: [64, 3], type, data: new Uint8Array(6 * bytes).fill(1) }];
      const [entry, raw, error] = await open({ tensors }, async (file) => [
        file.tensors.get('w'),
        await file.readBytes('w'),
        await rejection(file.read('w')),
      ]);
      expect(entry).toMatchObject({ dtype, shape: [3, 64], bytes: 6 * bytes });
      expect(raw).toEqual(new Uint8Array(6 * bytes).fill(1));
      expect(error).toMatchObject({ code: 'UNSUPPORTED_DTYPE', tensor: 'w' });
      expect(error.message).toContain(dtype);
    },
  );

  test('are found by what is in a file without an ending', async () => {
    expect(await open({ tensors: [W] }, (file) => file.format, 'unnamed')).toBe('gguf');
  });
});

test('the metadata are texts: numbers as they are, short lists as JSON; vocabularies are passed over', async () => {
  const list = (of: number, values: readonly GgufValue[]): GgufValue => [K.list, values, of];
  const metadata: GgufFile['metadata'] = [
    ['general.architecture', [K.text, 'llama']],
    ['llama.block_count', [K.u32, 5]],
    ['i8', [K.i8, -3]],
    ['u8', [K.u8, 200]],
    ['i16', [K.i16, -300]],
    ['u16', [K.u16, 60_000]],
    ['i32', [K.i32, -70_000]],
    ['u64', [K.u64, 2n ** 63n]],
    ['i64', [K.i64, -5n]],
    ['f32', [K.f32, 0.5]],
    ['f64', [K.f64, 1e-6]],
    ['yes', [K.bool, 1]],
    [
      'per_layer',
      list(K.i32, [
        [K.i32, 1],
        [K.i32, -2],
      ]),
    ],
    [
      'flags',
      list(K.bool, [
        [K.bool, 1],
        [K.bool, 0],
      ]),
    ],
    [
      'tokens',
      list(K.text, [
        [K.text, 'a'],
        [K.text, 'bc'],
      ]),
    ],
    ['nested', list(K.list, [list(K.u8, [[K.u8, 1]]), list(K.text, [[K.text, 'x']])])],
    ['long', list(K.u8, new Array(2000).fill([K.u8, 1]))],
    ['__proto__', [K.text, 'no']],
    ['last', [K.text, 'x']],
  ];
  const expected = {
    'general.architecture': 'llama',
    'llama.block_count': '5',
    i8: '-3',
    u8: '200',
    i16: '-300',
    u16: '60000',
    i32: '-70000',
    u64: '9223372036854775808',
    i64: '-5',
    f32: '0.5',
    f64: '0.000001',
    yes: 'true',
    per_layer: '[1,-2]',
    flags: '[true,false]',
    last: 'x',
  };
  const read = await open({ metadata, tensors: [W] }, (file) => file.metadata);
  expect(read).toEqual(Object.assign(Object.create(null), expected));
});

describe('a GGUF file is refused if', () => {
  const whole = gguf({ tensors: [W], metadata: [['key', [K.text, 'value']]] });
  const changed = (at: number, ...bytes: number[]) =>
    Buffer.concat([whole.subarray(0, at), Buffer.from(bytes), whole.subarray(at + bytes.length)]);

  test.each<[string, Uint8Array, RegExp]>([
    ['it is empty', new Uint8Array(0), /is empty/],
    ['it begins with other letters', changed(0, 0x58), /is no GGUF file/],
    ['its version is not known', changed(4, 9), /of version 9, and 1 to 3 are read/],
    ['it lists more tensors than any model has', changed(8, 0, 0, 0, 0, 1), /lists 4294967296 tensors/],
    ['it has more metadata than any model', changed(16, 0, 0, 0, 0, 1), /4294967296 entries of metadata/],
    ['a value is of a kind that is not known', gguf({ metadata: [['k', [77, 1]]] }), /of kind 77/],
    ['a list is of a kind that is not known', gguf({ metadata: [['k', [K.list, [], 99]]] }), /a list of kind 99/],
    ['an element type is not known', gguf({ tensors: [{ ...W, type: 4 }] }), /"blk.0.w" has elements of type 4/],
    ['rows are no whole blocks', gguf({ tensors: [{ ...W, type: 8 }] }), /shape \[2, 3\], which no tensor of Q8_0 has/],
    ['two tensors have one name', gguf({ tensors: [W, W] }), /two tensors "blk.0.w"/],
    ['a tensor lies between places', gguf({ tensors: [{ ...W, offset: 4 }] }), /lies at byte 4/],
    [
      'a tensor lies behind its end',
      gguf({ tensors: [{ ...W, offset: 2 ** 40 }] }),
      /cut short: "blk.0.w" ends at byte/,
    ],
    [
      'metadata say a thing twice',
      gguf({
        metadata: [
          ['k', [K.u8, 1]],
          ['k', [K.u8, 2]],
        ],
      }),
      /say "k" twice/,
    ],
    ['a text is not UTF-8', changed(32, 0xff), /not UTF-8/],
    [
      'tensors are aligned to three bytes',
      gguf({ metadata: [['general.alignment', [K.u32, 3]]] }),
      /aligned to 3 bytes/,
    ],
    ['a tensor has as many axes as none', gguf({ tensors: [{ ...W, extents: new Array(40).fill(1) }] }), /has 40 axes/],
    ['a name acts on terminals', gguf({ tensors: [{ ...W, name: 'a\x1b[2J' }] }), /contains control characters/],
  ])('%s', async (_, bytes, message) => {
    const error = await refusal(bytes);
    expect(error).toMatchObject({ code: 'INVALID_FILE' });
    expect(error.message).toMatch(message);
  });

  test('it is cut short anywhere', async () => {
    for (let length = 1; length < whole.length - 8; length++)
      expect((await refusal(whole.subarray(0, length))).code, `${length}`).toBe('INVALID_FILE');
  });
});
