// The option tf32: what it asks for, what results say of it, and what may not be mixed with them. On a library whose
// device is the host, which rounds factors as tensor cores do, and where there is a GPU with it as well.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  contract,
  contractionPath,
  evaluate,
  type MatrixOptions,
  type Model,
  matrixByWorkers,
  type SimilarityOptions,
  similarity,
  similarityMatrix,
  tensor,
} from '../../lib/index.js';
import { loadAddon } from '../../lib/machines/addon.js';
import { backends, selectBackend } from '../../lib/machines/select.js';
import { compareJson } from '../../lib/report/json.js';
import { compareText } from '../../lib/report/text.js';
import { requireSameMaking } from '../../lib/similarity/gate/baseline.js';
import { tensim } from '../cli/run.js';
import { buildEmulatedLibrary } from '../support/emulated_library.js';
import { modelOf, randomBlock, randomLinear, randomTensor } from '../support/models.js';
import { random } from '../support/random.js';
import { randomGated, randomHidden } from '../support/units.js';

const addon = loadAddon();
const emulated = 'addon' in addon && process.platform === 'linux' ? buildEmulatedLibrary() : undefined;
const gpu = (await backends()).some(({ name, available }) => name === 'cuda' && available);
const places = [...(emulated === undefined ? [] : ['an emulated device']), ...(gpu ? ['a GPU'] : [])];
const library = emulated?.copy();
const folder = mkdtempSync(join(tmpdir(), 'tensim-tf32-'));

beforeEach(() => vi.stubEnv('TENSIM_BACKEND', undefined));
afterEach(() => vi.unstubAllEnvs());
afterAll(() => {
  emulated?.dispose();
  rmSync(folder, { recursive: true });
});

const draw = random(31);
const blocks = [1, 2, 3].map(() =>
  modelOf([randomLinear(draw, 9, 12), randomBlock(draw, { inputs: 9, hidden: 20, outputs: 3, biases: true })]),
);
const UNITS = { inputs: 9, outputs: 3, hidden: 30, biases: true } as const;
const units = [
  modelOf([randomHidden(draw, { ...UNITS, activation: 'gelu' })]),
  modelOf([randomHidden(draw, { ...UNITS, activation: 'relu' })]),
  modelOf([randomGated(draw, { ...UNITS, activation: 'silu' })]),
];
const deep = [1, 2].map(() =>
  modelOf([1, 2, 3].map(() => randomBlock(draw, { inputs: 5, hidden: 6, outputs: 5, biases: true }))),
);
const x = tensor(
  Float64Array.from({ length: 240 }, () => draw.normal()),
  [20, 12],
);

const CUDA = { backend: 'cuda', dtype: 'float32' } as const;
const TF32 = { ...CUDA, tf32: true } as const;
const INVALID = { code: 'INVALID_ARGUMENT' } as const;

describe('asking for TF32', () => {
  const [a, b] = blocks as [Model, Model, Model];

  it.each([
    [{ tf32: true }, /compute type is not "float32"/],
    [{ tf32: true, dtype: 'float64', backend: 'cuda' }, /compute type is not "float32"/],
    [{ tf32: true, dtype: 'float32', backend: 'native' }, /the backend "native" has none/],
    [{ tf32: true, dtype: 'float32', backend: 'fallback' }, /the backend "fallback" has none/],
    [{ tf32: 1 as unknown as boolean, dtype: 'float32' }, /option "tf32" is 1/],
  ] as const)('is refused at once where there can be none: %o', async (options, message) => {
    const refused = { ...INVALID, message: expect.stringMatching(message) };
    await expect(similarity(a, b, options)).rejects.toMatchObject(refused);
    await expect(similarityMatrix(blocks, options)).rejects.toMatchObject(refused);
    await expect(evaluate(a, x, options)).rejects.toMatchObject(refused);
    await expect(contract('ij,kj->ik', [x, x], { dtype: 'float64', ...options })).rejects.toMatchObject(refused);
    expect(() => contractionPath('ij->i', [[2, 3]], options)).toThrow(message);
  });

  it('is a permission with "auto": native computes as ever', async () => {
    for (const variable of [undefined, 'native']) {
      vi.stubEnv('TENSIM_BACKEND', variable);
      const allowed = await similarity(a, b, { dtype: 'float32', tf32: true });
      expect(allowed).toEqual(await similarity(a, b, { dtype: 'float32' }));
      expect(allowed).not.toHaveProperty('tf32');
    }
  });

  it('is refused by workers, whose float32 is as exact as float32', async () => {
    const refused = { ...INVALID, message: expect.stringContaining('"tf32" is not for workers') };
    const options = { queue: 'redis://127.0.0.1:1', dtype: 'float32', tf32: true } as const;
    await expect(matrixByWorkers(['a.safetensors'], options)).rejects.toMatchObject(refused);
  });

  it('is refused by the command line as well', async () => {
    const { code, stderr } = await tensim(['contract', 'ij,jk->ik', '3x4', '4x5', '--tf32']);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/TF32 was asked for, and the compute type is not "float32"/);
  });

  it('is part of what a gate holds against its baseline', () => {
    const making = { measure: 'gaussian', method: 'exact', exact: true, dtype: 'float32', input: 'standard' } as const;
    requireSameMaking({ ...making, tf32: true }, { ...making, tf32: true });
    expect(() => requireSameMaking(making, { ...making, tf32: true })).toThrow(/TF32 in this gate alone/);
    expect(() => requireSameMaking({ ...making, tf32: true }, making)).toThrow(/TF32 in the baseline alone/);
  });
});

describe.each(places)('products in TF32 on %s', (place) => {
  beforeEach(() => {
    if (place === 'an emulated device') vi.stubEnv('TENSIM_CUDA_LIBRARY', library);
  });

  const cosines = async (models: readonly Model[], options: MatrixOptions) =>
    (await similarityMatrix(models, options)).cosine.flatMap((row) => Array.from(row));
  const away = (some: readonly number[], others: readonly number[]) =>
    Math.max(...some.map((value, i) => Math.abs(value - others[i]!)));

  it.each([
    ['pairs of units of blocks', blocks, { route: 'factor' }],
    ['dense forms', blocks, { route: 'dense' }],
    ['vectors', blocks, { measure: 'weights' }],
    ['units with activations', units, { method: 'exact' }],
  ] as const)('are as exact as 11 bits for %s, and said in the result', async (_, models, options) => {
    const exact = await cosines(models, { ...options, backend: 'native' });
    const single = await cosines(models, { ...options, ...CUDA });
    const found = await similarityMatrix(models, { ...options, ...TF32 });
    const own = found.cosine.flatMap((row) => Array.from(row));
    expect(found).toMatchObject({ backend: 'cuda', dtype: 'float32', tf32: true });
    expect(away(single, exact)).toBeLessThan(1e-6);
    expect(away(own, exact)).toBeLessThan(4e-3);
    expect(away(own, exact)).toBeGreaterThan(1e-6);
    // Without the option no bit is another one, after it neither.
    expect(await cosines(models, { ...options, ...CUDA, tf32: false })).toEqual(single);
    const plain = await similarityMatrix(models, { ...options, ...CUDA });
    expect(plain).not.toHaveProperty('tf32');
    expect(plain.cosine.flatMap((row) => Array.from(row))).toEqual(single);
  });

  it('are told in texts and in JSON', async () => {
    const found = await similarity(blocks[0]!, blocks[1]!, TF32);
    expect(compareText(found)).toMatch(/dtype +float32, products in TF32/);
    expect(compareJson(found)).toMatchObject({ dtype: 'float32', tf32: true, backend: 'cuda' });
    expect(compareJson(await similarity(blocks[0]!, blocks[1]!, CUDA))).not.toHaveProperty('tf32');
  });

  it('leave methods alone that do not use tensor cores', async () => {
    const options: SimilarityOptions = { method: 'closure' };
    const found = await similarity(deep[0]!, deep[1]!, { ...options, ...TF32 });
    expect(found).toEqual(await similarity(deep[0]!, deep[1]!, { ...options, ...CUDA }));
    expect(found).not.toHaveProperty('tf32');
  });

  it('tell near models apart by their difference, as all others do', async () => {
    const other = structuredClone(blocks[0]!.layers);
    (other[1] as { down: { data: Float64Array } }).down.data[0]! *= 1.001;
    const near = modelOf(other);
    const found = await similarity(blocks[0]!, near, TF32);
    const wanted = await similarity(blocks[0]!, near, { backend: 'native' });
    expect(found.distance / wanted.distance).toBeCloseTo(1, 6);
    expect(found.similarity).toBeLessThanOrEqual(1);
    const { difference } = await similarityMatrix([blocks[0]!, near], TF32);
    expect(difference(0, 1).distanceResolution).toBeGreaterThan(wanted.distance);
  });

  it('are those of forward passes and of contractions too', async () => {
    const model = blocks[0]!;
    const told: boolean[] = [];
    const onBackend = (_: string, __: unknown, tf32: boolean) => told.push(tf32);
    const wanted = (await evaluate(model, x, { backend: 'native' })).data;
    const single = (await evaluate(model, x, { ...CUDA, onBackend })).data;
    const found = (await evaluate(model, x, { ...TF32, onBackend })).data;
    expect(told).toEqual([false, true]);
    const largest = Math.max(...Array.from(wanted, Math.abs));
    expect(away([...single], [...wanted])).toBeLessThan(1e-6 * largest);
    expect(away([...found], [...wanted])).toBeLessThan(4e-3 * largest);
    expect(away([...found], [...wanted])).toBeGreaterThan(1e-6 * largest);

    const [a, b] = [randomTensor(draw, 40, 70), randomTensor(draw, 36, 70)];
    const product = async (options: object) => [...(await contract('ik,jk->ij', [a, b], options)).data];
    const exact = await product({ backend: 'native' });
    expect(away(await product(CUDA), exact)).toBeLessThan(1e-4);
    expect(away(await product(TF32), exact)).toBeGreaterThan(1e-4);
    expect(away(await product(TF32), exact)).toBeLessThan(0.05);
    expect(contractionPath('ik,jk->ij', [a.shape, b.shape], TF32)).toMatchObject({ backend: 'cuda', tf32: true });
    expect(String(contractionPath('ik,jk->ij', [a.shape, b.shape], TF32))).toContain('float32, products in TF32');
    const { stdout } = await tensim([
      'contract',
      'ik,jk->ij',
      '40x70',
      '36x70',
      '--dtype',
      'float32',
      '--backend',
      'cuda',
      '--tf32',
    ]);
    expect(stdout).toContain('backend cuda, products in TF32');
  });

  it('are not mixed with others in a state file', async () => {
    const state = join(folder, `${place}.state`);
    const first = await similarityMatrix(blocks.slice(0, 2), { ...CUDA, state });
    expect(first.work).toMatchObject({ reused: 0 });
    const own = await similarityMatrix(blocks.slice(0, 2), { ...TF32, state });
    expect(own.work).toMatchObject({ reused: 0 });
    expect(own.gram[0]![1]).not.toBe(first.gram[0]![1]);
    const again = await similarityMatrix(blocks, { ...TF32, state });
    expect(again.work).toMatchObject({ reused: 3 });
    expect(again.gram[0]![1]).toBe(own.gram[0]![1]);
    const others = await similarityMatrix(blocks.slice(0, 2), { ...CUDA, state });
    expect(others.gram[0]![1]).toBe(first.gram[0]![1]);
  });

  it('are not multiplied with those of models that are to be exact', async () => {
    const backend = await selectBackend('cuda', { grams: { method: 'one-block', dtype: 'float32', tf32: true } });
    expect(backend.tf32).toBe(true);
    const plain = await selectBackend('cuda', { grams: { method: 'one-block', dtype: 'float64', tf32: true } });
    expect(plain.tf32).toBeUndefined();
    expect(backend.grams.arithmetic).toBe(`${plain.grams.arithmetic}, TF32`);
    const source = { kind: 'features', segments: [Float64Array.of(1, 2, 3)] } as const;
    const [a, b] = [await backend.grams.prepare(source, 'float32'), await plain.grams.prepare(source, 'float32')];
    const job = { measure: 'gaussian', symmetric: false, perOutput: false } as const;
    await expect(backend.grams.tile(job, [a], [b])).rejects.toMatchObject(INVALID);
  });
});
