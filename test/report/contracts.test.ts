import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as tensim from '../../lib/index.js';
import { tensim as command, step } from '../cli/run.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { drawModules, writeAdapter } from '../support/adapters.js';
import { writeNetwork } from '../support/block_files.js';
import { llamaTensors, smallLayer } from '../support/transformers.js';

const root = temporaryFolder();
const BACKEND = { backend: 'fallback' } as const;
const files = [0, 6000, 6200].map(step);
const load = () => Promise.all(files.map((file) => tensim.loadModel(file)));
const networks = [1, 2].map((seed) => writeNetwork(root, `net_${seed}`, llamaTensors([smallLayer(seed)])));
mkdirSync(join(root, 'adapters'));
const adapters = [1, 2].map((seed) =>
  writeAdapter(join(root, 'adapters', `step_${seed}`), drawModules({ 'model.layers.0.q_proj': [6, 5] }, 4, seed)),
);

/** What a command prints as JSON. */
async function printed(...args: string[]): Promise<unknown> {
  const { code, stdout } = await command([...args, '--json', '--backend', 'fallback']);
  expect(code).toBe(0);
  return JSON.parse(stdout);
}

/** Results of the public API, each with what the command line says of the same. */
const RESULTS: Readonly<Record<string, () => Promise<[result: object, told: unknown]>>> = {
  similarity: async () => {
    const [a, b] = (await load()).slice(1);
    const options = { ...BACKEND, perOutput: true, degrees: true };
    return [await tensim.similarity(a, b, options), await printed('compare', ...files.slice(1), '--per-output')];
  },
  'similarityMatrix of a series': async () => {
    const pattern = 'examples/digits-backdoor/step_06*.safetensors';
    const found = await tensim.similarityMatrix(pattern, { ...BACKEND, perOutput: true });
    return [found, await printed('matrix', pattern, '--per-output')];
  },
  'similarityMatrix of rows and columns': async () => {
    const found = await tensim.similarityMatrix(files, { ...BACKEND, reference: 'step_06000' });
    return [found, await printed('matrix', ...files, '--reference', 'step_06000')];
  },
  explain: async () => {
    const [a, b] = (await load()).slice(1);
    return [await tensim.explain(a, b, BACKEND), await printed('explain', ...files.slice(1))];
  },
  'explain by layers': async () => {
    const [a, b] = (await load()).slice(1);
    const found = await tensim.explain(a, b, { ...BACKEND, by: 'layers' });
    return [found, await printed('explain', ...files.slice(1), '--by', 'layers')];
  },
  similarityOfBlocks: async () => [
    await tensim.similarityOfBlocks(networks[0], networks[1], BACKEND),
    await printed('blocks', ...networks),
  ],
  blockMatrix: async () => [
    await tensim.blockMatrix(
      networks.map((folder) => join(folder, 'model.safetensors')),
      BACKEND,
    ),
    await printed('blocks', '--matrix', ...networks.map((folder) => join(folder, 'model.safetensors'))),
  ],
  adapterMatrix: async () => [await tensim.adapterMatrix(adapters, BACKEND), await printed('adapters', ...adapters)],
};

/** What is measured and not computed. */
const isMeasured = (key: string) => ['estimates', 'seconds', 'weighed'].includes(key);
const exactly = (told: unknown) =>
  JSON.parse(JSON.stringify(told), (key, value) => (isMeasured(key) ? undefined : value));

describe('results are plain data:', () => {
  test.each(Object.entries(RESULTS))('%s', async (_, make) => {
    const [result, told] = await make();
    expect(JSON.parse(JSON.stringify(structuredClone(result)))).toBeTypeOf('object');
    expect(structuredClone(result)).toEqual({ ...result });
    expect(exactly(result)).toEqual(exactly(told));
  });

  test('compareMeasures and ridgeSweep tell theirs as parts', async () => {
    const matrices = [
      await tensim.similarityMatrix(files, { ...BACKEND, measure: 'gaussian' }),
      await tensim.similarityMatrix(files, { ...BACKEND, measure: 'weights' }),
    ];
    const measures = JSON.parse(JSON.stringify(tensim.compareMeasures(matrices, 2)));
    expect(measures).toMatchObject({ schema: 'tensim.measures/1', measures: ['gaussian', 'weights'] });
    expect(measures.matrices.map(({ schema }: { schema: string }) => schema)).toEqual([
      'tensim.matrix/1',
      'tensim.matrix/1',
    ]);
    const [a, b] = await load();
    const moments = { cov: tensim.tensor(new Float64Array(64 * 64).fill(0.5), [64, 64]) };
    const sweep = await tensim.ridgeSweep([0.5, 1], (ridge) =>
      tensim.similarity(a, b, { ...BACKEND, input: { ...moments, ridge } }),
    );
    const told = JSON.parse(JSON.stringify(sweep));
    expect(told.schema).toBe('tensim.ridge/1');
    expect(told.steps[1].result).toMatchObject({ schema: 'tensim.compare/1', input: 'custom, ridge 1' });
    expect(structuredClone(sweep).steps[0].result.similarity).toBe(sweep.steps[0].result.similarity);
  });

  test('what can be called on them is there, and is no data', async () => {
    const found = await tensim.similarityMatrix(files, BACKEND);
    const [first, second] = [
      { from: 0, to: 1 },
      { from: 1, to: 2 },
    ];
    expect(found.direction(first, second)).toBe(tensim.direction(found.gram, first, second));
    expect(found.difference(1, 2).distance).toBeGreaterThan(0);
    expect(Object.keys(found)).not.toContain('direction');
    const { direction } = found;
    expect(direction(first, second)).toBe(found.direction(first, second));
  });

  test('others have no methods at all', async () => {
    const [a, b] = (await load()).slice(1);
    const path = tensim.contractionPath('ij,jk->ik', [
      [2, 3],
      [3, 4],
    ]);
    for (const result of [
      await tensim.gate(a, b, BACKEND),
      await tensim.verify(files[0], files[0], BACKEND),
      await tensim.inspect(files[0]),
      await tensim.draftModel(files[0]),
      await tensim.backends(),
      tensim.judge(await tensim.similarity(a, b, { ...BACKEND, perOutput: true }), { min: 0.5 }),
      path,
    ]) {
      expect(structuredClone(result)).toEqual(result);
      expect(() => JSON.stringify(result)).not.toThrow();
    }
  });
});

describe('what is no result, or no file,', () => {
  test('is refused by its kind', async () => {
    const write = tensim.writeReport as (...args: unknown[]) => Promise<void>;
    const file = join(root, 'wrong.json');
    for (const result of [undefined, null, 3, 'text', {}, { kind: 'other' }, { kind: 'toString' }, []])
      await expect(write(result, file)).rejects.toMatchObject({ name: 'TensimError', code: 'INVALID_ARGUMENT' });
    const [a, b] = await load();
    const result = await tensim.similarity(a, b, BACKEND);
    for (const place of [undefined, null, 3, {}, Symbol('x'), ['a.json']])
      await expect(write(result, place)).rejects.toMatchObject({ name: 'TensimError', code: 'INVALID_ARGUMENT' });
  });

  test('and so is what is no tensor', () => {
    const make = tensim.tensor as (...args: unknown[]) => unknown;
    for (const args of [
      [],
      [[1, 2]],
      [[1, 2], 2],
      [[1, 2], [3]],
      [['1', '2'], [2]],
      [[1, undefined], [2]],
      [[1n], [1]],
      [new Int32Array(2), [2]],
      [[1], [1.5]],
      [[1], [Symbol('x')]],
    ])
      expect(() => make(...args)).toThrow(tensim.TensimError);
  });
});
