import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { withOpen } from '../../lib/formats/checkpoint.js';
import { encodeSafetensors } from '../../lib/formats/safetensors/write.js';
import { random } from '../support/random.js';
import { temporaryFolder } from './safetensors/helpers.js';

const folder = temporaryFolder();
const path = join(folder, 'a.safetensors');
const { normal } = random(2);
const names = ['a', 'b', 'c', 'd'];
const draw = () => ({ data: Float32Array.from({ length: 600 }, normal), shape: [20, 30] });
const tensors = new Map(names.map((name) => [name, draw()]));
writeFileSync(path, encodeSafetensors(tensors));
const digest = createHash('sha256').update(readFileSync(path)).digest('hex');
const bytesOf = (name: string, from = 0, to = 600) => Buffer.from(tensors.get(name)!.data.slice(from, to).buffer);

test.each([
  ['of the file', ['a', 'b', 'c', 'd']],
  ['of nothing', ['c', 'a', 'd', 'b']],
  ['backwards', ['d', 'c', 'b', 'a']],
  ['with one left out', ['a', 'c', 'd']],
])('tensors that are read in the order %s are whole, and so is the digest', async (_, order) => {
  await withOpen(path, {}, async (checkpoint) => {
    const read = checkpoint.inTurn(names);
    for (const name of order) expect(Buffer.from(await read(name, undefined)).equals(bytesOf(name))).toBe(true);
    expect(await checkpoint.sha256()).toBe(digest);
  });
});

test('parts of tensors are read by themselves', async () => {
  await withOpen(path, {}, async (checkpoint) => {
    const read = checkpoint.inTurn(['b', 'c']);
    for (const [from, to] of [
      [0, 30],
      [30, 570],
      [570, 600],
    ])
      expect(Buffer.from(await read('b', { from, to })).equals(bytesOf('b', from, to))).toBe(true);
    const memory = new ArrayBuffer(2400);
    const found = await read('c', undefined, { memory: () => memory });
    expect(found.buffer).toBe(memory);
    expect(Buffer.from(found).equals(bytesOf('c'))).toBe(true);
    expect(await checkpoint.sha256()).toBe(digest);
  });
});
