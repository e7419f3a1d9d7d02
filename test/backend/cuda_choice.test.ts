// Whether `auto` takes the CUDA backend: with a library whose device is the host, and which says what it reaches.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Work } from '../../lib/backend/work.js';
import { weightsIn } from '../../lib/evaluation/work.js';
import { type Model, type SimilarityMatrix, similarity, similarityMatrix } from '../../lib/index.js';
import { type CudaDevice, loadAddon } from '../../lib/machines/addon.js';
import { loadCuda } from '../../lib/machines/cuda/backend.js';
import { knownRates } from '../../lib/machines/cuda/rates.js';
import { loadNative } from '../../lib/machines/native.js';
import { takeBackend } from '../../lib/machines/select.js';
import { chainWork, sampleWork, vectorWork } from '../../lib/similarity/plan/work.js';
import { step, tensim } from '../cli/run.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { buildEmulatedLibrary } from '../support/emulated_library.js';
import { blockModel, modelOf, randomBlock } from '../support/models.js';
import { random } from '../support/random.js';
import { randomHidden } from '../support/units.js';

const addon = loadAddon();
const emulated = 'addon' in addon && process.platform === 'linux' ? buildEmulatedLibrary() : undefined;
/** Tried out and measured once, for all that finds nothing wrong with it. */
const shared = emulated?.copy();
const folder = temporaryFolder();
let caches = 0;
/** A library that nobody has tried out. */
const untried = () => vi.stubEnv('TENSIM_CUDA_LIBRARY', emulated!.copy());
/** What its device is called, which rates are kept by. */
const DEVICE = { name: 'host emulation', capability: '0.0', driver: '0.0', runtime: '0.0' } as CudaDevice;

/** A week of one thread, a mebibyte for the device. */
const LARGE: Work = { kind: 'pairs', dtype: 'float64', flops: 1e16, hostFlops: 0, bytes: 2 ** 20, held: 2 ** 20 };
const PRODUCTS = { grams: { method: 'one-block' } } as const;
const take = (work: Partial<Work> = {}, task = PRODUCTS as object) =>
  takeBackend('auto', task, undefined, () => ({ ...LARGE, ...work }));
/** Of the one that was passed over. */
const why = async (work: Partial<Work> = {}, task?: object) => {
  const { backend, passedOver } = await take(work, task);
  return `${backend.name}: ${passedOver.map(({ name, reason }) => `${name}, ${reason}`).join('; ')}`;
};

afterAll(() => emulated?.dispose());
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

describe.skipIf(emulated === undefined)('auto', () => {
  let cache: string;
  beforeEach(() => {
    cache = join(folder, `cache${caches++}`);
    vi.stubEnv('TENSIM_BACKEND', undefined);
    vi.stubEnv('TENSIM_CUDA_LIBRARY', shared);
    vi.stubEnv('TENSIM_TEST_PEAK', '6e13');
    vi.stubEnv('XDG_CACHE_HOME', cache);
  });

  it('takes it for large work that it does sooner, and says so', async () => {
    expect(await why()).toMatch(/^cuda: native, expected to take \d.* s by native, and \d.* s by cuda$/);
  });

  it('leaves small work to native without trying the library out', async () => {
    untried();
    vi.stubEnv('TENSIM_TEST_FAULT', 'hang');
    expect(await why({ flops: 1e6 })).toMatch(
      /^native: cuda, expected to take .*s without it, which is too little for a device$/,
    );
    expect(existsSync(cache)).toBe(false);
  });

  it('is told of by --verbose', async () => {
    const { stderr } = await tensim(['compare', step(0), step(200), '--verbose', '--json']);
    expect(stderr).toMatch(
      /^backend: native, not cuda: expected to take .*s without it, which is too little for a device\nroute +predicted/,
    );
  });

  it('leaves to native what the device is slower at, what takes longer to hand over, and what is prepared here', async () => {
    const weighed = /^native: cuda, expected to take \d.* s by native, and \d.* s by cuda$/;
    expect(await why({ bytes: 1e17 })).toMatch(weighed);
    expect(await why({ flops: 1e9, hostFlops: 1e16 })).toMatch(weighed);
    untried();
    vi.stubEnv('XDG_CACHE_HOME', `${cache} of another`);
    vi.stubEnv('TENSIM_TEST_PEAK', '1e9');
    expect(await why()).toMatch(weighed);
  });

  it('leaves to native what the device has no room for, or the backend does not know', async () => {
    expect(await why({ held: 2 ** 70 })).toMatch(
      /^native: cuda, two models take .* GiB, and the device has .* GiB free$/,
    );
    expect(await why({}, { grams: {}, eigen: {} })).toBe('native: cuda, it does not know eigenpairs');
  });

  it.each([
    ['crash', 'trying it out ended with SIGSEGV'],
    ['no devices', 'there is no CUDA device'],
  ])('leaves everything to native with the fault "%s"', async (fault, reason) => {
    untried();
    vi.stubEnv('TENSIM_TEST_FAULT', fault);
    expect(await why()).toBe(`native: cuda, ${reason}`);
  });

  it('leaves to native what the device does wrong, and that alone', async () => {
    untried();
    vi.stubEnv('TENSIM_TEST_FAULT', 'wrong units');
    const fault = 'this device gives other numbers than the processor for the method "hidden" in float64';
    expect(await why({}, { grams: { method: 'hidden' } })).toBe(`native: cuda, ${fault}`);
    expect(await why()).toMatch(/^cuda: /);
  });

  it('does not weigh where a backend is named, where there is no library, and where work is not told', async () => {
    expect((await takeBackend('native', PRODUCTS, undefined, () => LARGE)).passedOver).toEqual([]);
    expect((await takeBackend('auto', PRODUCTS)).passedOver).toEqual([]);
    vi.stubEnv('TENSIM_BACKEND', 'native');
    expect(await why()).toBe('native: ');
    vi.stubEnv('TENSIM_BACKEND', undefined);
    vi.stubEnv('TENSIM_CUDA_LIBRARY', '/nowhere/tensim_cuda.so');
    const work = vi.fn(() => LARGE);
    expect((await takeBackend('auto', PRODUCTS, undefined, work)).backend.name).toBe('native');
    expect(work).not.toHaveBeenCalled();
  });

  it('rejects with the reason of an abort', async () => {
    const reason = new Error('enough');
    untried();
    vi.stubEnv('TENSIM_TEST_FAULT', 'hang');
    const taken = takeBackend('auto', PRODUCTS, AbortSignal.timeout(50), () => LARGE);
    await expect(taken).rejects.toMatchObject({ name: 'TimeoutError' });
    await expect(takeBackend('auto', PRODUCTS, AbortSignal.abort(reason), () => LARGE)).rejects.toBe(reason);
  });

  it('measures rates once, keeps them, and goes by what is kept', async () => {
    untried();
    await take();
    const file = join(cache, 'tensim', 'cuda.json');
    const kept = JSON.parse(readFileSync(file, 'utf8'));
    const [key] = Object.keys(kept) as [string];
    expect(JSON.parse(key)).toMatchObject({ name: 'host emulation', library: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(kept[key]).toMatchObject({ peak: { float64: 6e13, float32: 6e13 } });
    const { stdout } = await tensim(['doctor']);
    expect(stdout).toMatch(
      /rates +60\.0 TFLOP\/s in float64, 60\.0 TFLOP\/s in float32, .* GB\/s to the device, ready after/,
    );
    expect(stdout).toMatch(/library +\/.*\.so \(the environment variable TENSIM_CUDA_LIBRARY\)/);
    // The same library elsewhere is not measured again; a slow device as it is kept is not taken.
    untried();
    writeFileSync(file, JSON.stringify({ other: null, [key]: { ...kept[key], peak: { float64: 1e9, float32: 1e9 } } }));
    expect(await why()).toMatch(/^native: cuda, expected/);
  });

  it('measures anew where nonsense is kept, or rates that are none, and does without a cache', async () => {
    untried();
    await take();
    const file = join(cache, 'tensim', 'cuda.json');
    const kept = JSON.parse(readFileSync(file, 'utf8'));
    const [key] = Object.keys(kept) as [string];
    const known = () => knownRates(shared!, DEVICE);
    expect(await known()).toEqual(kept[key]);
    const broken = [{ start: -1 }, { upload: null }, { peak: { float64: 1 } }];
    for (const text of ['', '{', 'null', '[1]', '"text"', ...broken.map((part) => [{ ...kept[key], ...part }])]) {
      writeFileSync(file, typeof text === 'string' ? text : JSON.stringify({ [key]: text[0] }));
      expect(await known()).toBeUndefined();
    }
    untried();
    expect((await take()).backend.name).toBe('cuda');
    expect(Object.keys(JSON.parse(readFileSync(file, 'utf8')))).toEqual([key]);
    expect(await known()).toMatchObject({ peak: { float64: 6e13 } });
    // A file where the folder should be.
    rmSync(cache, { recursive: true });
    writeFileSync(cache, '');
    untried();
    expect((await take()).backend.name).toBe('cuda');
  });
});

describe.skipIf(emulated === undefined)('a matrix that takes long on this processor', () => {
  const draw = random(4);
  const models = Array.from({ length: 5 }, (_, i) =>
    blockModel(draw, { inputs: 4, hidden: 3, outputs: 2 }, `model ${i}`),
  );
  let states = 0;
  const newState = () => join(folder, `${states++}.state`);
  const same = (a: SimilarityMatrix, b: SimilarityMatrix) => expect(a.gram).toEqual(b.gram);
  const passedOver = ({ passedOver: others = [] }: SimilarityMatrix) =>
    others.map(({ name, reason }) => `${name}: ${reason}`);

  beforeEach(() => {
    vi.stubEnv('TENSIM_BACKEND', undefined);
    vi.stubEnv('TENSIM_CUDA_LIBRARY', shared);
    vi.stubEnv('TENSIM_TEST_PEAK', '6e13');
    vi.stubEnv('XDG_CACHE_HOME', join(folder, `cache${caches++}`));
    const native = loadNative();
    if ('reason' in native) throw new Error(native.reason);
    // A flop a second: predicted to take minutes, and done at once.
    const own = native.backend.grams.machine;
    vi.spyOn(native.backend.grams, 'machine').mockImplementation(async (...args) => ({
      ...(await own(...args)),
      flopsPerSecond: 1,
    }));
  });

  it('is computed on the device, to the bits that it has by name', async () => {
    const found = await similarityMatrix(models);
    expect(found.backend).toBe('cuda');
    expect(passedOver(found)).toEqual([
      expect.stringMatching(/^native: expected to take .* by native, and .* by cuda$/),
    ]);
    same(found, await similarityMatrix(models, { backend: 'cuda' }));
    expect((await similarity(models[0]!, models[1]!)).backend).toBe('cuda');
    expect((await similarityMatrix(models, { measure: 'weights' })).backend).toBe('cuda');
    expect((await similarityMatrix(models, { method: 'closure' })).backend).toBe('cuda');
    expect((await similarityMatrix(models, { backend: 'native' })).backend).toBe('native');
  });

  it.each(['native', 'cuda'] as const)('goes on with a state file of %s as it was begun', async (backend) => {
    const state = newState();
    if (backend === 'cuda') untried();
    for (const measure of ['gaussian', 'weights'] as const) {
      await similarityMatrix(models.slice(0, 4), { backend, state, measure });
      // Without the device cuda would not have been taken.
      if (backend === 'cuda') vi.stubEnv('TENSIM_TEST_PEAK', '1');
      const found = await similarityMatrix(models, { state, measure });
      expect(found).toMatchObject({ backend, work: { reused: 10 } });
      if (backend === 'native') expect(passedOver(found)).toEqual(['cuda: the state file was begun by native']);
      same(found, await similarityMatrix(models, { backend, measure }));
    }
  });

  it('begins anew on a device of another class, which may round otherwise', async () => {
    const state = newState();
    const backend = 'cuda';
    await similarityMatrix(models.slice(0, 4), { backend, state });
    untried();
    const again = await similarityMatrix(models.slice(0, 4), { backend, state });
    expect(again.work).toMatchObject({ reused: 10 });
    untried();
    vi.stubEnv('TENSIM_TEST_FAULT', 'other class');
    const found = await similarityMatrix(models, { backend, state });
    expect(found).toMatchObject({ backend, work: { reused: 0 } });
  });

  it('begins anew where what it was begun by is not there any more', async () => {
    const state = newState();
    await similarityMatrix(models.slice(0, 4), { backend: 'cuda', state });
    untried();
    vi.stubEnv('TENSIM_TEST_FAULT', 'no devices');
    const found = await similarityMatrix(models, { state });
    expect(found).toMatchObject({ backend: 'native', work: { reused: 0 } });
  });
});

describe('the work of a comparison', () => {
  const draw = random(2);
  const law = { sigma: 1 };
  const network = (inputs: number, hidden: number, outputs: number) => blockModel(draw, { inputs, hidden, outputs });
  const of = (models: readonly Model[], pairs?: number) => ({ models, dtype: 'float64', threads: 2, pairs }) as const;

  it('is that of the cheaper route for pairs', () => {
    const models = [network(64, 32, 10), network(64, 32, 10)];
    const { flops, bytes, held, kind } = chainWork(of(models), 'one-block', law);
    // Three pairs: four products of 32 × 32 over 64 inputs, and a reduction over 10 outputs.
    expect(flops).toBe(3 * (2 * 64 ** 2 * 64 + 2 * 32 ** 2 * 10));
    expect(kind).toBe('pairs');
    expect(bytes).toBe(2 * 8 * (2 * 64 * 32 + 32 * 10));
    expect(held).toBe(2 * bytes);
    // Of many pairs, or of few inputs and many units, forms.
    expect(chainWork(of(models, 300), 'one-block', law).flops).toBeLessThan(10 * flops);
    const wide = [network(3, 500, 2), network(3, 500, 2)];
    expect(chainWork(of(wide), 'one-block', law).flops).toBeLessThan(3 * 2 * 1000 ** 2 * 3);
  });

  it('grows with models and pairs by every method', () => {
    const deep = () => modelOf([0, 1].map(() => randomBlock(draw, { inputs: 5, hidden: 6, outputs: 5, biases: true })));
    const units = () => modelOf([randomHidden(draw, { inputs: 5, hidden: 6, outputs: 2, activation: 'relu' })]);
    const [closure, tensor, two] = (['closure', 'tensor', 'two-block'] as const).map((method) =>
      chainWork(of([deep(), deep()]), method, law),
    );
    // Of the closure, what belongs to one model is a pair more, on the same machine.
    expect(closure!.flops).toBe((5 / 3) * tensor!.flops);
    expect([closure!.hostFlops, tensor!.hostFlops]).toEqual([0, 0]);
    // Six forms with six, products of matrices of the five inputs.
    expect(two!.flops).toBe(3 * 4 * 6 ** 2 * 5 ** 3);
    expect(two!.hostFlops).toBe(2 * 4 * 6 ** 2 * 5 ** 3);
    const [few, many] = [2, 4].map((count) => chainWork(of(Array.from({ length: count }, units)), 'hidden', law));
    expect(many!.flops).toBeGreaterThan(2 * few!.flops);
    expect(vectorWork(of([deep(), deep()])).flops).toBe(3 * 2 * 2 * (3 * 5 * 6 + 6 + 6 + 5));
    const [short, long] = [2048, 8192].map((most) => sampleWork(of([units(), units()]), law, most));
    expect(long!.flops).toBe(4 * short!.flops);
    expect(sampleWork(of([units(), units()]), 'tokens', 2 ** 18).flops).toBe(long!.flops);
    // A pilot of 256 chains, 123 rounds each, runs eight models at most.
    const pilots = [2, 16].map((count) => {
      const models = Array.from({ length: count }, units);
      return sampleWork(of(models), law, 2 ** 18).flops - sampleWork(of(models), 'tokens', 2 ** 18).flops;
    });
    const each = 256 * 123 * 2 * weightsIn(units().layers);
    expect(pilots).toEqual([2 * each, 8 * each]);
  });
});

it.skipIf(emulated === undefined)('says nothing of a device that nothing is asked of', () => {
  untried();
  expect(loadCuda()).toMatchObject({ backend: { name: 'cuda' } });
});
