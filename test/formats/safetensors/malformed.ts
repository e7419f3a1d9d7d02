import { DTYPE_NAMES } from '../../../lib/formats/safetensors/dtypes.js';
import { rawFile } from './helpers.js';

/**
 * A seeded generator of numbers in [0, 1) (mulberry32), so that a case that fails can be made again from its number.
 */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Random = () => number;
/** The header as raw JSON text of keys and values, so that it can be wrong in ways that objects cannot. */
type Members = [key: string, value: string][];

interface Draft {
  members: Members;
  /** dtype, shape and offsets of the tensors, as raw text, beside their place in `members`. */
  tensors: { at: number; dtype: string; shape: string[]; offsets: string[] }[];
  data: Buffer;
}

const below = (next: Random, limit: number) => Math.floor(next() * limit);
const pick = <T>(next: Random, items: readonly T[]): T => items[below(next, items.length)];

const BITS: Record<string, number> = { F4: 4, F6_E2M3: 6, F6_E3M2: 6, BOOL: 8 };
const bitsOf = (dtype: string) => BITS[dtype] ?? Number(/\d+/.exec(dtype)?.[0]);

function entry(tensor: Draft['tensors'][number]): string {
  return `{"dtype":"${tensor.dtype}","shape":[${tensor.shape}],"data_offsets":[${tensor.offsets}]}`;
}

/** A valid file before it is spoilt: some tensors of any type, shuffled in the header, perhaps metadata. */
function draft(next: Random): Draft {
  const members: Members = [];
  if (next() < 0.5) members.push(['"__metadata__"', '{"step":"12","note":"caf\u00e9 \\u00e9 \\"x\\""}']);
  const tensors: Draft['tensors'] = [];
  let offset = 0;
  const count = 1 + below(next, 4);
  for (let i = 0; i < count; i++) {
    const dtype = pick(next, next() < 0.7 ? ['F64', 'F32', 'F16', 'BF16'] : DTYPE_NAMES);
    const shape = Array.from({ length: below(next, 4) }, () => below(next, 5));
    if (bitsOf(dtype) < 8) shape.push(4);
    const bytes = (shape.reduce((a, b) => a * b, 1) * bitsOf(dtype)) / 8;
    tensors.push({ at: 0, dtype, shape: shape.map(String), offsets: [`${offset}`, `${offset + bytes}`] });
    offset += bytes;
  }
  const order = tensors.map((_, i) => i).sort(() => next() - 0.5);
  for (const i of order) {
    tensors[i].at = members.length;
    members.push([`"layer.${i}.weight"`, entry(tensors[i])]);
  }
  return { members, tensors, data: Buffer.from(Array.from({ length: offset }, () => below(next, 256))) };
}

function assemble(next: Random, { members, data }: Draft): Buffer {
  const space = pick(next, ['', '', ' ', '\n\t']);
  const text = members.map(([key, value]) => `${key}${space}:${space}${value}`).join(`,${space}`);
  return rawFile(`{${text}}${' '.repeat(below(next, 9))}`, data);
}

const NUMBERS = [
  '-1',
  '-0',
  '1.0',
  '1e2',
  '01',
  '0x10',
  '1e999',
  'NaN',
  '""',
  'null',
  '[]',
  '{}',
  'true',
  '+1',
  '.5',
  '',
]
  .concat([
    '2147483648',
    '4294967296',
    '9007199254740991',
    '9007199254740992',
    '18446744073709551615',
    '18446744073709551616',
  ])
  .concat('9'.repeat(5000));
const VALUES = [
  'null',
  'true',
  '7',
  '""',
  '"F32"',
  '[]',
  '{}',
  '[[]]',
  '{"a":1}',
  '',
  'undefined',
  "'x'",
  '"\\ud800"',
  '"\\u12"',
];
const NESTED = ['[', '{"a":', '[{"shape":', '{"dtype":{"dtype":', ' ['];

type Spoil = (next: Random, draft: Draft) => Buffer;

/** Changes a tensor of the draft, writes it back and assembles the file. */
function retell(change: (next: Random, tensor: Draft['tensors'][number], draft: Draft) => void): Spoil {
  return (next, draft) => {
    const tensor = pick(next, draft.tensors);
    change(next, tensor, draft);
    draft.members[tensor.at][1] = entry(tensor);
    return assemble(next, draft);
  };
}

/** Changes the raw text of a member and assembles the file. */
function rewrite(change: (next: Random, member: Members[number], draft: Draft) => void): Spoil {
  return (next, draft) => {
    change(next, pick(next, draft.members), draft);
    return assemble(next, draft);
  };
}

/** Changes the bytes of the valid file. */
function spoil(change: (next: Random, file: Buffer, headerLength: number) => Buffer): Spoil {
  return (next, draft) => {
    const file = assemble(next, draft);
    return change(next, file, Number(file.readBigUInt64LE()));
  };
}

/** The ways in which a valid file is spoilt. Some of them, sometimes, leave it valid. */
export const SPOILS: Readonly<Record<string, Spoil>> = {
  truncated: spoil((next, file) => file.subarray(0, below(next, file.length))),
  extended: spoil((next, file) => Buffer.concat([file, Buffer.alloc(1 + below(next, 40), below(next, 256))])),
  'bit of the length flipped': spoil((next, file) => {
    file[below(next, 8)] ^= 1 << below(next, 8);
    return file;
  }),
  'length replaced': spoil((next, file, length) => {
    const near = BigInt(length + below(next, 21) - 10);
    const huge = [100_000_000n, 100_000_001n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n, 0n, 1n];
    file.writeBigUInt64LE(BigInt.asUintN(64, next() < 0.5 ? near : pick(next, huge)));
    return file;
  }),
  'bytes of the header flipped': spoil((next, file, length) => {
    for (let i = 1 + below(next, 3); i > 0; i--) file[8 + below(next, length)] ^= 1 << below(next, 8);
    return file;
  }),
  'characters of the header replaced': spoil((next, file, length) => {
    for (let i = 1 + below(next, 3); i > 0; i--)
      file.write(pick(next, [...'{}[]",:\\0919-+.eE tfnuF \t\n']), 8 + below(next, length));
    return file;
  }),
  'invalid UTF-8': spoil((next, file, length) => {
    const bytes = pick(next, [
      [0xff],
      [0x80],
      [0xc0, 0xaf],
      [0xe2, 0x82],
      [0xed, 0xa0, 0x80],
      [0xf5, 0x80, 0x80, 0x80],
    ]);
    const at = 8 + below(next, length);
    for (const [i, byte] of bytes.entries()) if (at + i < 8 + length) file[at + i] = byte;
    return file;
  }),
  'piece of the header moved': spoil((next, file, length) => {
    const from = 8 + below(next, length);
    file.copyWithin(8 + below(next, length), from, Math.min(from + below(next, 30), 8 + length));
    return file;
  }),
  'random bytes': (next) => Buffer.from(Array.from({ length: below(next, 300) }, () => below(next, 256))),
  'random header': (next) =>
    rawFile(
      Buffer.from(`{${Array.from({ length: below(next, 200) }, () => pick(next, [...'{}[]",:01eF\\u '])).join('')}`),
    ),
  'offset moved': retell((next, tensor) => {
    const which = below(next, 2);
    tensor.offsets[which] = String(Number(tensor.offsets[which]) + below(next, 17) - 8);
  }),
  'tensor moved': retell((next, tensor) => {
    const by = below(next, 33) - 16;
    tensor.offsets = tensor.offsets.map((offset) => String(Math.max(0, Number(offset) + by)));
  }),
  'offsets of another tensor': retell((next, tensor, { tensors }) => {
    tensor.offsets = pick(next, tensors).offsets;
  }),
  'offsets swapped': retell((_, tensor) => {
    tensor.offsets = [tensor.offsets[1], tensor.offsets[0]];
  }),
  'bad number': retell((next, tensor) => {
    const list = pick(next, [tensor.shape, tensor.offsets]);
    list[below(next, list.length + 1)] = pick(next, NUMBERS);
  }),
  'lying shape': retell((next, tensor) => {
    if (next() < 0.5) tensor.shape.push(pick(next, ['0', '1', '2', '3', '1000000', '94906267']));
    else tensor.shape[0] = String(below(next, 9));
  }),
  'overflowing shape': retell((next, tensor) => {
    tensor.shape = Array.from({ length: 1 + below(next, 70) }, () => String(2 ** below(next, 54)));
  }),
  'other dtype': retell((next, tensor) => {
    tensor.dtype = pick(next, [...DTYPE_NAMES, 'F33', 'f32', 'toString', '__proto__', '', 'F32 ', 'FLOAT']);
  }),
  'other value': rewrite((next, member) => {
    member[1] = pick(next, VALUES);
  }),
  'other field': rewrite((next, member) => {
    const replaced = /"(dtype|shape|data_offsets|step|note)":/.exec(member[1]);
    const key = pick(next, ['"strides":', '"__proto__":', '"":', '"dtype":', '"shape":', '1:', ':', '"SHAPE":']);
    if (replaced !== null)
      member[1] = member[1].replace(replaced[0], pick(next, [key, `${key}${pick(next, VALUES)},${replaced[0]}`]));
  }),
  'other name': rewrite((next, member) => {
    member[0] = pick(next, [
      '"__proto__"',
      '"__metadata__"',
      '"a\\u0000"',
      '"\\u001b[31m"',
      '""',
      `"${'x'.repeat(2000)}"`,
      'x',
      '7',
    ]);
  }),
  'duplicate key': rewrite((next, _, { members }) => {
    const [key, value] = pick(next, members);
    members.splice(below(next, members.length + 1), 0, [next() < 0.5 ? key : key.replace('a', '\\u0061'), value]);
  }),
  'deep nesting': rewrite((next, member) => {
    const deep = pick(next, NESTED).repeat(1 + below(next, 20_000));
    member[1] = pick(next, [deep, member[1].replace(/(":)/, `$1${deep}`), deep + ']'.repeat(deep.length)]);
  }),
  'metadata of wrong type': (next, draft) => {
    draft.members.push([
      '"__metadata__"',
      pick(next, ['{"a":1}', '{"a":["b"]}', '{"a":{"b":"c"}}', '{"a":null}', '[]', '"x"', '{"a":"b"']),
    ]);
    return assemble(next, draft);
  },
};

/** File `number` of the series: the name of its fault, and its bytes. */
export function malformedFile(number: number): { fault: string; bytes: Buffer } {
  const faults = Object.keys(SPOILS);
  const fault = faults[number % faults.length];
  const next = random(number);
  return { fault, bytes: SPOILS[fault](next, draft(next)) };
}
