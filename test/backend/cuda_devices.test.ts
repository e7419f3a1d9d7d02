// Several devices that share the tiles of a matrix: with a library whose devices are the host.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type MatrixOptions, type Model, similarityMatrix } from '../../lib/index.js';
import { loadAddon } from '../../lib/machines/addon.js';
import { deviceSeconds } from '../../lib/machines/cuda/choice.js';
import { backends, selectBackend } from '../../lib/machines/select.js';
import { matrixJson } from '../../lib/report/json.js';
import { routeText } from '../../lib/report/text.js';
import { chainWork } from '../../lib/similarity/plan/work.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { buildEmulatedLibrary } from '../support/emulated_library.js';
import { modelOf, randomAttention, randomBlock, randomLinear, sequenceModel } from '../support/models.js';
import { random } from '../support/random.js';
import { randomGated, randomHidden } from '../support/units.js';

// Tiles of so few models that small matrices have many.
const SIDE = 4;
vi.mock('../../lib/similarity/gram/tile_size.js', async (original) => ({
  ...(await original<object>()),
  tileSize: () => SIDE,
}));

const addon = loadAddon();
const emulated = 'addon' in addon && process.platform === 'linux' ? buildEmulatedLibrary() : undefined;
const folder = temporaryFolder();
let logs = 0;

/** Models of every kind, and how they are compared. */
const draw = random(31);
const of = (count: number, make: (i: number) => Model) => Array.from({ length: count }, (_, i) => make(i));
const BLOCK = { inputs: 5, hidden: 7, outputs: 3, biases: true } as const;
const blocks = of(13, () => modelOf([randomBlock(draw, BLOCK)]));
const deep = (residual?: [number, number]) =>
  of(8, (i) =>
    modelOf([
      randomBlock(draw, { inputs: 4, hidden: 3 + i, outputs: 4, biases: true, ...(residual && { residual }) }),
      randomBlock(draw, { inputs: 4, hidden: 6, outputs: 3, biases: true }),
    ]),
  );
const UNITS = { inputs: 5, outputs: 3, biases: true, skip: true } as const;
const sets: Record<string, readonly [models: Model[], options: MatrixOptions]> = {
  'pairs of units, float64': [blocks, { route: 'factor', perOutput: true }],
  'pairs of units, float32': [blocks, { route: 'factor', dtype: 'float32' }],
  'dense forms': [blocks, { route: 'dense' }],
  vectors: [blocks, { measure: 'weights' }],
  closure: [
    of(8, () =>
      sequenceModel(2, [
        randomAttention(draw, { inputs: 4, heads: 2, size: 2, biases: true, rotaryBase: 50, residual: [1, 0.5] }),
        randomLinear(draw, 2, 4),
      ]),
    ),
    { method: 'closure' },
  ],
  'hidden and gated units': [
    of(8, (i) =>
      modelOf([
        i % 2 === 0
          ? randomHidden(draw, { ...UNITS, hidden: 20, activation: 'gelu' })
          : randomGated(draw, { ...UNITS, hidden: 9, activation: 'silu' }),
      ]),
    ),
    { method: 'exact', degrees: true },
  ],
  'two blocks': [deep([0.5, 0.5]), { method: 'exact' }],
  tensor: [deep(), { measure: 'tensor' }],
};

describe.skipIf(emulated === undefined)('several devices', () => {
  /** The tiles that have been computed since the log was begun: their devices, and what these had allocated then. */
  let log: string;
  const tiles = () =>
    existsSync(log)
      ? readFileSync(log, 'utf8')
          .trim()
          .split('\n')
          .map((line) => line.split(' ').map(Number) as [device: number, bytes: number])
      : [];
  /** How many tiles each has done. */
  const perDevice = (devices: number) =>
    Array.from({ length: devices }, (_, own) => tiles().filter(([device]) => device === own).length);

  const begin = (devices: number, fault?: string) => {
    vi.stubEnv('TENSIM_BACKEND', undefined);
    vi.stubEnv('TENSIM_CUDA_LIBRARY', emulated!.copy());
    vi.stubEnv('TENSIM_TEST_DEVICES', String(devices));
    vi.stubEnv('TENSIM_TEST_FAULT', fault);
    vi.stubEnv('TENSIM_TEST_TILES', undefined);
  };
  /** Tries the library out, and begins the log: what the other process did is not in it. */
  const tried = async (devices: number, fault?: string) => {
    begin(devices, fault);
    await selectBackend('cuda', { grams: {} });
    log = join(folder, `log${logs++}`);
    vi.stubEnv('TENSIM_TEST_TILES', log);
  };
  const matrix = (models: Model[], options: MatrixOptions) => similarityMatrix(models, { ...options, backend: 'cuda' });
  /** Bytes that are allocated on each device. */
  const allocated = () => {
    const { cudaDevices } = (addon as Extract<typeof addon, { addon: unknown }>).addon;
    return cudaDevices(process.env.TENSIM_CUDA_LIBRARY!).map(({ totalMemory, freeMemory }) => totalMemory - freeMemory);
  };

  beforeEach(() => begin(1));
  afterEach(() => vi.unstubAllEnvs());
  afterAll(() => emulated?.dispose());

  it.each(Object.keys(sets))('give the bits of one: %s', async (name) => {
    const [models, options] = sets[name]!;
    const found = [];
    for (const devices of [1, 2, 3]) {
      await tried(devices);
      found.push(await matrix(models, options));
      const result = found.at(-1)!;
      const own = perDevice(devices);
      if (devices === 1) expect(result).not.toHaveProperty('devices');
      else expect(result.devices).toBe(devices);
      if (devices > 1) for (const count of own) expect(count).toBeGreaterThan(0);
    }
    const [one, ...others] = found;
    for (const other of others) {
      expect(other.gram).toEqual(one!.gram);
      expect(other.perOutput?.gram).toEqual(one!.perOutput?.gram);
      expect(other.cosine).toEqual(one!.cosine);
      expect(other.certified).toBe(one!.certified);
    }
  });

  it('hold what is prepared, each all of it, and give it back', async () => {
    await tried(1);
    await matrix(blocks, { route: 'factor' });
    const alone = Math.min(...tiles().map(([, bytes]) => bytes));
    expect(alone).toBeGreaterThan(0);
    await tried(3);
    await matrix(blocks, { route: 'factor' });
    for (const device of [0, 1, 2]) {
      // What other tiles work with comes on top.
      const bytes = tiles().flatMap(([own, allocated]) => (own === device ? allocated : []));
      expect(Math.min(...bytes)).toBe(alone);
    }
    expect(allocated()).toEqual([0, 0, 0]);
  });

  it('take as many tiles as they have time for', async () => {
    await tried(2, 'last is slow');
    const many = of(29, () => modelOf([randomBlock(draw, BLOCK)]));
    await matrix(many, { route: 'factor' });
    const [quick, slow] = perDevice(2);
    expect(quick! + slow!).toBe(36);
    expect(slow).toBeGreaterThan(0);
    expect(quick).toBeGreaterThan(slow!);
  });

  it('are one for little work', async () => {
    await tried(3);
    const result = await matrix(blocks.slice(0, SIDE), { route: 'factor' });
    expect(result).not.toHaveProperty('devices');
    expect(perDevice(3)).toEqual([1, 0, 0]);
    expect(tiles().every(([, bytes]) => bytes > 0)).toBe(true);
  });

  it('end together with the error of the one that failed', async () => {
    await tried(3, 'last fails');
    await expect(matrix(blocks, { route: 'factor' })).rejects.toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      message: expect.stringContaining('the last device fell off the bus'),
    });
    expect(allocated()).toEqual([0, 0, 0]);
  });

  it('end together with the reason of an abort', async () => {
    await tried(3, 'last is slow');
    const reason = new Error('enough');
    const controller = new AbortController();
    const running = matrix(blocks, {
      route: 'factor',
      signal: controller.signal,
      onTile: () => controller.abort(reason),
    });
    await expect(running).rejects.toBe(reason);
    expect(allocated()).toEqual([0, 0, 0]);
  });

  it('leave out one that has much less free memory than the first', async () => {
    await tried(3, 'last has 20000');
    expect((await backends()).find(({ name }) => name === 'cuda')!.details.devices).toMatch(/^2 of 3 /);
    expect((await matrix(blocks, { route: 'factor' })).devices).toBe(2);
    expect(perDevice(3)[2]).toBe(0);
  });

  it.each([
    ['last is another', 'of another kind'],
    ['last is wrong', 'that multiplies wrong'],
  ])('are those of one kind that multiply as they should: "%s"', async (fault) => {
    await tried(3, fault);
    const { details } = (await backends()).find(({ name }) => name === 'cuda')!;
    expect(details).toMatchObject({
      device: 'host emulation (the first of 3)',
      devices: '2 of 3 share the tiles of a matrix',
    });
    expect((await matrix(blocks, { route: 'factor' })).devices).toBe(2);
    expect(perDevice(3)[2]).toBe(0);
  });

  it('share tiles within a limit on the memory of each', async () => {
    await tried(1);
    const one = await matrix(blocks, { route: 'factor' });
    expect(one.work.prepared).toBe(13);
    await tried(3);
    const memoryLimit = 60_000;
    const found = await matrix(blocks, { route: 'factor', memoryLimit });
    expect(found.gram).toEqual(one.gram);
    expect(found.work.prepared).toBeGreaterThan(13);
    expect(found.devices).toBeGreaterThan(1);
    for (const [, bytes] of tiles()) expect(bytes).toBeLessThan(memoryLimit);
    expect(matrixJson(found)).toMatchObject({ backend: 'cuda', devices: found.devices });
    expect(routeText(found)).toMatch(/^devices: [23] of cuda have shared the tiles\n/m);
    expect(allocated()).toEqual([0, 0, 0]);
  });

  it('are counted by the choice, where there are as many tiles', () => {
    const rates = { peak: { float64: 1e12, float32: 1e12 }, upload: 1e10, start: 1 };
    const work = chainWork({ models: blocks, dtype: 'float64', threads: 1 }, 'one-block', { sigma: 1 });
    const own = (devices: number) => deviceSeconds({ ...work, flops: 3e12, bytes: 1e10 }, rates, devices) - 2;
    expect(own(1)).toBeCloseTo(3 / 0.15, 9);
    expect(own(2)).toBeCloseTo(3 / 0.15 / 2, 9);
    // 91 pairs in tiles of 16.
    expect(own(8)).toBeCloseTo(3 / 0.15 / 6, 9);
    expect(deviceSeconds({ ...work, flops: 3e12, bytes: 0, tilesAt: undefined }, rates, 8) - 1).toBeCloseTo(20, 9);
  });
});
