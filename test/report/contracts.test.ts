import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import * as tensim from '../../lib/index.js';
import { tensim as command, step } from '../cli/run.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { drawModules, multipliedOut, writeAdapter } from '../support/adapters.js';
import { writeNetwork, writeTensors } from '../support/block_files.js';
import { llamaTensors, smallLayer } from '../support/transformers.js';

const root = temporaryFolder();
const BACKEND = { backend: 'fallback' } as const;
const SERIES = 'examples/digits-backdoor/step_06*.safetensors';
const SET = 'examples/digits-seeds/deep1_*.safetensors';
const files = [0, 6000, 6200].map(step);
const load = () => Promise.all(files.map((file) => tensim.loadModel(file)));
const networks = [1, 2].map((seed) => writeNetwork(root, `net_${seed}`, llamaTensors([smallLayer(seed)])));
mkdirSync(join(root, 'adapters'));
const adapters = [1, 2].map((seed) =>
  writeAdapter(join(root, 'adapters', `step_${seed}`), drawModules({ 'model.layers.0.q_proj': [6, 5] }, 4, seed)),
);

const QUERY = 'model.layers.0.self_attn.q_proj';
const layer = llamaTensors([smallLayer(1)]);
const modules = drawModules({ [QUERY]: [16, 12] }, 4, 7);
const lora = writeAdapter(join(root, 'lora'), modules);
const [delta] = modules.map((one) => multipliedOut(one, 2));
const [query, ...shape] = layer[`${QUERY}.weight`];
const merged = writeNetwork(root, 'merged', {
  ...layer,
  [`${QUERY}.weight`]: [query.map((value, i) => value + delta[i]), ...shape],
});

const encoders = ['one', 'other'].map((name, seed) => {
  const draw = (count: number) => Float64Array.from({ length: count }, (_, i) => Math.sin(1 + i + 7 * seed));
  const parts = { left: [draw(12), 3, 4], right: [draw(12).reverse(), 3, 4] };
  return writeTensors(join(root, `${name}.safetensors`), parts as never);
});

/** What a command prints as JSON. A verdict that is no pass has an exit code of its own. */
async function printed(...args: string[]): Promise<unknown> {
  const backend = args[0] === 'inspect' || args[0] === 'merge' ? [] : ['--backend', 'fallback'];
  const { code, stdout } = await command([...args, '--json', ...backend]);
  expect(code).toBeLessThanOrEqual(1);
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
    const found = await tensim.similarityMatrix(SERIES, { ...BACKEND, perOutput: true });
    return [found, await printed('matrix', SERIES, '--per-output')];
  },
  'similarityMatrix of a set': async () => {
    const found = await tensim.similarityMatrix(SET, { ...BACKEND, measure: 'weights' });
    expect([...found.leaves!].sort()).toEqual([0, 1, 2]);
    return [found, await printed('matrix', SET, '--measure', 'weights')];
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
  gate: async () => {
    const [a, b] = (await load()).slice(1);
    return [await tensim.gate(a, b, BACKEND), await printed('gate', files[1], '--against', files[2])];
  },
  verify: async () => [
    await tensim.verify(networks[0], networks[1], BACKEND),
    await printed('verify', networks[0], networks[1]),
  ],
  'verify of no transformer': async () => [
    await tensim.verify(files[0], files[1], BACKEND),
    await printed('verify', files[0], files[1]),
  ],
  verifyMerge: async () => [
    await tensim.verifyMerge(networks[0], [lora], merged, BACKEND),
    await printed('verify', '--base', networks[0], '--adapter', lora, '--merged', merged),
  ],
  featureSimilarity: async () => {
    const [a, b] = await Promise.all(encoders.map((file) => tensim.loadModel(file)));
    return [await tensim.featureSimilarity(a, b, BACKEND), await printed('compare', ...encoders, '--features')];
  },
  inspect: async () => [await tensim.inspect(files[0]), await printed('inspect', files[0])],
  compareMeasures: async () => {
    const measures = ['gaussian', 'weights'] as const;
    const matrices = await Promise.all(
      measures.map((measure) => tensim.similarityMatrix(SERIES, { ...BACKEND, measure })),
    );
    return [tensim.compareMeasures(matrices), await printed('matrix', SERIES, '--measure', measures.join(','))];
  },
  matrixShard: async () => {
    const [own, told] = ['own', 'told'].map((name) => join(root, `${name}.state`));
    const shard = { index: 1, count: 2 };
    const found = await tensim.matrixShard(SERIES, { ...BACKEND, shard, state: own });
    const printedThere = (await printed('matrix', SERIES, '--shard', '1/2', '--state', told)) as object;
    return [found, { ...printedThere, state: own }];
  },
  shardPlan: async () => [
    await tensim.shardPlan(SERIES, { ...BACKEND, count: 2 }),
    await printed('matrix', SERIES, '--shard', '2', '--plan'),
  ],
  mergeShards: async () => {
    const parts = [1, 2].map((index) => join(root, `part_${index}.state`));
    for (const [i, state] of parts.entries())
      await tensim.matrixShard(SERIES, { ...BACKEND, shard: { index: i + 1, count: 2 }, state });
    return [(await tensim.mergeShards(parts)).result, await printed('merge', ...parts)];
  },
  blocksShard: async () => {
    const [own, told] = ['blocks_own', 'blocks_told'].map((name) => join(root, `${name}.state`));
    const found = await tensim.blocksShard(networks, { ...BACKEND, shard: { index: 1, count: 2 }, state: own });
    const printedThere = (await printed('blocks', ...networks, '--shard', '1/2', '--state', told)) as object;
    return [found, { ...printedThere, state: own }];
  },
  blocksShardPlan: async () => [
    await tensim.blocksShardPlan(networks, { ...BACKEND, count: 2 }),
    await printed('blocks', ...networks, '--shard', '2', '--plan'),
  ],
  mergeBlocksShards: async () => {
    const parts = [1, 2].map((index) => join(root, `blocks_part_${index}.state`));
    for (const [i, state] of parts.entries())
      await tensim.blocksShard(networks, { ...BACKEND, shard: { index: i + 1, count: 2 }, state });
    return [(await tensim.mergeBlocksShards(parts)).result, await printed('merge', ...parts)];
  },
  adapterMatrix: async () => [await tensim.adapterMatrix(adapters, BACKEND), await printed('adapters', ...adapters)],
};

/** What is measured and not computed. */
const isMeasured = (key: string) => ['estimates', 'seconds', 'weighed'].includes(key);
const exactly = (told: unknown) =>
  JSON.parse(JSON.stringify(told), (key, value) => (isMeasured(key) ? undefined : value));

/** Functions that make no result with a JSON of its own: numbers, tensors, models, lists; or they write files. */
const OTHERS = [
  ...['TensimError', 'backends', 'blockMoments', 'blockScore', 'consecutive', 'convert', 'correlation', 'cosine'],
  ...['compileContraction', 'compileContractionAsync', 'contract', 'contractionPath', 'contractionPathAsync'],
  ...['createModel', 'direction', 'distance', 'draftModel', 'evaluate', 'judge', 'largestChange', 'loadInputs'],
  ...['loadModel', 'loadSequences', 'momentsOf', 'nearestNeighbours', 'onset', 'openCheckpoint', 'outputOnsets'],
  ...['segmentation', 'tensor', 'writeAdapters', 'writeBlocks', 'writeExplanation', 'writeReport'],
  ...['writeSafetensors', 'runWorker', 'watch'],
];

/** Those that have a test of their own: below, in blocks/plan.test.ts, as planning measures the machine, and in workers. */
const ELSEWHERE = ['ridgeSweep', 'planBlocks', 'matrixByWorkers'];

const schemaOf = (name: string) => join(import.meta.dirname, `../../schemas/${name.replace('/', '.')}.schema.json`);

describe('results are plain data:', () => {
  test('of every function there is', () => {
    const made = Object.keys(RESULTS).map((name) => name.split(' ')[0]);
    const functions = Object.entries(tensim).flatMap(([name, value]) => (typeof value === 'function' ? [name] : []));
    expect([...new Set([...made, ...ELSEWHERE, ...OTHERS])].sort()).toEqual(functions.sort());
  });

  test.each(Object.entries(RESULTS))('%s', async (_, make) => {
    const [result, told] = await make();
    expect(JSON.parse(JSON.stringify(structuredClone(result)))).toBeTypeOf('object');
    expect(structuredClone(result)).toEqual({ ...result });
    expect(exactly(result)).toEqual(exactly(told));
    const { schema } = exactly(result);
    expect(schema).toMatch(/^tensim\.[a-z-]+\/1$/);
    if (!existsSync(schemaOf(schema))) return;
    const isSound = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(
      JSON.parse(readFileSync(schemaOf(schema), 'utf8')),
    );
    expect(isSound(exactly(result)), JSON.stringify(isSound.errors)).toBe(true);
  });

  test('ridgeSweep tells its results as parts', async () => {
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
