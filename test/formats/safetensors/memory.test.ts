import { closeSync, ftruncateSync, openSync, truncateSync, writeSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, it } from 'vitest';
import { HEADER_LIMITS } from '../../../lib/formats/safetensors/header.js';
import { INDEX_LIMITS } from '../../../lib/formats/shards.js';
import { MEBI, memoryProbe } from '../memory_probe.js';
import { fileIn, rawFile, temporaryFolder } from './helpers.js';

const folder = temporaryFolder();
const good = fileIn(folder, 'good.safetensors', rawFile('{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', 8));
const open = memoryProbe(folder, good);

/** Writes text piece by piece, so that the test itself needs little memory; then bytes of zero up to `size`. */
function hostile(name: string, pieces: Iterable<string>, size?: number): { path: string; size: number } {
  const path = join(folder, name);
  const file = openSync(path, 'w');
  const isIndex = name.endsWith('.json');
  const start = isIndex ? 0 : 8;
  let at = start;
  let pending = '';
  for (const piece of pieces) {
    pending += piece;
    if (pending.length < 65_536) continue;
    at += writeSync(file, pending, at);
    pending = '';
  }
  at += writeSync(file, pending, at);
  const end = Math.max(at, size ?? 0);
  ftruncateSync(file, end);
  if (!isIndex) {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(end - start));
    writeSync(file, length, 0, 8, 0);
  }
  closeSync(file);
  return { path, size: end };
}

function* repeated(before: string, make: (i: number) => string, count: number, after = '') {
  yield before;
  for (let i = 0; i < count; i++) yield make(i);
  yield after;
}

const empty = '"dtype":"U8","shape":[0],"data_offsets":[0,0]';
const textual = HEADER_LIMITS.textBytes - 2_000;
const cases: [string, string, () => Iterable<string>, number?][] = [
  ['a gigantic number', 'number.safetensors', () => repeated('{"w":{"shape":[', () => '9'.repeat(1000), 5_000)],
  ['an endless shape', 'shape.safetensors', () => repeated('{"w":{"shape":[1', () => ',1', 4_000_000)],
  ['deep nesting', 'nested.safetensors', () => repeated('{"w":', () => '[', 8_000_000)],
  [
    'many metadata entries',
    'entries.safetensors',
    () => repeated('{"__metadata__":{"":""', (i) => `,"${i}":""`, 1_000_000),
  ],
  [
    'many tensors, the last of them bad',
    'tensors.safetensors',
    () => repeated('{', (i) => `"${i}":{${empty}},`, HEADER_LIMITS.tensors - 1, '"x":[]}'),
  ],
  [
    'many tensors of many axes',
    'axes.safetensors',
    () =>
      repeated(
        '{',
        (i) => `"${i}":{"dtype":"U8","shape":[0${',0'.repeat(31)}],"data_offsets":[0,0]},`,
        HEADER_LIMITS.tensors - 1,
        '"x":[]}',
      ),
  ],
  ['long text', 'text.safetensors', () => repeated('{"__metadata__":{"a":"', () => 'xx\\n', textual / 4, '"}, "w":1}')],
  [
    'long text of two-byte characters',
    'wide.safetensors',
    () => repeated('{"__metadata__":{"a":"\\u20ac', () => 'xx\\n', textual / 4, '"}, "w":1}'),
  ],
  [
    'long names',
    'names.safetensors',
    () => repeated('{', (i) => `"${'\u20ac'.repeat(330)}${i}":{${empty}},`, Math.floor(textual / 1000), '"x":[]}'),
  ],
  [
    'a large index',
    'large.index.json',
    () => repeated('{"weight_map":{', (i) => `"${i}":"s.safetensors",`, INDEX_LIMITS.tensors, '"":"s.safetensors"}}'),
  ],
  [
    'as much of everything as is allowed',
    'all.safetensors',
    () =>
      repeated(
        `{"__metadata__":{"\u20ac":"${'\\n\u20ac'.repeat(1_000_000)}"}`,
        (i) => `,"${'x'.repeat(20)}${i}":{"dtype":"U8","shape":[0,0,0,0],"data_offsets":[0,0]}`,
        HEADER_LIMITS.tensors,
        ',"x":[]}',
      ),
  ],
  ['a string that never ends', 'endless.safetensors', () => repeated('{"', () => 'x'.repeat(1000), 60_000)],
  ['a header of the largest size, of zeros', 'zeros.safetensors', () => ['{'], 100_000_008],
  [
    'a header of the largest size, of spaces',
    'spaces.safetensors',
    () => repeated('{', () => ' '.repeat(1000), 99_999),
  ],
];

it.each(cases)('%s costs no more than the size of the file and 64 MiB', (_, name, pieces, size) => {
  const file = hostile(name, pieces(), size);
  const { growth, code, message } = open(file.path);
  truncateSync(file.path);
  expect(code).toBe('INVALID_FILE');
  expect(message).toContain(basename(file.path));
  expect(growth).toBeLessThan(file.size + 64 * MEBI);
});

it('many tensors in many shards, the last of them bad, cost no more than the size of the files and 64 MiB', () => {
  const shards = 4;
  const perShard = INDEX_LIMITS.tensors / shards;
  let size = 0;
  for (let s = 0; s < shards; s++)
    size += hostile(
      `${s}.safetensors`,
      repeated('{"":', (i) => `{${empty}},"${s}.${i}":`, perShard - 1, s === shards - 1 ? '[]}' : `{${empty}}}`),
    ).size;
  const index = hostile(
    'many.index.json',
    repeated(
      '{"weight_map":{"":"0.safetensors"',
      (i) => `,"${i % shards}.${Math.floor(i / shards)}":"${i % shards}.safetensors"`,
      INDEX_LIMITS.tensors - shards,
      '}}',
    ),
  );
  const { growth, code, message } = open(index.path);
  expect(code).toBe('INVALID_FILE');
  expect(message).toContain('3.safetensors');
  expect(growth).toBeLessThan(size + index.size + 64 * MEBI);
});
