import { execFileSync } from 'node:child_process';
import { existsSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeTensors } from '../../lib/formats/convert.js';
import { fromMemory } from '../../lib/formats/outgoing.js';
import { writeSafetensors } from '../../lib/formats/safetensors/write.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { forNode } from '../../scripts/bundle.mjs';
import { checkpoint } from '../formats/pytorch/checkpoint.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { dict, pickle, tensor, text } from '../support/pickle.js';
import { random } from '../support/random.js';
import type { Probe, Probed } from './read_probe.js';

const [HIDDEN, OUTPUTS] = [16, 4];
const [LARGE, SMALL] = [131_072, 128];
/** Of the weights of a large one. */
const WEIGHTS = 4 * HIDDEN * (2 * LARGE + OUTPUTS);
/** What may be read beside, of all that there is: headers twice, say. */
const SLACK = 1.05;

const folder = temporaryFolder();
/** Within the package, where the imports that are not bundled are found. */
const programs = join('node_modules', '.cache', `tensim-read-${process.pid}`);
const program = join(programs, 'probe.js');

/** Numbers drawn once and repeated: so many normals would take longer than all the rest. */
function numbers(length: number, seed: number): Float32Array {
  const draw = random(seed);
  const some = Float32Array.from({ length: 4093 }, () => draw.normal());
  const all = new Float32Array(length);
  for (let at = 0; at < length; at += some.length) all.set(some.subarray(0, length - at), at);
  return all;
}

/** A block of two large matrices and a small one. */
function weights(inputs: number, seed: number): Map<string, Tensor> {
  const matrix = (rows: number, columns: number, own: number): Tensor => ({
    data: numbers(rows * columns, 3 * seed + own),
    shape: [rows, columns],
  });
  return new Map([
    ['left.weight', matrix(HIDDEN, inputs, 0)],
    ['right.weight', matrix(HIDDEN, inputs, 1)],
    ['down.weight', matrix(OUTPUTS, HIDDEN, 2)],
  ]);
}

const bytesOf = ({ data }: Tensor) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/** Writers of one checkpoint each, by format; they give its path. */
const FORMATS: Readonly<Record<string, (name: string, tensors: Map<string, Tensor>) => Promise<string>>> = {
  async safetensors(name, tensors) {
    const path = join(folder, `${name}.safetensors`);
    await writeSafetensors(path, tensors);
    return path;
  },
  async sharded(name, tensors) {
    const shards = [['left.weight'], ['right.weight', 'down.weight']];
    const map: Record<string, string> = {};
    for (const [i, names] of shards.entries()) {
      const path = join(folder, `${name}-${i + 1}-of-2.safetensors`);
      await writeSafetensors(path, new Map(names.map((one) => [one, tensors.get(one)!])));
      for (const one of names) map[one] = basename(path);
    }
    const index = join(folder, `${name}.safetensors.index.json`);
    writeFileSync(index, JSON.stringify({ metadata: {}, weight_map: map }));
    return index;
  },
  async npz(name, tensors) {
    const path = join(folder, `${name}.npz`);
    await writeTensors(path, fromMemory(tensors), {});
    return path;
  },
  /**
   * The numbers lie in another order than they are listed in, one matrix is transposed, and between them is what an
   * optimizer has left.
   */
  async pt(name, tensors) {
    const path = join(folder, `${name}.pt`);
    const [left, right, down] = tensors.values();
    const inputs = left.shape[1];
    const claims = (key: string, { shape, data }: Tensor, strides: readonly number[]) =>
      tensor({ key, elements: data.length, shape, strides });
    const dictionary = dict(
      [text('left.weight'), claims('0', left, [1, HIDDEN])],
      [text('right.weight'), claims('1', right, [inputs, 1])],
      [text('down.weight'), claims('2', down, [HIDDEN, 1])],
    );
    const optimizer = { name: 'a/data/3', data: new Uint8Array(bytesOf(left).length / 2) };
    const storages = [['2', down] as const, ['1', right] as const, ['0', left] as const];
    const members = storages.map(([key, one]) => ({ name: `a/data/${key}`, data: bytesOf(one) }));
    writeFileSync(path, checkpoint(pickle(dictionary), [...members.slice(0, 2), optimizer, members[2]]));
    return path;
  },
};

const large: Record<string, string[]> = {};
const small: Record<string, string[]> = {};

beforeAll(async () => {
  await build({ ...forNode, format: 'esm', entryPoints: ['test/model/read_probe.ts'], outfile: program });
  for (const [format, write] of Object.entries(FORMATS)) {
    large[format] = [];
    small[format] = [];
    for (const seed of format === 'safetensors' ? [1, 2, 3] : [1, 2]) {
      large[format].push(await write(`large_${seed}`, weights(LARGE, seed)));
      small[format].push(await write(`small_${seed}`, weights(SMALL, seed)));
    }
  }
}, 60_000);
afterAll(() => rmSync(programs, { recursive: true, force: true }));

const sizeOf = (path: string) =>
  path.endsWith('.index.json')
    ? [1, 2].reduce(
        (sum, i) => sum + statSync(path.replace('.safetensors.index.json', `-${i}-of-2.safetensors`)).size,
        0,
      )
    : statSync(path).size;
const sizesOf = (paths: readonly string[]) => paths.reduce((sum, path) => sum + sizeOf(path), 0);

const probe = (probes: readonly Probe[]): Probed[] =>
  JSON.parse(execFileSync(process.execPath, [program, JSON.stringify(probes)], { encoding: 'utf8' }));

describe.skipIf(!existsSync('/proc/self/io'))('the bytes of a checkpoint are read once', () => {
  const once = ({ bytes }: Probed, paths: readonly string[]) => {
    const all = sizesOf(paths);
    expect(all).toBeGreaterThan(2 ** 24 * paths.length);
    expect(bytes).toBeGreaterThanOrEqual(all);
    expect(bytes).toBeLessThanOrEqual(SLACK * all);
  };

  it.each(Object.keys(FORMATS))('by loadModel, inspect and similarityMatrix, of a file in the format %s', (format) => {
    const paths = { paths: large[format], small: small[format] };
    const [loaded, inspected, weighed, compared] = probe([
      { call: 'loadModel', ...paths },
      { call: 'inspect', ...paths },
      { call: 'similarityMatrix', ...paths, options: { measure: 'weights' } },
      { call: 'similarityMatrix', ...paths },
    ]);
    once(loaded, paths.paths.slice(0, 1));
    once(inspected, paths.paths.slice(0, 1));
    once(weighed, paths.paths);
    once(compared, paths.paths);
  });

  it('by the command line', () => {
    const [compared] = probe([{ call: 'compare', paths: large.safetensors, small: small.safetensors }]);
    once(compared, large.safetensors.slice(0, 2));
  });

  it('by a matrix that finds all products in a state file', () => {
    const state = join(folder, 'whole.state');
    const options = { measure: 'weights', state };
    const paths = { paths: large.safetensors, small: small.safetensors };
    const [, again] = probe([
      { call: 'similarityMatrix', ...paths, options },
      { call: 'similarityMatrix', ...paths, options },
    ]);
    expect(again.prepared).toBe(0);
    once(again, large.safetensors);
  });

  it('and, with a limit on the memory, the weights of a model once more whenever it is prepared', async () => {
    const files = large.pt;
    // What was written a moment ago is hashed again where it is read again.
    await wait(Math.max(0, statSync(files[1]).ctimeMs + 2500 - Date.now()));
    const options = { measure: 'weights', memoryLimit: '250MiB' };
    const [limited] = probe([{ call: 'similarityMatrix', paths: files, small: small.pt, options }]);
    const all = sizesOf(files) + limited.prepared! * WEIGHTS;
    expect(limited.prepared).toBeGreaterThanOrEqual(2);
    expect(limited.bytes).toBeGreaterThanOrEqual(all);
    expect(limited.bytes).toBeLessThanOrEqual(SLACK * all);
  });
});
