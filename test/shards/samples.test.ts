import { appendFileSync, copyFileSync, mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import '../../lib/report/contracts.js';
import { createModel, type LayerDefinition } from '../../lib/model/create.js';
import type { Model } from '../../lib/model/model.js';
import { mergeShards } from '../../lib/shards/merge.js';
import { shardPlan } from '../../lib/shards/plan.js';
import { matrixShard } from '../../lib/shards/shard.js';
import type { ShardOptions, ShardResult } from '../../lib/shards/terms.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import { INTERVAL } from '../../lib/similarity/sampled/jackknife.js';
import type { MatrixOptions } from '../../lib/similarity/terms/types.js';
import { rejection, temporaryFolder } from '../formats/safetensors/helpers.js';
import { availableBackends } from '../support/backends.js';
import { saveModel } from '../support/model_files.js';
import { modelOf, randomAttention, randomBlock, randomLinear } from '../support/models.js';
import { type Random, random } from '../support/random.js';
import { randomHidden } from '../support/units.js';

const root = temporaryFolder();
let made = 0;
function newFolder(): string {
  const folder = join(root, `${made++}`);
  mkdirSync(folder);
  return folder;
}

async function saved(name: string, count: number, make: (draw: Random) => Model): Promise<string[]> {
  const paths: string[] = [];
  for (let i = 0; i < count; i++) paths.push(await saveModel(root, `${name}_${i}`, make(random(10 * made++ + 1))));
  return paths;
}

/** Residual blocks, so many inputs wide. */
const chain = (width: number, blocks: number) => (draw: Random) => {
  const shape = { inputs: width, hidden: 3, outputs: width, biases: true, residual: [0.5, 0.5] } as const;
  const middle = Array.from({ length: blocks }, () => randomBlock(draw, shape));
  return modelOf([randomLinear(draw, width, width, false), ...middle, randomLinear(draw, 2, width)]);
};
const gelu = (draw: Random) => {
  const shape = { inputs: 6, hidden: 6, outputs: 6, biases: true, activation: 'gelu' } as const;
  const layers: LayerDefinition[] = [randomLinear(draw, 6, 2), randomHidden(draw, shape), randomHidden(draw, shape)];
  return createModel({ layers: [...layers, randomLinear(draw, 3, 6)] });
};
const attention = (draw: Random) => {
  const attends = { inputs: 4, heads: 2, size: 2, residual: [1, 0.5], rotaryBase: 100 } as const;
  const layers = [randomLinear(draw, 4, 5, false), randomAttention(draw, attends), randomAttention(draw, attends)];
  return createModel({ layers: [...layers, randomLinear(draw, 3, 4)], positions: 3 });
};
const chains = await saved('chain', 4, chain(2, 3));
const planes = await saved('plane', 5, chain(2, 1));
const wide = await saved('wide', 3, chain(6, 2));
const mlps = await saved('mlp', 3, gelu);
const tokens = await saved('tokens', 3, attention);

/** The JSON of a result without what was measured on the way. */
function plainJson(result: object): unknown {
  return JSON.parse(JSON.stringify(result), (key, value) => (key === 'seconds' ? undefined : value));
}

type Options = Omit<ShardOptions, 'state'>;

/** All shards, one after the other, each with a state file in a folder of its own, or beside the others. */
async function inShards(models: readonly string[], count: number, options: Options, folder?: string) {
  const states: string[] = [];
  const results: ShardResult[] = [];
  for (let index = 1; index <= count; index++) {
    const state = join(folder ?? newFolder(), `part-${index}.state`);
    states.push(state);
    results.push(await matrixShard(models, { ...options, shard: { index, count }, state }));
  }
  return { states, results };
}

/** Few samples, which are all taken: no tolerance is reached with them. */
const FEW = { tolerance: 1e-4, maxSamples: 2048 } as const;

describe.each(availableBackends)('shards of samples on %s', (backend) => {
  const cases: readonly [string, readonly string[], Omit<MatrixOptions, 'onTile'>][] = [
    ['residual chains', chains, FEW],
    ['two models, whose difference is sampled too', chains.slice(0, 2), FEW],
    ['outputs', chains, { ...FEW, perOutput: true }],
    ['rows and columns', chains, { ...FEW, rows: [1, 3], columns: [0, 3] }],
    ['a window', chains, { ...FEW, window: 1 }],
    ['files that are given twice', [...chains, chains[1]], FEW],
    ['float32, another law and seed', chains, { ...FEW, dtype: 'float32', input: { sigma: 0.5 }, seed: 7 }],
    ['MLPs beside surrogates', mlps, { tolerance: 1e-4, maxSamples: 8192 }],
    ['attention on tokens', tokens, { ...FEW, input: 'tokens' }],
    ['attention on vectors', tokens, { ...FEW, input: 'onehot' }],
  ];
  it.each(cases)('give the JSON of one run: %s', async (_, models, options) => {
    const own = { backend, method: 'sampled', ...options } as const;
    const whole = await similarityMatrix(models, own);
    expect(whole.method).toBe('sampled');
    expect(whole.sampling!.surrogate !== undefined).toBe(models === mlps);
    for (const count of [1, 2, 3, 4, 5]) {
      const { states, results } = await inShards(models, count, own);
      expect(results.reduce((sum, { sampling }) => sum + sampling!.groups, 0)).toBe(32);
      expect(results.every(({ sampling }) => !sampling!.open)).toBe(true);
      const { result, missing, mixed } = await mergeShards([...states].reverse());
      expect(plainJson(result)).toEqual(plainJson(whole));
      expect({ missing, mixed }).toEqual({ missing: [], mixed: [] });
    }
  });

  it('find the tails of wide models as one run does', async () => {
    const own = { backend, tolerance: 1e-4, maxSamples: 2 ** 15 } as const;
    const whole = await similarityMatrix(wide, own);
    const { states } = await inShards(wide, 3, own);
    expect(plainJson((await mergeShards(states)).result)).toEqual(plainJson(whole));
  });

  it('whose first samples reach the tolerance need no others', async () => {
    const own = { backend, method: 'sampled', tolerance: 0.05 } as const;
    const whole = await similarityMatrix(mlps, own);
    expect(whole.sampling!.reached).toBe(true);
    const { states, results } = await inShards(mlps, 4, own);
    expect(results.every(({ sampling }) => sampling!.open)).toBe(true);
    expect(plainJson((await mergeShards(states)).result)).toEqual(plainJson(whole));
  });
});

describe('a shard of samples', () => {
  const backend = availableBackends[0];
  /** Of two inputs, so many samples that a first stage does not reach the tolerance, and may not have as many. */
  const staged = { backend, method: 'sampled', tolerance: 1e-4, maxSamples: 2 ** 17 } as const;

  it('goes on with more samples beside the files of the others, as one run does', async () => {
    const whole = await similarityMatrix(chains, staged);
    const folder = newFolder();
    const { states, results } = await inShards(chains, 3, staged, folder);
    // The last of them has found all groups of the first stage.
    expect(results.map(({ sampling }) => sampling!.open)).toEqual([true, true, false]);
    expect(results[2].sampling!.samples).toBeGreaterThan(results[0].sampling!.samples);
    const early = await rejection(mergeShards(states));
    expect(early.message).toMatch(/groups of samples of 32 are missing.*shards 1 and 2 of 3 not finished/);
    const again = await inShards(chains, 3, staged, folder);
    expect(again.results.map(({ sampling }) => [sampling!.open, sampling!.reused])).toEqual([
      [false, 0],
      [false, 0],
      [false, 11],
    ]);
    expect(plainJson((await mergeShards(states)).result)).toEqual(plainJson(whole));
    expect(whole.sampling!.samples).toBe(again.results[0].sampling!.samples);
  });

  it('that lies apart from the others is told that it has to go on', async () => {
    const { states } = await inShards(chains, 2, staged);
    const error = await rejection(mergeShards(states));
    expect(error.code).toBe('INVALID_ARGUMENT');
    expect(error.message).toMatch(/do not reach the tolerance.*would go on with .* others.*Start every shard again/);
    const { result: first, missing } = await mergeShards(states, { allowMissing: true });
    expect(missing.map(({ groups }) => groups)).toEqual([16, 16]);
    expect(first.sampling!.reached).toBe(false);
    const folder = newFolder();
    for (const [at, state] of states.entries()) copyFileSync(state, join(folder, `part-${at + 1}.state`));
    const together = await inShards(chains, 2, staged, folder);
    const { result } = await mergeShards(together.states);
    expect(plainJson(result)).toEqual(plainJson(await similarityMatrix(chains, staged)));
  });

  it('goes on from its state file, wherever that ends', async () => {
    const own = { backend, method: 'sampled', ...FEW } as const;
    const { states } = await inShards(chains, 2, own);
    const whole = readFileSync(states[1]);
    const shard = { index: 2, count: 2 };
    const again = await matrixShard(chains, { ...own, shard, state: states[1] });
    expect(again.sampling).toMatchObject({ groups: 16, reused: 16 });
    expect(readFileSync(states[1]).equals(whole)).toBe(true);
    const groups = new Set<number>();
    for (const size of [0, 10, 100, 1000, 2000, whole.length >> 1, whole.length - 3000, whole.length - 1]) {
      const state = join(newFolder(), 'part-2.state');
      writeFileSync(state, whole.subarray(0, size));
      const { sampling } = await matrixShard(chains, { ...own, shard, state });
      groups.add(sampling!.reused);
      expect(readFileSync(state).equals(whole)).toBe(true);
    }
    expect(groups.size).toBeGreaterThan(2);
  });

  it('keeps a group that takes long as far as it is, and goes on within it', async () => {
    // Two batches a group, even if every sample is two inputs.
    const long = { ...staged, maxSamples: 2 ** 18 } as const;
    const whole = await similarityMatrix(chains, long);
    const folder = newFolder();
    let clock = 0;
    // Half a minute from every look at the clock to the next.
    const now = vi.spyOn(performance, 'now').mockImplementation(() => (clock += 40_000));
    const run = (index: number) =>
      matrixShard(chains, { ...long, shard: { index, count: 2 }, state: join(folder, `part-${index}.state`) });
    try {
      for (const index of [1, 2, 1]) await run(index);
    } finally {
      now.mockRestore();
    }
    const states = [1, 2].map((index) => join(folder, `part-${index}.state`));
    const { result } = await mergeShards(states);
    expect(plainJson(result)).toEqual(plainJson(whole));
    // Behind the last but one batch of the last group.
    const bytes = readFileSync(states[1]);
    const plain = newFolder();
    for (let round = 0; round < 2; round++) await inShards(chains, 2, long, plain);
    expect(bytes.length).toBeGreaterThan(statSync(join(plain, 'part-2.state')).size);
    const total = bytes.length;
    writeFileSync(states[1], bytes.subarray(0, total - 8));
    expect((await run(2)).sampling).toMatchObject({ open: false, groups: 16, reused: 15 });
    expect(statSync(states[1]).size).toBe(total);
    expect(plainJson((await mergeShards(states)).result)).toEqual(plainJson(whole));
  });

  it('that is cut off, spoilt or absent is named', async () => {
    const own = { backend, method: 'sampled', ...FEW } as const;
    const { states } = await inShards(chains, 3, own);
    const absent = await rejection(mergeShards([states[0], states[2]]));
    expect(absent.message).toMatch(/^11 groups of samples of 32 are missing.*shard 2 of 3 not given.*--shard 2\/3/);
    truncateSync(states[1], statSync(states[1]).size - 1);
    const cut = await rejection(mergeShards(states));
    expect(cut.message).toMatch(/^1 group of samples of 32 .*shard 2 of 3 not finished/);
    appendFileSync(states[1], 'what something else has written');
    expect((await rejection(mergeShards(states))).message).toMatch(/^1 group/);
    writeFileSync(states[1], readFileSync(states[1]).subarray(0, 40));
    expect((await rejection(mergeShards([states[1]]))).message).toContain('no samples are in this file');
  });

  it('that is missing leaves an estimate of fewer samples, whose intervals hold', async () => {
    const truth = await similarityMatrix(planes, { backend, method: 'exact' });
    let [inside, asked] = [0, 0];
    for (let seed = 0; seed < 40; seed++) {
      const own = { backend, method: 'sampled', tolerance: 1e-4, maxSamples: 8192, seed } as const;
      const state = join(newFolder(), 'part-1.state');
      await matrixShard(planes, { ...own, shard: { index: 1, count: 3 }, state });
      const { result, missing } = await mergeShards([state], { allowMissing: true });
      expect(missing).toEqual([
        { shard: 2, pairs: 0, groups: 11 },
        { shard: 3, pairs: 0, groups: 11 },
      ]);
      if (result.kind !== 'matrix') throw new Error(result.kind);
      expect(result.sampling).toMatchObject({ samples: 2560, reached: false });
      for (let i = 0; i < planes.length; i++) {
        for (let j = 0; j < i; j++, asked++) {
          if (Math.abs(result.cosine[i][j] - truth.cosine[i][j]) <= INTERVAL * result.cosineError![i][j]) inside++;
        }
      }
    }
    // Of 400, of which those of one seed hang together, 380 are to be expected.
    expect(asked).toBe(400);
    expect(inside).toBeGreaterThan(360);
    const few = join(newFolder(), 'part-1.state');
    const own = { backend, method: 'sampled', ...FEW } as const;
    await matrixShard(planes, { ...own, shard: { index: 1, count: 8 }, state: few });
    const error = await rejection(mergeShards([few], { allowMissing: true }));
    expect(error.message).toMatch(/^28 groups .*of fewer than 8 groups the errors are not known/);
  });

  it('of other files, settings or kinds does not belong, and is told by what differs', async () => {
    const own = { backend, method: 'sampled', ...FEW } as const;
    const [one] = (await inShards(chains, 2, own)).states;
    const refused = async (change: object, models: readonly string[] = chains, count = 2) => {
      const state = join(newFolder(), 'part-2.state');
      await matrixShard(models, { ...own, ...change, shard: { index: 2, count }, state });
      return (await rejection(mergeShards([one, state], { mixed: true }))).message;
    };
    expect(await refused({}, chains.slice(1))).toContain('one is of 4 models, the other of 3');
    expect(await refused({}, chains, 3)).toContain('one is of 2 shards, the other of 3');
    expect(await refused({ seed: 1 })).toContain('seed is 0 in one and 1 in the other');
    expect(await refused({ tolerance: 0.1 })).toContain('tolerance is');
    expect(await refused({ input: { sigma: 2 } })).toContain('law is');
    expect(await refused({ dtype: 'float32' })).toContain('dtype is "float64" in one and "float32" in the other');
    expect(await refused({ method: 'closure' })).toContain('that one is of a sampled matrix, and this is not');
    if (availableBackends.length > 1)
      expect(await refused({ backend: availableBackends[1] })).toMatch(/backend is .*Set --backend, and TENSIM_CPU/);
  });

  it('that has read another file than its neighbour is told, and begins anew in its own', async () => {
    const own = { backend, method: 'sampled', ...FEW } as const;
    const models = await saved('own', 3, chain(2, 3));
    const states = [1, 2].map((index) => join(newFolder(), `part-${index}.state`));
    const shard = (index: number) =>
      matrixShard(models, { ...own, shard: { index, count: 2 }, state: states[index - 1] });
    await shard(1);
    const [other] = await saved('other', 1, chain(2, 3));
    const weights = (path: string) => path.replace('.json', '.safetensors');
    copyFileSync(weights(other), weights(models[1]));
    await shard(2);
    const error = await rejection(mergeShards(states));
    expect(error.code).toBe('FILE_CHANGED');
    expect(error.message).toContain('not the same in shard 1 and shard 2');
    expect((await shard(1)).sampling!.reused).toBe(0);
    const { result } = await mergeShards(states);
    expect(plainJson(result)).toEqual(plainJson(await similarityMatrix(models, own)));
  });

  it('takes over what another has decided, if that lies beside it, and nothing else', async () => {
    const own = { backend, method: 'sampled', ...FEW } as const;
    const folder = newFolder();
    const phases: number[] = [];
    const run = (index: number, seed = 0) => {
      let most = 0;
      const onProgress: Options['onProgress'] = ({ phase, total }) => {
        if (phase === 'sample') most = Math.max(most, total);
      };
      const state = join(folder, `part-${index}.state`);
      return matrixShard(chains, { ...own, seed, shard: { index, count: 2 }, state, onProgress }).then(() =>
        phases.push(most),
      );
    };
    await run(1);
    await run(2);
    await run(2, 1);
    // All samples of a deciding stage, or those of a shard alone.
    expect(phases).toEqual([2048, 1024, 2048]);
  });

  it('is refused where there are more than groups, and planned where not', async () => {
    const own = { backend, method: 'sampled', perOutput: true, ...FEW } as const;
    const error = await rejection(
      matrixShard(chains, { ...own, shard: { index: 1, count: 33 }, state: join(newFolder(), 'x.state') }),
    );
    expect(error.message).toMatch(/at most 32 shards.*--shard 32/);
    expect((await rejection(shardPlan(chains, { ...own, count: 64 }))).message).toContain('at most 32 shards');
    const plan = await shardPlan(chains, { ...own, count: 5 });
    expect(plan).toMatchObject({ models: 4, pairs: 10, route: null, maxSamples: 2048 });
    expect(plan.shards.map(({ tiles }) => tiles)).toEqual([6, 6, 7, 6, 7]);
    const { states } = await inShards(chains, 5, own);
    for (const [at, { stateBytes, files }] of plan.shards.entries()) {
      const { size } = statSync(states[at]);
      expect(files).toBe(4);
      expect(size / stateBytes!).toBeGreaterThan(0.3);
      expect(size / stateBytes!).toBeLessThan(1.2);
    }
  });
});
