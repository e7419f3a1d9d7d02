// Whether `auto` takes the CUDA backend for contractions, evaluating, moments, explaining and blocks: with a library
// whose device is the host.
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  type BackendName,
  blockMatrix,
  compileContractionAsync,
  contract,
  contractionPath,
  contractionPathAsync,
  evaluate,
  explain,
  type PassedOver,
  similarityOfBlocks,
  type Tensor,
} from '../../lib/index.js';
import { loadAddon } from '../../lib/machines/addon.js';
import { loadNative } from '../../lib/machines/native.js';
import { blocksJson } from '../../lib/report/blocks/json.js';
import { tensim } from '../cli/run.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { writeNetwork } from '../support/block_files.js';
import { buildEmulatedLibrary } from '../support/emulated_library.js';
import { faultsBy } from '../support/json_schema.js';
import { blockModel, modelOf, randomBlock } from '../support/models.js';
import { random } from '../support/random.js';
import { llamaTensors, smallLayer } from '../support/transformers.js';

const addon = loadAddon();
const emulated = 'addon' in addon && process.platform === 'linux' ? buildEmulatedLibrary() : undefined;
/** Tried out and measured once, for all that finds nothing wrong with it. */
const shared = emulated?.copy();
const folder = temporaryFolder();
const schema = JSON.parse(readFileSync(join(import.meta.dirname, '../../schemas/tensim.blocks.1.schema.json'), 'utf8'));
let caches = 0;

const EXPECTED = /^expected to take .* by native, and .* by cuda$/;
const LITTLE = /^expected to take .*s without it, which is too little for a device$/;
const far = (found: Tensor, wanted: Tensor) =>
  Math.max(...Array.from(found.data, (value, i) => Math.abs(value - wanted.data[i]!)));

/** A flop a second: predicted to take minutes, and done at once. */
function slowProcessor(): void {
  const native = loadNative();
  if ('reason' in native) throw new Error(native.reason);
  const own = native.backend.grams.machine;
  vi.spyOn(native.backend.grams, 'machine').mockImplementation(async (...args) => ({
    ...(await own(...args)),
    flopsPerSecond: 1,
  }));
}

afterAll(() => emulated?.dispose());
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

describe.skipIf(emulated === undefined)('auto', () => {
  const draw = random(6);
  const numbers = (...shape: number[]): Tensor => {
    const size = shape.reduce((product, extent) => product * extent, 1);
    return { data: Float64Array.from({ length: size }, () => draw.normal()), shape };
  };
  const stub = (library: string) => {
    vi.stubEnv('TENSIM_BACKEND', undefined);
    vi.stubEnv('TENSIM_CUDA_LIBRARY', library);
    vi.stubEnv('TENSIM_TEST_PEAK', '6e13');
    vi.stubEnv('XDG_CACHE_HOME', join(folder, `cache${caches++}`));
  };
  beforeEach(() => stub(shared!));

  describe('for contractions', () => {
    const shapes = [
      [40, 50],
      [50, 60],
      [60, 7],
    ];
    const equation = 'ij,jk,kl->il';
    const operands = shapes.map((shape) => numbers(...shape));

    it('takes it where it is expected to be done sooner, and the path says so', async () => {
      slowProcessor();
      const path = await contractionPathAsync(equation, shapes);
      expect(path).toMatchObject({ backend: 'cuda', passedOver: [{ name: 'native' }] });
      expect(path.passedOver![0]!.reason).toMatch(EXPECTED);
      expect(path.toString()).toMatch(/^ij,jk,kl->il/);
      expect(path).toEqual({ ...contractionPath(equation, shapes, { backend: 'cuda' }), passedOver: path.passedOver });
      const found = await contract(equation, operands);
      expect(found).toEqual(await contract(equation, operands, { backend: 'cuda' }));
      expect(far(found, await contract(equation, operands, { backend: 'native' }))).toBeLessThan(1e-13);
      const compiled = await compileContractionAsync(equation, shapes, { constants: { 1: operands[1]! } });
      expect(compiled.path.backend).toBe('cuda');
      expect(far((await compiled.run([operands[0]!, operands[2]!])) as Tensor, found)).toBeLessThan(1e-13);
    });

    it('leaves to native what is little, and what is planned at once', async () => {
      stub(emulated!.copy());
      vi.stubEnv('TENSIM_TEST_FAULT', 'hang');
      const path = await contractionPathAsync(equation, shapes);
      expect(path.backend).toBe('native');
      expect(path.passedOver).toEqual([{ name: 'cuda', reason: expect.stringMatching(LITTLE) }]);
      slowProcessor();
      expect(contractionPath(equation, shapes)).toMatchObject({ backend: 'native' });
      expect(contractionPath(equation, shapes)).not.toHaveProperty('passedOver');
      expect(await contractionPathAsync(equation, shapes, { backend: 'native' })).not.toHaveProperty('passedOver');
    });

    it('counts what steps read and write beside their flops', async () => {
      // Sums of an array of 4 TiB: little to compute, and all of it to hand over.
      const { passedOver } = await contractionPathAsync('ij->j', [[2 ** 36, 8]]);
      expect(passedOver).toEqual([{ name: 'cuda', reason: expect.stringMatching(EXPECTED) }]);
    });

    it('leaves to native what the device does wrong', async () => {
      slowProcessor();
      stub(emulated!.copy());
      vi.stubEnv('TENSIM_TEST_FAULT', 'wrong units');
      expect((await contractionPathAsync(equation, shapes)).backend).toBe('cuda');
      stub(emulated!.copy());
      vi.stubEnv('TENSIM_TEST_FAULT', 'no devices');
      const { backend, passedOver } = await contractionPathAsync(equation, shapes);
      expect(backend).toBe('native');
      expect(passedOver).toEqual([{ name: 'cuda', reason: 'there is no CUDA device' }]);
      expect(await contract(equation, operands)).toEqual(await contract(equation, operands, { backend: 'native' }));
    });

    it('is told of by --verbose', async () => {
      slowProcessor();
      const { stderr, stdout } = await tensim(['contract', equation, '40x50', '50x60', '60x7', '--verbose']);
      expect(stderr).toMatch(/^backend: cuda, not native: expected to take .* by native, and .* by cuda$/m);
      expect(stdout).toMatch(/backend cuda, random operands/);
    });
  });

  describe('for a forward pass', () => {
    const model = blockModel(draw, { inputs: 6, hidden: 5, outputs: 3 });
    const inputs = numbers(8, 6);
    const evaluated = async (backend?: BackendName) => {
      const told: [BackendName, readonly PassedOver[]][] = [];
      const found = await evaluate(model, inputs, {
        ...{ backend, onBackend: (name, passedOver) => told.push([name, passedOver]) },
      });
      expect(told).toHaveLength(1);
      const [[name, passedOver]] = told as [(typeof told)[0]];
      return { found, name, passedOver };
    };

    it('takes it where it is expected to be done sooner, and tells who ran it', async () => {
      const small = await evaluated();
      expect(small).toMatchObject({ name: 'native', passedOver: [{ name: 'cuda' }] });
      expect(small.passedOver[0]!.reason).toMatch(LITTLE);
      slowProcessor();
      const large = await evaluated();
      expect(large).toMatchObject({ name: 'cuda', passedOver: [{ name: 'native' }] });
      expect(large.found).toEqual((await evaluated('cuda')).found);
      expect(far(large.found, small.found)).toBeLessThan(1e-14);
      expect((await evaluated('native')).passedOver).toEqual([]);
    });
  });

  it('leaves what is explained by directions to native, and says what the device lacks', async () => {
    slowProcessor();
    const [a, b] = [1, 2].map(() => blockModel(draw, { inputs: 4, hidden: 3, outputs: 2 }));
    const reason = 'it does not know the forms of models, which explaining needs';
    expect(await explain(a!, b!)).toMatchObject({ backend: 'native', passedOver: [{ name: 'cuda', reason }] });
    const deep = () => modelOf([0, 1].map(() => randomBlock(draw, { inputs: 4, hidden: 3, outputs: 4 })));
    const found = await explain(deep(), deep(), { by: 'layers', method: 'closure' });
    expect(found).toMatchObject({
      backend: 'cuda',
      passedOver: [{ name: 'native', reason: expect.stringMatching(EXPECTED) }],
    });
  });

  describe('for blocks', () => {
    const written = (name: string, ...seeds: number[]) =>
      writeNetwork(folder, name, llamaTensors(seeds.map((seed) => smallLayer(seed))));
    const paths = () => [written('a', 1, 2), written('b', 3, 4), written('c', 5, 6)];

    it.each(['exact', 'sampled'] as const)('compares MLPs on the device by the method "%s"', async (method) => {
      const wanted = await blockMatrix(paths(), { method, backend: 'native' });
      expect(wanted).not.toHaveProperty('mlpBackends');
      const small = await blockMatrix(paths(), { method });
      expect(small.mlpBackends).toEqual([
        { method, backend: 'native', passedOver: [{ name: 'cuda', reason: expect.stringMatching(LITTLE) }] },
      ]);
      slowProcessor();
      const found = await blockMatrix(paths(), { method });
      expect(found.backend).toBe('native');
      expect(found.mlpBackends).toEqual([
        { method, backend: 'cuda', passedOver: [{ name: 'native', reason: expect.stringMatching(EXPECTED) }] },
      ]);
      const onDevice = await blockMatrix(paths(), { method, backend: 'cuda' });
      expect(found.layers.map(({ mlp }) => mlp)).toEqual(onDevice.layers.map(({ mlp }) => mlp));
      for (const [layer, { mlp }] of found.layers.entries())
        for (const [i, row] of mlp!.similarity.entries())
          for (const [j, value] of row.entries())
            expect(value).toBeCloseTo(wanted.layers[layer]!.mlp!.similarity[i]![j]!, method === 'exact' ? 12 : 5);
      const { stderr, stdout } = await tensim(['blocks', ...paths(), '--matrix', '--verbose', '--method', method]);
      const how = method === 'exact' ? 'exactly' : 'sampled';
      expect(stderr).toMatch(new RegExp(`^MLPs ${how}, backend: cuda, not native: expected to take`, 'm'));
      expect(stdout).toMatch(new RegExp(`backend native, MLPs ${how} by cuda`));
    });

    it('tells of pairs, and keeps their layers by who computed them', async () => {
      const [a, b] = paths() as [string, string];
      const state = join(folder, 'layers.state');
      const options = { method: 'sampled', state } as const;
      const wanted = await similarityOfBlocks(a, b, options);
      expect(wanted.mlpBackends).toMatchObject([{ method: 'sampled', backend: 'native' }]);
      const size = statSync(state).size;
      slowProcessor();
      const found = await similarityOfBlocks(a, b, options);
      expect(found.mlpBackends).toMatchObject([{ method: 'sampled', backend: 'cuda' }]);
      expect(statSync(state).size).toBeGreaterThan(size);
      const grown = statSync(state).size;
      expect(await similarityOfBlocks(a, b, options)).toEqual(found);
      expect(statSync(state).size).toBe(grown);
      expect(faultsBy(schema, JSON.parse(JSON.stringify(blocksJson(found))))).toEqual([]);
    });
  });
});
