import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { npyHeader } from '../../lib/formats/numpy/npy_header.js';
import { NAMES } from '../../lib/formats/pytorch/globals.js';
import { OP } from '../../lib/formats/pytorch/opcodes.js';
import { dict, global, int, join as parts, pickle, reduce, tensor, text, tuple } from '../support/pickle.js';
import { membersOf } from '../support/unzip.js';
import { deflated, type Member, zip } from '../support/zip.js';
import { checkpoint, SIX } from './pytorch/checkpoint.js';
import { random } from './safetensors/malformed.js';

type Random = () => number;
const below = (next: Random, limit: number) => Math.floor(next() * limit);
const pick = <T>(next: Random, items: readonly T[]): T => items[below(next, items.length)];

const fixtures = (folder: string, names: readonly string[]) =>
  names.map((name) => readFileSync(join(import.meta.dirname, folder, 'fixtures', name)));
const PT = fixtures('pytorch', [
  'dtypes.pt',
  'strides.pt',
  'shared.pt',
  'training.pt',
  'protocol4.pt',
  'v3.pt',
  'refused_evil.pt',
  'places/arrays1.pt',
  'places/arrays5.pt',
  'places/module4.pt',
  'places/shadow.pt',
  'beside/sched.pt',
]);
const NPZ = fixtures('numpy', ['arrays.npz', 'others.npz', 'compressed.npz']);
const NPY = [
  "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }",
  "{'descr': '>f4', 'fortran_order': True, 'shape': (3, 2), }",
].map((header) =>
  Buffer.concat([
    Buffer.from('\x93NUMPY\x01\x00', 'latin1'),
    Buffer.from([header.length + 1, 0]),
    Buffer.from(`${header}\n`),
    SIX,
  ]),
);

function flipped(next: Random, bytes: Uint8Array, most: number): Buffer {
  const copy = Buffer.from(bytes);
  for (let change = 0; change <= below(next, most); change++) {
    const at = below(next, copy.length);
    copy[at] = next() < 0.5 ? copy[at] ^ (1 << below(next, 8)) : pick(next, [0, 0xff, 0x7f, below(next, 256)]);
  }
  return copy;
}

/** A pickle with the flaw that is made, in an archive without any. */
function withPickle(next: Random, spoil: (content: Buffer) => Buffer): Buffer {
  const members = membersOf(pick(next, PT));
  return zip(
    members.map((member) =>
      member.name.endsWith('/data.pkl') ? { ...member, data: spoil(Buffer.from(member.data)) } : member,
    ),
  );
}

const NUMBERS = [-1, 2 ** 31 - 1, 7, 1, 0, 1e6];
const GLOBALS = [
  ['os', 'system'],
  ['posix', 'system'],
  ['builtins', 'eval'],
  ['subprocess', 'Popen'],
  ['torch', 'load'],
  ['numpy', 'load'],
  ['torch.hub', 'load'],
  ['', ''],
  ['__builtin__', 'exec'],
];
/** Names that have a meaning, and some that have none. */
const NAMED = [
  ...GLOBALS,
  ...NAMES.map((name) => [name.slice(0, name.lastIndexOf('.')), name.slice(name.lastIndexOf('.') + 1)]),
];
/** Instructions, and small numbers for their arguments. */
const INSTRUCTIONS = [...Object.values(OP).filter((code) => code !== OP.STOP), 0, 1, 2, 0x0a, 0x30];
/** Pieces of pickles; those of known form leave one value on the stack. */
const VALUES: readonly ((next: Random) => Buffer)[] = [
  (next) => int(pick(next, NUMBERS)),
  (next) => text('x'.repeat(below(next, 9))),
  (next) => tensor({ offset: pick(next, NUMBERS), elements: pick(next, [6, 7, ...NUMBERS]) }),
  (next) =>
    tensor({ shape: [pick(next, NUMBERS), pick(next, NUMBERS)], strides: [pick(next, NUMBERS), pick(next, NUMBERS)] }),
  (next) =>
    tensor({
      key: pick(next, ['0', '1', '../data.pkl', '']),
      type: global('torch', pick(next, ['FloatStorage', 'DoubleStorage', 'BFloat16Storage', 'float32', 'load'])),
    }),
  (next) => reduce(global(...(pick(next, GLOBALS) as [string, string])), text('touch executed')),
  (next) => parts(repeat(pick(next, [']', ')', '}', '(', '\x85']), below(next, 3000)), 'N'),
  (next) =>
    parts(
      ')',
      ...Array.from({ length: below(next, 200) }, (_, i) =>
        parts('q', Buffer.from([i]), 'h', Buffer.from([i]), '\x86'),
      ),
    ),
  (next) => tuple(...Array.from({ length: below(next, 4) }, () => VALUES[below(next, VALUES.length)](next))),
  // Any instructions at all, and those that make, fill and change what is unknown.
  (next) => Buffer.from(Array.from({ length: below(next, 20) }, () => pick(next, INSTRUCTIONS))),
  (next) =>
    parts(
      global(...(pick(next, NAMED) as [string, string])),
      tuple(...Array.from({ length: below(next, 5) }, () => VALUES[below(next, VALUES.length)](next))),
      pick(next, ['R', '\x81', '}\x92']),
      pick(next, ['', 'Nb', '}b', ')b', 'Na', 'NNs', '2', '(NNu', '(Ne']),
    ),
  (next) =>
    dict([text('a'), VALUES[below(next, VALUES.length)](next)], [text('_modules'), '}'], [text('_parameters'), '}']),
];
const repeat = (piece: string, times: number) => Buffer.alloc(times, piece, 'latin1');

/** What is done to files: to PyTorch's, to archives of NumPy, to arrays, or to any. */
export const SPOILS: Readonly<Record<string, (next: Random) => { ending: 'pt' | 'npz' | 'npy'; bytes: Buffer }>> = {
  'bytes flipped': (next) => anyFile(next, (bytes) => flipped(next, bytes, 8)),
  'cut short': (next) => anyFile(next, (bytes) => bytes.subarray(0, below(next, bytes.length))),
  'cut out': (next) =>
    anyFile(next, (bytes) => {
      const from = below(next, bytes.length);
      return Buffer.concat([bytes.subarray(0, from), bytes.subarray(from + 1 + below(next, 40))]);
    }),
  'a piece twice': (next) =>
    anyFile(next, (bytes) => {
      const [from, to] = [below(next, bytes.length), below(next, bytes.length)];
      return Buffer.concat([bytes.subarray(0, to), bytes.subarray(from, from + 60), bytes.subarray(to)]);
    }),
  'a directory that lies': (next) => {
    const [ending, files] = pick(next, [
      ['pt', PT],
      ['npz', NPZ],
    ] as const);
    const members = membersOf(pick(next, files));
    const lies: Partial<Member>[] = [
      { size: pick(next, [0, 1, 2 ** 31, 2 ** 40]) },
      { header: pick(next, [0, 1, 2 ** 31, 2 ** 53]) },
      { localName: 'elsewhere' },
      { method: pick(next, [8, 99]) },
      { flags: 1 },
      { name: members[0].name },
    ];
    const at = below(next, members.length);
    return {
      ending,
      bytes: zip(members.with(at, { ...members[at], ...pick(next, lies) }), {
        zip64: true,
        ...(next() < 0.2 && { entries: pick(next, [0, 1, 2 ** 50]) }),
      }),
    };
  },
  'a pickle with bytes flipped': (next) => ({
    ending: 'pt',
    bytes: withPickle(next, (content) => flipped(next, content, 3)),
  }),
  'a pickle cut short': (next) => ({
    ending: 'pt',
    bytes: withPickle(next, (content) => content.subarray(0, below(next, content.length))),
  }),
  'a pickle with a piece of another': (next) => ({
    ending: 'pt',
    bytes: withPickle(next, (content) => {
      const at = below(next, content.length);
      return Buffer.concat([content.subarray(0, at), pick(next, VALUES)(next), content.subarray(at)]);
    }),
  }),
  'a pickle of any values': (next) => ({
    ending: 'pt',
    bytes: checkpoint(
      pickle(
        dict(
          [text('w'), tensor()],
          ...Array.from({ length: 1 + below(next, 3) }, (_, i) => [text(`x${i}`), pick(next, VALUES)(next)] as const),
        ),
      ),
    ),
  }),
  'a compressed array that is spoilt': (next) => {
    const content = Buffer.concat([npyHeader('<f4', [6]), SIX]);
    const data = deflateRawSync(next() < 0.2 ? Buffer.concat([content, Buffer.alloc(below(next, 300))]) : content);
    const lies: Partial<Member>[] = [
      { data: flipped(next, data, 4) },
      { data: data.subarray(0, below(next, data.length)) },
      { crc: below(next, 2 ** 31) },
      { unpacked: pick(next, [0, 1, content.length - 1, content.length + 1, 2 ** 31, 2 ** 40]) },
    ];
    return { ending: 'npz', bytes: zip([deflated('w.npy', content, { data, ...pick(next, lies) })], { zip64: true }) };
  },
  'an array whose header lies': (next) => {
    const word = () =>
      pick(next, [
        "'<f8'",
        "'|O'",
        '(9, 9)',
        '()',
        'True',
        '(999999999999999,)',
        "'<U1000000'",
        `(${'1,'.repeat(40)})`,
        '{}',
        "'shape'",
      ]);
    const header = Buffer.from(
      `{'descr': ${next() < 0.5 ? "'<f4'" : word()}, 'fortran_order': ${next() < 0.5 ? 'False' : word()}, 'shape': ${word()}, }\n`,
    );
    const lead = Buffer.concat([
      Buffer.from('\x93NUMPY\x01\x00', 'latin1'),
      Buffer.from([header.length & 255, header.length >>> 8]),
    ]);
    const bytes = Buffer.concat([lead, header, SIX]);
    return next() < 0.5 ? { ending: 'npy', bytes } : { ending: 'npz', bytes: zip([{ name: 'w.npy', data: bytes }]) };
  },
};

function anyFile(next: Random, spoil: (bytes: Buffer) => Buffer): { ending: 'pt' | 'npz' | 'npy'; bytes: Buffer } {
  const [ending, files] = pick(next, [
    ['pt', PT],
    ['pt', PT],
    ['npz', NPZ],
    ['npy', NPY],
  ] as const);
  return { ending, bytes: spoil(pick(next, files)) };
}

/** The spoilt file of a number, always the same. */
export function spoiltFile(number: number): { fault: string; ending: string; bytes: Buffer } {
  const next = random(number);
  const faults = Object.keys(SPOILS);
  const fault = faults[number % faults.length];
  return { fault, ...SPOILS[fault](next) };
}
