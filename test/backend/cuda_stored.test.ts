// Weights that go to a device as they are stored, from files to an emulated library that counts what it is given.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { valuesOf } from '../../lib/formats/quantised/numbers.js';
import { blockMatrix } from '../../lib/index.js';
import { loadAddon } from '../../lib/machines/addon.js';
import { decodeFloats, encodeFloats, floatArray } from '../../lib/tensor/convert.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { LLAMA } from '../support/block_files.js';
import { buildEmulatedLibrary } from '../support/emulated_library.js';
import { random } from '../support/random.js';
import { type RawTensor, writeRaw } from '../support/stored_tensors.js';
import { llamaTensors, type SmallLayer, TOKENS } from '../support/transformers.js';

const emulated = 'addon' in loadAddon() && process.platform === 'linux' ? buildEmulatedLibrary() : undefined;
const root = temporaryFolder();

const [D, HEADS, GROUPS, WIDTH, UNITS] = [32, 4, 2, 8, 64];
/** Bytes of the weights of three MLPs as doubles. */
const DOUBLES = 3 * 8 * 3 * D * UNITS;

function layer(seed: number): SmallLayer {
  const { normal } = random(seed);
  const draw = (count: number) => Float64Array.from({ length: count }, () => normal() / 4);
  const none = new Float64Array(0);
  return {
    ...{ d: D, heads: HEADS, groups: GROUPS, width: WIDTH, units: UNITS },
    query: draw(HEADS * WIDTH * D),
    key: draw(GROUPS * WIDTH * D),
    value: draw(GROUPS * WIDTH * D),
    output: draw(D * HEADS * WIDTH),
    gate: draw(UNITS * D),
    up: draw(UNITS * D),
    down: draw(D * UNITS),
    ...{ queryBias: none, keyBias: none, valueBias: none, outputBias: none, upBias: none, downBias: none },
    gains: [draw(D), draw(D)],
    shifts: [none, none],
    embedding: draw(TOKENS * D),
  };
}

/** Tensors as they are stored, and the numbers that they are. */
type Store = (name: string, data: Float64Array, shape: readonly number[]) => [Record<string, RawTensor>, Float64Array];

const floats =
  (dtype: 'BF16' | 'F16'): Store =>
  (name, data, shape) => {
    const bytes = encodeFloats(data, dtype);
    const numbers = floatArray(dtype, data.length);
    decodeFloats(bytes, dtype, numbers);
    return [{ [name]: { dtype, shape, bytes } }, Float64Array.from(numbers)];
  };

/** MLPs in eight bits, with a scale for all of a weight; else float32. */
const eightBits =
  (dtype: 'F8_E4M3' | 'F8_E5M2'): Store =>
  (name, data, shape) => {
    if (!name.includes('.mlp.')) {
      const numbers = Float32Array.from(data);
      return [{ [name]: { dtype: 'F32', shape, bytes: encodeFloats(numbers, 'F32') } }, Float64Array.from(numbers)];
    }
    const values = valuesOf(dtype);
    const finite = [...values.keys()].filter((bits) => Number.isFinite(values[bits]));
    const codes = Uint8Array.from(data, (value) => finite[Math.floor(Math.abs(value) * 1e6) % finite.length]);
    const scale = Float32Array.of(dtype === 'F8_E4M3' ? 0.0031 : 0.000017);
    const bytes = encodeFloats(scale, 'F32');
    const stored = { [name]: { dtype, shape, bytes: codes }, [`${name}_scale`]: { dtype: 'F32', shape: [1], bytes } };
    return [stored, Float64Array.from(codes, (bits) => Math.fround(values[bits] * scale[0]))];
  };

/** A network of one layer; one that has its numbers in double precision; and one of numbers that need that. */
function written(name: string, seed: number, store: Store): readonly [stored: string, same: string, wide: string] {
  const doubles = (data: Float64Array, shape: readonly number[]): RawTensor => ({
    dtype: 'F64',
    shape,
    bytes: encodeFloats(data, 'F64'),
  });
  const [stored, same, wide]: Record<string, RawTensor>[] = [{}, {}, {}];
  for (const [key, [data, ...shape]] of Object.entries(llamaTensors([layer(seed)]))) {
    const [tensors, numbers] = store(key, data, shape);
    Object.assign(stored, tensors);
    same[key] = doubles(numbers, shape);
    wide[key] = doubles(data, shape);
  }
  const own = (way: string, tensors: Record<string, RawTensor>) => {
    const folder = join(root, `${name}-${way}-${seed}`);
    writeRaw(folder, tensors, LLAMA);
    return folder;
  };
  return [own('stored', stored), own('same', same), own('wide', wide)];
}

/** What is found of networks with the device, and the bytes that their MLPs took to go there. */
async function compared(paths: readonly string[], log: string) {
  vi.stubEnv('TENSIM_CUDA_LIBRARY', emulated!.copy());
  vi.stubEnv('TENSIM_TEST_UPLOADS', log);
  const [{ mlp }] = (await blockMatrix(paths, { backend: 'cuda', method: 'exact' })).layers;
  expect(existsSync(log)).toBe(true);
  const uploads = readFileSync(log, 'utf8').trim().split('\n').map(Number);
  return { mlp, bytes: uploads.slice(-paths.length).reduce((sum, bytes) => sum + bytes) };
}

beforeEach(() => vi.stubEnv('TENSIM_BACKEND', undefined));
afterEach(() => vi.unstubAllEnvs());
afterAll(() => emulated?.dispose());

describe.runIf(emulated !== undefined)('MLPs of weights', () => {
  it.each([
    ['of bfloat16', floats('BF16'), 2 / 8],
    ['of float16', floats('F16'), 2 / 8],
    // With tables of 256 numbers for each weight, of 2048 elements.
    ['of fp8 (E4M3)', eightBits('F8_E4M3'), 1.5 / 8],
    ['of fp8 (E5M2)', eightBits('F8_E5M2'), 1.5 / 8],
  ] as const)('%s go to the device as they are stored', async (name, store, part) => {
    const networks = [1, 2, 3].map((seed) => written(name.replace(/\W/g, ''), seed, store));
    const [stored, same, wide] = [
      await compared(
        networks.map(([path]) => path),
        join(root, `${name} stored.log`),
      ),
      await compared(
        networks.map(([, path]) => path),
        join(root, `${name} same.log`),
      ),
      await compared(
        networks.map(([, , path]) => path),
        join(root, `${name} wide.log`),
      ),
    ];
    expect(stored).toEqual(same);
    // Beside the weights their lengths and gains go.
    const taken = (DOUBLES - (wide.bytes - stored.bytes)) / DOUBLES;
    expect(taken).toBeGreaterThan(part);
    expect(taken).toBeLessThan(part + 0.05);
    const paths = networks.map(([path]) => path);
    const [native] = (await blockMatrix(paths, { backend: 'native', method: 'exact' })).layers;
    expect(stored.mlp!.exact).toBe(true);
    for (const [i, row] of stored.mlp!.similarity.entries())
      for (const [j, found] of row.entries())
        expect(Math.abs(found! - native.mlp!.similarity[i][j]!)).toBeLessThan(1e-12);
  });
});
