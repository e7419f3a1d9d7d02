// The CUDA backend above its kernels: everywhere with a library of the same interface whose device is the host, and
// where there is a GPU with it as well.
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  contract,
  createModel,
  explain,
  type MatrixOptions,
  type Model,
  similarity,
  similarityMatrix,
  tensor,
} from '../../lib/index.js';
import { loadAddon } from '../../lib/machines/addon.js';
import { chooseBackend } from '../../lib/machines/at_once.js';
import { loadCuda } from '../../lib/machines/cuda/backend.js';
import { probeCuda } from '../../lib/machines/cuda/probe.js';
import { backends, selectBackend } from '../../lib/machines/select.js';
import { tensim } from '../cli/run.js';
import { buildEmulatedLibrary } from '../support/emulated_library.js';
import { goldenLayer, goldenPairs } from '../support/golden_units.js';
import { modelOf, randomAttention, randomBlock, randomLinear, sequenceModel } from '../support/models.js';
import { random } from '../support/random.js';
import { randomGated, randomHidden } from '../support/units.js';

const addon = loadAddon();
const emulated = 'addon' in addon && process.platform === 'linux' ? buildEmulatedLibrary() : undefined;
/** Tried out once, for all that finds nothing wrong with it. */
const library = emulated?.copy();

const SMALL = { inputs: 6, width: 5, outputs: 3 };
/** Of several stages of the kernels, panels and octets of outputs. */
const LARGE = { inputs: 131, width: 140, outputs: 19 };

interface Sizes {
  readonly inputs: number;
  readonly width: number;
  readonly outputs: number;
}

/** A network of one block behind a linear layer, with biases and `units` hidden units; different for every seed. */
function network(seed: number, units = 9, { inputs, width, outputs }: Sizes = SMALL): Model {
  let state = seed;
  const numbers = (count: number) =>
    Float64Array.from({ length: count }, () => {
      state = (state * 48271) % 2147483647;
      return state / 2147483647 - 0.5;
    });
  const matrix = (rows: number, columns: number) => tensor(numbers(rows * columns), [rows, columns]);
  return createModel({
    label: `network ${seed}`,
    layers: [
      { type: 'linear', weight: matrix(width, inputs) },
      {
        type: 'bilinear',
        left: matrix(units, width),
        right: matrix(units, width),
        leftBias: tensor(numbers(units), [units]),
        down: matrix(outputs, units),
      },
    ],
  });
}

const gpu = (await backends()).some(({ name, available }) => name === 'cuda' && available);
const places = [...(emulated === undefined ? [] : ['an emulated device']), ...(gpu ? ['a GPU'] : [])];

const PRODUCTS = { grams: {} } as const;

const reasonOf = async () => (await backends()).find(({ name }) => name === 'cuda')!.reason;

beforeEach(() => vi.stubEnv('TENSIM_BACKEND', undefined));
afterEach(() => vi.unstubAllEnvs());
afterAll(() => emulated?.dispose());

describe('a library that cannot be used', () => {
  it('is told of in one line where there is none', async () => {
    vi.stubEnv('TENSIM_CUDA_LIBRARY', '/nowhere/tensim_cuda.so');
    const [native, cuda] = await backends();
    expect(cuda).toMatchObject({ name: 'cuda', available: false, selected: false, details: {} });
    if (native!.available) expect(cuda!.reason).toBe('there is no library /nowhere/tensim_cuda.so');
    else expect(cuda!.reason).toMatch(/^it needs the native addon: /);
    await expect(selectBackend('cuda', PRODUCTS)).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
    expect((await selectBackend('auto', PRODUCTS)).name).not.toBe('cuda');
  });

  it('is a line of tensim doctor', async () => {
    vi.stubEnv('TENSIM_CUDA_LIBRARY', '/nowhere/tensim_cuda.so');
    const { stdout } = await tensim(['doctor']);
    expect(stdout).toMatch(/^cuda: not available: (there is no library|it needs the native addon).*$/m);
  });

  it.skipIf(emulated === undefined)('is told of where it is no library', async () => {
    const path = join(dirname(emulated!.copy()), 'text.so');
    writeFileSync(path, 'not a library\n');
    vi.stubEnv('TENSIM_CUDA_LIBRARY', path);
    expect(await reasonOf()).toMatch(/text\.so: (file too short|invalid ELF header)/);
    await expect(similarity(network(1), network(2), { backend: 'cuda' })).rejects.toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      message: expect.stringMatching(/"cuda" is not available: .*text\.so.*"auto"/),
    });
  });

  it.skipIf(emulated === undefined).each([
    ['version', /has version 8 of the interface, and version 7 is needed$/],
    ['functions', /does not have the functions of the version that it says it has$/],
    ['no devices', /^there is no CUDA device$/],
    ['crash', /^trying it out ended with SIGSEGV$/],
    ['wrong', /^the device takes 3² \+ 4² for 26$/],
    ['wrong pairs', /^this device gives other numbers than the processor for pairs of units in float64$/],
  ])('is told of, and harms nobody, with the fault "%s"', async (fault, reason) => {
    vi.stubEnv('TENSIM_CUDA_LIBRARY', emulated!.copy());
    vi.stubEnv('TENSIM_TEST_FAULT', fault);
    expect(await reasonOf()).toMatch(reason);
    await expect(similarity(network(1), network(2), { backend: 'cuda' })).rejects.toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
    });
  });

  it.skipIf(emulated === undefined).each([
    ['wrong units', { grams: { method: 'hidden' } }, 'gives other numbers than the processor for the method "hidden"'],
    [
      'wrong closure',
      { grams: { method: 'closure' } },
      'gives other numbers than the processor for the method "closure"',
    ],
    ['wrong contractions', { contractions: {} }, 'gives other numbers than the processor for contractions'],
    ['no normals', { normals: {} }, 'fails at random numbers: '],
  ] as const)('is refused what it does wrong alone, with the fault "%s"', async (fault, task, reason) => {
    vi.stubEnv('TENSIM_CUDA_LIBRARY', emulated!.copy());
    vi.stubEnv('TENSIM_TEST_FAULT', fault);
    await expect(selectBackend('cuda', task)).rejects.toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      message: expect.stringContaining(`the backend "cuda" is not available: this device ${reason}`),
    });
    expect((await selectBackend('cuda', { grams: { method: 'one-block' }, forward: {} })).name).toBe('cuda');
    const { available, details, abilities } = (await backends()).find(({ name }) => name === 'cuda')!;
    expect(available).toBe(true);
    const [[ability, need]] = Object.entries(task);
    if ('method' in need) {
      expect(abilities.grams!.methods).not.toContain(need.method);
      expect(abilities.grams!.methods).toContain('one-block');
    } else {
      expect(abilities).not.toHaveProperty(ability);
      expect(abilities).toHaveProperty('grams');
    }
    expect(details.refused).toMatch(new RegExp(`^this device ${reason}`));
    // What is only planned is refused when it runs.
    const { normals } = chooseBackend('cuda', { normals: {} });
    const refused = { code: 'BACKEND_UNAVAILABLE' };
    const drawn = normals.draw({ seed: 1, stream: 0, dimension: 1 }, 0, 1);
    await (fault === 'no normals' ? expect(drawn).rejects.toMatchObject(refused) : drawn);
    const operand = tensor(new Float64Array(6), [2, 3]);
    const summed = contract('ij->', [operand], { backend: 'cuda' });
    await (fault === 'wrong contractions' ? expect(summed).rejects.toMatchObject(refused) : summed);
  });

  it.skipIf(emulated === undefined)('is given up when it does not answer', async () => {
    vi.stubEnv('TENSIM_TEST_FAULT', 'hang');
    const path = 'path' in addon ? addon.path : '';
    expect(await probeCuda(path, emulated!.copy(), 500)).toEqual({ reason: 'trying it out took more than 0.5 s' });
  });

  it('is told of when the addon itself does not load in the child', async () => {
    const result = await probeCuda('/nowhere/tensim.node', '/nowhere/tensim_cuda.so');
    expect(result).toEqual({ reason: expect.stringContaining('/nowhere/tensim.node') });
  });
});

describe.each(places)('the backend on %s', (place) => {
  const unequal = [network(1), network(2, 40), network(3, 33)];
  const [first, second] = unequal as [Model, Model, Model];

  beforeEach(() => {
    if (place === 'an emulated device') vi.stubEnv('TENSIM_CUDA_LIBRARY', library);
  });

  it('is available, described, and never chosen unasked', async () => {
    const report = (await backends()).find(({ name }) => name === 'cuda')!;
    expect(report).toMatchObject({ available: true, reason: null, selected: false });
    expect(report.details).toMatchObject({ device: expect.any(String), status: expect.stringContaining('by name') });
    expect(report.details.device === 'host emulation').toBe(place === 'an emulated device');
    expect((await selectBackend('auto', { grams: { method: 'one-block' } })).name).toBe('native');
    vi.stubEnv('TENSIM_BACKEND', 'cuda');
    expect((await backends()).find(({ selected }) => selected)!.name).toBe('cuda');
  });

  const checkAgainstNative = async (models: Model[], options: MatrixOptions, tolerance: number) => {
    const wanted = await similarityMatrix(models, { ...options, perOutput: true, backend: 'native' });
    const found = await similarityMatrix(models, { ...options, perOutput: true, backend: 'cuda' });
    expect(found.backend).toBe('cuda');
    const norm = (i: number) => Math.sqrt(wanted.gram[i][i]);
    for (const i of models.keys()) {
      for (const j of models.keys()) {
        const differences = [
          found.gram[i][j] - wanted.gram[i][j],
          ...wanted.perOutput!.gram.map((slice, c) => found.perOutput!.gram[c][i][j] - slice[i][j]),
        ];
        for (const difference of differences) expect(Math.abs(difference)).toBeLessThan(tolerance * norm(i) * norm(j));
      }
    }
    return found;
  };

  it.each([
    ['gaussian', 'factor', 'float64', 1e-12],
    ['gaussian', 'factor', 'float32', 1e-5],
    ['gaussian', 'dense', 'float64', 1e-12],
    ['gaussian', 'dense', 'float32', 1e-5],
    ['tensor', 'factor', 'float64', 1e-12],
    ['tensor', 'dense', 'float64', 1e-12],
    ['weights', 'auto', 'float64', 1e-12],
    ['weights', 'auto', 'float32', 1e-5],
  ] as const)('gives the numbers of the native backend: %s, route %s, %s', async (measure, route, dtype, tolerance) => {
    const models = measure === 'weights' ? [network(1), network(2), network(3)] : unequal;
    const found = await checkAgainstNative(models, { measure, dtype, route }, tolerance);
    expect(found.route).toBe(measure === 'weights' ? null : route);
  });

  it.each([
    ['factor', 'float64', 1e-12],
    ['factor', 'float32', 1e-5],
    ['dense', 'float64', 1e-12],
    ['dense', 'float32', 1e-5],
  ] as const)('gives them for large models too: route %s, %s', async (route, dtype, tolerance) => {
    const models = [20, 37, 70].map((units, i) => network(i + 1, units, LARGE));
    const found = await checkAgainstNative(models, { dtype, route }, tolerance);
    expect(found.route).toBe(route);
  });

  it('plans no route that it does not know', async () => {
    const { estimates } = await similarity(first, second, { backend: 'cuda' });
    expect(estimates.map(({ route }) => route)).toEqual(['factor', 'dense']);
    await expect(similarity(first, second, { backend: 'cuda', route: 'unfolded' })).rejects.toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      message: expect.stringContaining('does not know the route "unfolded"'),
    });
  });

  it.each([
    ['float64', 1e-12],
    ['float32', 1e-5],
  ] as const)('gives the numbers of the native backend by the closure, in %s', async (dtype, tolerance) => {
    const draw = random(9);
    const attention = { inputs: 4, heads: 2, size: 2, biases: true, rotaryBase: 50, residual: [1, 0.5] } as const;
    const block = { inputs: 4, hidden: 5, outputs: 4, biases: true, residual: [0.5, 0.5] } as const;
    const models = [0, 1, 2].map((blocks) =>
      sequenceModel(3, [
        randomAttention(draw, attention),
        ...Array.from({ length: blocks }, () => randomBlock(draw, block)),
        randomLinear(draw, 2, 4),
      ]),
    );
    const found = await checkAgainstNative(models, { method: 'closure', dtype }, tolerance);
    expect(found).toMatchObject({ method: 'closure', exact: false });
  });

  it.each([
    ['gaussian', 'float64', 1e-12],
    ['gaussian', 'float32', 1e-5],
    ['tensor', 'float64', 1e-12],
    ['tensor', 'float32', 1e-5],
  ] as const)('gives the numbers of the native backend for two blocks: %s, %s', async (measure, dtype, tolerance) => {
    const draw = random(11);
    const through = { biases: true, residual: [0.5, 0.5] } as const;
    // The last has no linear parts.
    const models = ([through, through, { biases: false }] as const).map((block, i) =>
      modelOf([
        randomBlock(draw, { inputs: 4, hidden: 3 + 7 * i, outputs: 4, ...block }),
        randomBlock(draw, { inputs: 4, hidden: 6, outputs: 3, biases: block.biases }),
      ]),
    );
    const found = await checkAgainstNative(models, { measure, dtype }, tolerance);
    expect(found).toMatchObject({ method: 'exact', exact: true });
  });

  it('gives the golden values of hidden and gated blocks', async () => {
    const { grams } = await selectBackend('cuda', { grams: { method: 'hidden' } });
    for (const { name, mean, L, f, g, values } of goldenPairs) {
      const law = {
        ...(mean && { mean: Float64Array.from(mean) }),
        ...(L && { factor: { data: Float64Array.from(L.flat()), columns: L[0].length } }),
        sigma: 1,
      };
      const chain = { kind: 'chain', inputs: f.W[0].length, positions: 1, method: 'hidden', law } as const;
      const prepared = await Promise.all(
        [f, g].map((side) => grams.prepare({ ...chain, layers: [goldenLayer(side)] }, 'float64')),
      );
      const job = { measure: 'gaussian', symmetric: true, perOutput: true, degrees: true } as const;
      const { total, perOutput, perDegree, bound } = await grams.tile(job, prepared, prepared);
      const { ff, fg, gg } = values;
      const size = [ff, Math.sqrt(ff * gg), Math.sqrt(ff * gg), gg];
      for (const [at, wanted] of [ff, fg, fg, gg].entries()) {
        const sums = [perOutput!, perDegree!].map((parts) => {
          const width = parts.length / 4;
          return parts.slice(at * width, (at + 1) * width).reduce((sum, part) => sum + part);
        });
        for (const found of [total[at], ...sums]) expect(Math.abs(found - wanted) / size[at], name).toBeLessThan(1e-12);
        expect(bound![at] / size[at], name).toBeLessThan(1e-11);
      }
      for (const model of prepared) model.dispose();
    }
  });

  it.each([
    ['float64', 1e-12],
    ['float32', 1e-5],
  ] as const)(
    'gives the numbers of the native backend for units of all kinds together, in %s',
    async (dtype, tolerance) => {
      const draw = random(11);
      const shape = { inputs: 7, outputs: 3, biases: true, skip: true } as const;
      const models = [
        modelOf([randomHidden(draw, { ...shape, hidden: 40, activation: 'gelu' })]),
        modelOf([randomGated(draw, { ...shape, hidden: 20, activation: 'silu' })]),
        modelOf([randomHidden(draw, { ...shape, hidden: 9, activation: 'relu' })]),
        modelOf([randomGated(draw, { ...shape, hidden: 70, activation: 'relu' })]),
        modelOf([randomLinear(draw, 3, 7)]),
      ];
      const found = await checkAgainstNative(models, { method: 'exact', dtype }, tolerance);
      expect(found).toMatchObject({ method: 'exact', exact: true });
      // No number depends on what else there is.
      const by = { method: 'exact', dtype, backend: 'cuda', perOutput: true } as const;
      const two = await similarityMatrix(models.slice(1, 3), by);
      expect(two.gram[0][1]).toBe(found.gram[1][2]);
      expect(two.gram[0][0]).toBe(found.gram[1][1]);
    },
  );

  it('rejects with the reason of an abort while it sums series', async () => {
    const draw = random(12);
    const shape = { inputs: 7, hidden: 40, outputs: 3, activation: 'gelu' } as const;
    const models = [1, 2, 3].map(() => modelOf([randomHidden(draw, shape)]));
    const reason = new Error('enough');
    const controller = new AbortController();
    const running = similarityMatrix(models, { method: 'exact', backend: 'cuda', signal: controller.signal });
    controller.abort(reason);
    await expect(running).rejects.toBe(reason);
  });

  it('refuses what it does not know, with the backend that does', async () => {
    const refusal = { code: 'BACKEND_UNAVAILABLE', message: expect.stringMatching(/"cuda".*(know|method)/) };
    await expect(explain(first, second, { backend: 'cuda' })).rejects.toMatchObject(refusal);
  });

  it.runIf(place === 'an emulated device')('says MEMORY_LIMIT when the device has too little', async () => {
    vi.stubEnv('TENSIM_CUDA_LIBRARY', emulated!.copy());
    vi.stubEnv('TENSIM_TEST_FAULT', 'small memory');
    const large = [1, 2, 3].map((seed) => network(seed, 4000, LARGE));
    await expect(similarityMatrix(large, { backend: 'cuda', measure: 'weights' })).rejects.toMatchObject({
      code: 'MEMORY_LIMIT',
      message: expect.stringMatching(/out of device memory.*memoryLimit/),
    });
  });

  it('rejects with the reason of an abort, before and while it is at work', async () => {
    const reason = new Error('enough');
    const aborted = similarity(first, second, { backend: 'cuda', signal: AbortSignal.abort(reason) });
    await expect(aborted).rejects.toBe(reason);
    const controller = new AbortController();
    const running = similarityMatrix(unequal, { backend: 'cuda', signal: controller.signal });
    controller.abort(reason);
    await expect(running).rejects.toBe(reason);
  });

  it.each(['float64', 'float32'] as const)('measures the rate of the device in %s', async (dtype) => {
    const load = loadCuda();
    expect('backend' in load && (await load.backend.peak(dtype))).toBeGreaterThan(0);
  });

  it.each(['float64', 'float32'] as const)('asks the device what the planner goes by, in %s', async (dtype) => {
    const { grams } = await selectBackend('cuda', PRODUCTS);
    const { flopsPerSecond, bytesPerSecond, pace, memory } = await grams.machine(dtype);
    const load = loadCuda();
    const peak = 'backend' in load ? await load.backend.peak(dtype) : Number.NaN;
    expect(pace * flopsPerSecond).toBeGreaterThan(0.5 * peak);
    // The emulated device is measured twice, beside whatever else the host does.
    expect(pace * flopsPerSecond).toBeLessThan(2 * peak);
    expect(bytesPerSecond).toBeGreaterThan(1e9);
    expect(bytesPerSecond).toBeLessThan(1e14);
    expect(memory!.free).toBeGreaterThan(2 ** 28);
    expect(memory!.total).toBeGreaterThanOrEqual(memory!.free);
    // What is chosen by is no measurement.
    expect(await grams.machine(dtype)).toMatchObject({ flopsPerSecond, bytesPerSecond });
  });

  it('is refused, with the same words, for what it does not do', async () => {
    const refusals = [
      [{ forward: { kinds: new Set(['gate']) } }, 'it does not know layers of the kind "gate"'],
      [{ hafnians: {} }, 'it does not know hafnians'],
      [{ eigen: {} }, 'it does not know eigenpairs'],
      [{ grams: { kinds: new Set(['linear', 'gate']) } }, 'it does not know layers of the kind "gate"'],
      [
        { grams: { method: 'one-block', kinds: new Set(['gated']) } },
        'it does not know layers of the kind "gated" by the method "one-block"',
      ],
      [
        { grams: { method: 'one-block', degrees: true } },
        'it does not know what every degree contributes by the method "one-block"',
      ],
    ] as const;
    for (const [task, reason] of refusals) {
      await expect(selectBackend('cuda', task)).rejects.toMatchObject({
        code: 'BACKEND_UNAVAILABLE',
        message: expect.stringContaining(`the backend "cuda" is not available: ${reason}`),
      });
    }
    const { abilities } = (await backends()).find(({ name }) => name === 'cuda')!;
    expect(Object.keys(abilities)).toEqual(['grams', 'forward', 'normals', 'contractions']);
    expect(abilities.grams).toMatchObject({
      methods: ['one-block', 'two-block', 'tensor', 'hidden', 'closure'],
      degrees: ['hidden'],
      routes: ['factor', 'dense'],
    });
  });

  it('refuses models of other backends and models that are gone', async () => {
    const cuda = await selectBackend('cuda', PRODUCTS);
    const source = { kind: 'features', segments: [Float64Array.of(1, 2)] } as const;
    const job = { measure: 'gaussian', symmetric: true, perOutput: false } as const;
    const [own, foreign] = [
      await cuda.grams.prepare(source, 'float64'),
      await (await selectBackend('native', PRODUCTS)).grams.prepare(source, 'float64'),
    ];
    expect((await cuda.grams.tile(job, [own], [own])).total).toEqual(Float64Array.of(5));
    expect(own.bytes).toBe(32); // filled up to four elements
    await expect(cuda.grams.tile(job, [foreign], [foreign])).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    if (place === 'an emulated device') {
      vi.stubEnv('TENSIM_CUDA_LIBRARY', emulated!.copy());
      const elsewhere = await (await selectBackend('cuda', PRODUCTS)).grams.prepare(source, 'float64');
      await expect(cuda.grams.tile(job, [elsewhere], [elsewhere])).rejects.toThrow(/another library/);
      elsewhere.dispose();
    }
    own.dispose();
    own.dispose();
    expect(own.bytes).toBe(0);
    await expect(cuda.grams.tile(job, [own], [own])).rejects.toThrow(/disposed/);
  });
});
