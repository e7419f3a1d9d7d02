import { statSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { dict, global, int, join, pickle, tensor, text, tuple } from '../support/pickle.js';
import { type Member, zip } from '../support/zip.js';
import { MEBI, memoryProbe } from './memory_probe.js';
import { checkpoint, SIX } from './pytorch/checkpoint.js';
import { fileIn, temporaryFolder } from './safetensors/helpers.js';

const folder = temporaryFolder();
const entry = [text('w'), tensor()] as const;
const open = memoryProbe(folder, fileIn(folder, 'good.pt', checkpoint(pickle(dict(entry)))));

const repeat = (piece: Buffer | string, times: number) => {
  const bytes = join(piece);
  return Buffer.alloc(bytes.length * Math.floor(times), bytes);
};
const many = (count: number, make: (i: number) => Buffer | string) =>
  Buffer.concat(Array.from({ length: count }, (_, i) => join(make(i))));
/** Remembers what is on top of the stack. */
const put = (index: number) => {
  const bytes = Buffer.alloc(5, 'r');
  bytes.writeUInt32LE(index, 1);
  return bytes;
};

/** A tuple of twice the tuple before, n times: 2^n leaves when it is walked through. */
const exponential = (n: number) =>
  join(')', ...Array.from({ length: n }, (_, i) => join('q', Buffer.from([i]), 'h', Buffer.from([i]), '\x86')));

const LARGE = 4 * MEBI;
const hostile: [string, () => Buffer][] = [
  ['millions of dictionaries', () => pickle(']', '(', repeat('}', LARGE), 'e')],
  ['millions of dictionaries one by one', () => pickle(']', repeat('}a', LARGE / 2))],
  ['millions of numbers', () => pickle(']', repeat(join('G', Buffer.alloc(8, 1), 'a'), LARGE / 10))],
  ['millions of nothings', () => pickle(repeat('N', LARGE))],
  ['lists in lists in lists', () => pickle(repeat(']', LARGE / 2), repeat('a', LARGE / 2 - 1))],
  ['tuples in tuples in tuples', () => pickle(')', repeat('\x85', LARGE))],
  ['open marks', () => pickle(repeat('(', LARGE))],
  ['a list that grows by itself', () => pickle(']q\x00', repeat('h\x00a', LARGE / 3))],
  ['an exponential tuple', () => pickle(dict([text('x'), exponential(200)], entry))],
  ['a memo without end', () => pickle('N', many(1_000_000, put))],
  ['a memo at its end', () => pickle('N', put(0xffffffff))],
  ['long texts', () => pickle(']', repeat(join(text('x'.repeat(4000)), 'a'), LARGE / 4000))],
  ['one text of megabytes', () => pickle(dict([text('x'.repeat(LARGE)), int(1)], entry))],
  ['a long integer', () => pickle('\x8b', Buffer.from([0, 0, 0x50, 0]), Buffer.alloc(0x500000, 0x7f))],
  [
    'the same pairs in dictionary after dictionary',
    () => {
      const pairs = join(
        ']',
        '(',
        many(20_000, (i) => tuple(text(`${i}`), int(i))),
        'e',
        put(0),
        '0',
      );
      const again = join(global('collections', 'OrderedDict'), 'h\x00', '\x85', 'R');
      return pickle(pairs, ']', repeat(join(again, 'a'), 20_000));
    },
  ],
  [
    'names upon names',
    () =>
      pickle(
        '}',
        '(',
        many(200_000, (i) => join(text(`w${i}`), 'N')),
        'u',
      ),
  ],
  [
    'a hundred thousand tensors',
    () =>
      pickle(
        join(tensor(), put(0), '0'),
        '}',
        '(',
        many(100_000, (i) => join(text(`w${i}`), 'h\x00')),
        'u',
      ),
  ],
];

describe('a pickle costs no more than the size of the file and 64 MiB:', () => {
  test.each(hostile)('%s', (_, make) => {
    const path = fileIn(folder, 'hostile.pt', checkpoint(make()));
    const { growth, code, message } = open(path);
    expect(growth).toBeLessThan(statSync(path).size + 64 * MEBI);
    if (code !== undefined) expect({ code, message }).toMatchObject({ code: 'INVALID_FILE' });
  });
});

describe('an archive costs no more than its size and 64 MiB:', () => {
  const members = (count: number, make: (i: number) => Member) => Array.from({ length: count }, (_, i) => make(i));
  const large = Buffer.alloc(4 * MEBI);

  test.each<[string, string, () => Buffer]>([
    [
      'a directory of a hundred and fifty thousand names',
      'pt',
      () =>
        checkpoint(
          pickle(dict(entry)),
          members(150_000, (i) => ({ name: `${i}`, data: SIX })),
          { zip64: true },
        ),
    ],
    [
      'a hundred members in one place',
      'npz',
      () => zip(members(100, (i) => ({ name: `${i}.npy`, data: i === 0 ? large : Buffer.alloc(0), header: 0 }))),
    ],
    [
      'a tensor of one number, a billion times',
      'pt',
      () => checkpoint(pickle(dict([text('w'), tensor({ shape: [2 ** 30], strides: [0] })]))),
    ],
    [
      'a storage under a hundred names',
      'pt',
      () =>
        checkpoint(
          pickle(
            dict(
              ...Array.from(
                { length: 100 },
                (_, i) => [text(`w${i}`), tensor({ elements: MEBI, shape: [MEBI], strides: [1] })] as const,
              ),
            ),
          ),
          [{ name: 'a/data/0', data: large }],
        ),
    ],
    [
      'a bomb of zeros, a thousand times its size',
      'npz',
      () => zip([{ name: 'w.npy', data: SIX, method: 8, size: 2 ** 31 }]),
    ],
    [
      'numbers that are said to be many',
      'pt',
      () =>
        checkpoint(pickle(dict([text('w'), tensor({ elements: 2 ** 31 - 1, shape: [2 ** 31 - 1], strides: [1] })]))),
    ],
    [
      'an .npy header that is said to be long',
      'npy',
      () => Buffer.concat([Buffer.from('\x93NUMPY\x02\x00\xff\xff\xff\x7f', 'latin1'), Buffer.alloc(100)]),
    ],
  ])('%s', (_, ending, make) => {
    const path = fileIn(folder, `hostile.${ending}`, make());
    const { growth, code, message } = open(path);
    expect({ code, message }).toMatchObject({ code: 'INVALID_FILE' });
    expect(growth).toBeLessThan(statSync(path).size + 64 * MEBI);
  });
});

test('as many tensors as are read cost no more than the size of the file and 64 MiB', () => {
  // Each with names, sizes and strides of its own, remembered as Python's pickler does.
  const path = fileIn(
    folder,
    'full.pt',
    checkpoint(
      pickle(
        '}',
        '(',
        many(10_000, (i) => join(text(`layers.${i}.weight`), tensor({ shape: [1, 1, 1, 6], strides: [6, 6, 6, 1] }))),
        'u',
      ),
    ),
  );
  const { growth, code } = open(path);
  expect(code).toBeUndefined();
  expect(growth).toBeLessThan(statSync(path).size + 64 * MEBI);
});
