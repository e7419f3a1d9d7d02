import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Checkpoint } from '../../lib/formats/checkpoint.js';
import { npyHeader } from '../../lib/formats/numpy/npy_header.js';
import { writeNpz } from '../../lib/formats/numpy/write.js';
import { fromMemory } from '../../lib/formats/outgoing.js';
import { writeSafetensors } from '../../lib/formats/safetensors/write.js';
import type { Tensor, TensorData } from '../../lib/tensor/tensor.js';
import { dict, pickle, tensor, text } from '../support/pickle.js';
import { random } from '../support/random.js';
import { deflated, zip } from '../support/zip.js';
import { checkpoint as archive } from './pytorch/checkpoint.js';
import { fileIn, rejection, temporaryFolder, withCheckpoint } from './safetensors/helpers.js';

const folder = temporaryFolder();
const draw = random(12);
const floats = (length: number) => Float32Array.from({ length }, () => draw.normal());
const matrix = (rows: number, columns: number): Tensor => ({ data: floats(rows * columns), shape: [rows, columns] });

const bytesOf = ({ buffer, byteOffset, byteLength }: TensorData) => Buffer.from(buffer, byteOffset, byteLength);

/** Some of it larger than what is read at a time, some empty. */
const tensors = new Map<string, Tensor>([
  ['z', matrix(3, 5)],
  ['a', matrix(1100, 700)],
  ['empty', { data: new Float32Array(0), shape: [0, 4] }],
  ['m', matrix(40, 7)],
]);

async function safetensors(): Promise<string[]> {
  const path = join(folder, 'one.safetensors');
  await writeSafetensors(path, tensors, { step: '7' });
  return [path];
}

async function sharded(): Promise<string[]> {
  const shards = [['z', 'a'], ['empty'], ['m']];
  const paths = shards.map((_, i) => join(folder, `part-${i}.safetensors`));
  for (const [i, names] of shards.entries())
    await writeSafetensors(paths[i], new Map(names.map((name) => [name, tensors.get(name)!])));
  const weightMap = shards.flatMap((names, i) => names.map((name) => [name, `part-${i}.safetensors`]));
  const index = join(folder, 'all.safetensors.index.json');
  writeFileSync(index, JSON.stringify({ weight_map: Object.fromEntries(weightMap) }));
  return [index, ...paths];
}

async function npz(): Promise<string[]> {
  const path = join(folder, 'one.npz');
  await writeNpz(path, fromMemory(tensors));
  return [path];
}

async function compressed(): Promise<string[]> {
  const members = [...tensors].map(([name, { data, shape }]) =>
    deflated(`${name}.npy`, Buffer.concat([npyHeader('<f4', shape), bytesOf(data)])),
  );
  return [fileIn(folder, 'compressed.npz', zip(members))];
}

async function shardedPytorch(): Promise<string[]> {
  const [whole] = await pytorch();
  const names = ['small', 'upper', 'lower'];
  const shard = join(folder, 'pytorch_model-00001-of-00002.bin');
  writeFileSync(shard, readFileSync(whole));
  const second = join(folder, 'pytorch_model-00002-of-00002.bin');
  writeFileSync(second, archive(pickle(dict([text('more'), tensor()]))));
  const index = join(folder, 'pytorch_model.bin.index.json');
  const shards = names.map((name) => [name, 'pytorch_model-00001-of-00002.bin']);
  const weightMap = Object.fromEntries([...shards, ['more', 'pytorch_model-00002-of-00002.bin']]);
  writeFileSync(index, JSON.stringify({ metadata: { total_size: 1 }, weight_map: weightMap }));
  return [index, shard, second];
}

/**
 * Storages in another order than their tensors, two tensors in one storage, one transposed; and a storage that no
 * tensor is in.
 */
async function pytorch(): Promise<string[]> {
  const storages = [floats(1_000_000), floats(24), floats(600)];
  const of = (key: number, shape: number[], strides: number[], offset = 0) =>
    tensor({ key: String(key), elements: storages[key].length, shape, strides, offset });
  const dictionary = dict(
    [text('small'), of(1, [4, 6], [1, 4])],
    [text('upper'), of(0, [800, 1000], [1, 800], 200_000)],
    [text('lower'), of(0, [500, 1000], [1000, 1])],
  );
  const members = storages.map(({ buffer }, key) => ({ name: `a/data/${key}`, data: new Uint8Array(buffer) }));
  return [fileIn(folder, 'one.pt', archive(pickle(dictionary), members))];
}

const WRITERS: readonly (readonly [format: string, write: () => Promise<string[]>])[] = [
  ['safetensors', safetensors],
  ['a sharded checkpoint', sharded],
  ['npz', npz],
  ['compressed npz', compressed],
  ['a sharded checkpoint of PyTorch', shardedPytorch],
  ['pytorch', pytorch],
];

async function inOrder(checkpoint: Checkpoint, names: Iterable<string>): Promise<Map<string, Tensor>> {
  const read = new Map<string, Tensor>();
  for await (const [name, one] of checkpoint.readInOrder(names)) read.set(name, one);
  return read;
}

describe.each(WRITERS)('reading in order, from %s,', (_, write) => {
  const digestOf = (files: readonly string[]) =>
    files.reduce((hash, file) => hash.update(readFileSync(file)), createHash('sha256')).digest('hex');

  it('gives the tensors that `read` gives, from front to back, and the digest of all bytes', async () => {
    const files = await write();
    await withCheckpoint(files[0], async (checkpoint) => {
      const names = [...checkpoint.tensors.keys()];
      const read = await inOrder(checkpoint, names.reverse());
      expect(read.size).toBe(names.length);
      for (const [name, { data, shape }] of read) {
        const alone = await checkpoint.read(name);
        expect(shape).toEqual(alone.shape);
        expect(bytesOf(data).equals(bytesOf(alone.data))).toBe(true);
      }
      const places = [...read.keys()].map((name) => checkpoint.tensors.get(name)!);
      for (const [i, { file, offset }] of places.entries()) {
        const before = places.slice(0, i);
        expect(before.every((one) => files.indexOf(one.file) <= files.indexOf(file))).toBe(true);
        expect(before.every((one) => one.file !== file || one.offset <= offset)).toBe(true);
      }
      expect(await checkpoint.sha256()).toBe(digestOf(files));
      expect(await checkpoint.sha256()).toBe(digestOf(files));
    });
  });

  it('leaves the digest what it is, whatever is read of it, and by how many at a time', async () => {
    const files = await write();
    const digest = digestOf(files);
    const last = (checkpoint: Checkpoint) => [...checkpoint.tensors.keys()].slice(-1);
    const readings: readonly ((checkpoint: Checkpoint) => Promise<unknown>)[] = [
      async () => {},
      (checkpoint) => inOrder(checkpoint, last(checkpoint)),
      (checkpoint) => inOrder(checkpoint, last(checkpoint)).then(() => inOrder(checkpoint, checkpoint.tensors.keys())),
      async (checkpoint) => {
        for await (const _ of checkpoint.readInOrder(checkpoint.tensors.keys())) break;
      },
      (checkpoint) => {
        const all = [1, 2, 3].map(() => inOrder(checkpoint, checkpoint.tensors.keys()));
        return Promise.all([...all, checkpoint.sha256(), inOrder(checkpoint, last(checkpoint)), checkpoint.sha256()]);
      },
    ];
    for (const reading of readings) {
      await withCheckpoint(files[0], async (checkpoint) => {
        await reading(checkpoint);
        expect(await checkpoint.sha256()).toBe(digest);
      });
    }
  });
});

it('reading in order says which tensor there is not, and stops with the reason of the signal', async () => {
  const [path] = await safetensors();
  await withCheckpoint(path, async (checkpoint) => {
    expect(await rejection(inOrder(checkpoint, ['a', 'b']))).toMatchObject({ code: 'INVALID_ARGUMENT' });
    const stop = new AbortController();
    const reading = async () => {
      for await (const _ of checkpoint.readInOrder(['z', 'a'], stop.signal)) stop.abort(new Error('enough'));
    };
    await expect(reading()).rejects.toThrow('enough');
    expect(await checkpoint.sha256()).toBe(createHash('sha256').update(readFileSync(path)).digest('hex'));
  });
});
