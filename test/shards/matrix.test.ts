import { readFileSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import '../../lib/report/contracts.js';
import { mapLayer } from '../../lib/layers/layer.js';
import { mergeShards } from '../../lib/shards/merge.js';
import { matrixShard } from '../../lib/shards/shard.js';
import type { ShardOptions } from '../../lib/shards/terms.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import type { MatrixOptions } from '../../lib/similarity/terms/types.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { rejection, temporaryFolder } from '../formats/safetensors/helpers.js';
import { availableBackends } from '../support/backends.js';
import { saveModel } from '../support/model_files.js';
import { blockModel } from '../support/models.js';
import { random } from '../support/random.js';

const root = temporaryFolder();
let made = 0;
const newState = () => join(root, `${made++}.state`);

const draw = random(3);
const sizes = (i: number) => ({ inputs: 4, hidden: 2 + (i % 5), outputs: 2 });
const paths: string[] = [];
for (let i = 0; i < 23; i++) paths.push(await saveModel(root, `model_${i}`, blockModel(draw, sizes(i), `model_${i}`)));

/** The JSON of a result without what was measured on the way. */
function plainJson(result: object): unknown {
  return JSON.parse(JSON.stringify(result), (key, value) => (key === 'seconds' ? undefined : value));
}

async function inShards(models: readonly string[], count: number, options: Omit<ShardOptions, 'state'>) {
  const states: string[] = [];
  const results = [];
  for (let index = 1; index <= count; index++) {
    const state = newState();
    states.push(state);
    results.push(await matrixShard(models, { ...options, shard: { index, count }, state }));
  }
  return { states, results };
}

describe.each(availableBackends)('shards on %s', (backend) => {
  const base = { backend, route: 'factor' } as const;
  const cases: readonly [string, readonly string[], Omit<MatrixOptions, 'onTile'>][] = [
    ['all pairs', paths, {}],
    ['a window', paths, { window: 3 }],
    ['consecutive', paths, { consecutive: true }],
    ['rows and columns', paths, { rows: [1, 5, 7, 3], columns: [0, 5, 6, 9, 11, 20] }],
    ['a reference', paths, { reference: 4 }],
    ['outputs', paths, { perOutput: true }],
    ['degrees', paths.slice(0, 9), { degrees: true }],
    ['files that are given twice', [...paths, paths[3], paths[17]], {}],
    ['every other', paths, { every: 2 }],
  ];
  it.each(cases)('give the JSON of one run: %s', async (_, models, options) => {
    const whole = plainJson(await similarityMatrix(models, { ...base, ...options }));
    for (const count of [1, 3, 8]) {
      const { states } = await inShards(models, count, { ...base, ...options });
      const { result, missing } = await mergeShards([...states].reverse());
      expect(plainJson(result)).toEqual(whole);
      expect(missing).toEqual([]);
    }
  });
});

describe('a shard', () => {
  const options = { backend: 'fallback', route: 'factor' } as const;

  it('reads only the files that it compares, and goes on from its state file', async () => {
    const { states, results } = await inShards(paths, 8, options);
    expect(results.every(({ files }) => files < paths.length)).toBe(true);
    expect(results.reduce((sum, { pairs }) => sum + pairs, 0)).toBe((23 * 24) / 2);
    const shard = { index: 3, count: 8 };
    const again = await matrixShard(paths, { ...options, shard, state: states[2] });
    expect(again).toMatchObject({ pairs: results[2].pairs, reused: results[2].pairs, prepared: 0 });
  });

  it('is put together while it grows: up to its last whole record, and the rest is named', async () => {
    const whole = await similarityMatrix(paths, options);
    const { states } = await inShards(paths, 2, options);
    const size = statSync(states[1]).size;
    truncateSync(states[1], size - 3);
    const before = readFileSync(states[1]);
    const error = await rejection(mergeShards(states));
    expect(error.code).toBe('INVALID_ARGUMENT');
    expect(error.message).toMatch(/pairs of 23 models are missing; shard 2 of 2 not finished. .*--shard 2\/2/);
    const { result, missing } = await mergeShards(states, { allowMissing: true });
    if (result.kind !== 'matrix') throw new Error(result.kind);
    expect(readFileSync(states[1]).equals(before)).toBe(true);
    const open = result.cosine.flatMap((row) => [...row]).filter(Number.isNaN).length;
    expect(missing).toEqual([{ shard: 2, pairs: expect.any(Number) }]);
    expect(open).toBeGreaterThan(missing[0].pairs);
    for (const [i, row] of result.gram.entries())
      for (const [j, value] of row.entries()) if (!Number.isNaN(value)) expect(value).toBe(whole.gram[i][j]);
    const missed = await rejection(mergeShards([states[0]]));
    expect(missed.message).toContain('shard 2 of 2 not given');
  });

  it('of other files, settings or instructions does not belong, and is told by what differs', async () => {
    const one = (await inShards(paths, 2, options)).states[0];
    const refused = async (change: object, models: readonly string[] = paths, count = 2) => {
      const state = newState();
      await matrixShard(models, { ...options, ...change, shard: { index: 2, count }, state });
      return (await rejection(mergeShards([one, state]))).message;
    };
    expect(await refused({}, paths.slice(1))).toContain('one is of 23 models, the other of 22');
    expect(await refused({}, [...paths.slice(1), paths[0]])).toContain('model 0 is "model_0" in one and "model_1"');
    expect(await refused({}, paths, 3)).toContain('one is of 2 shards, the other of 3');
    expect(await refused({ dtype: 'float32' })).toContain('dtype is "float64" in one and "float32" in the other');
    expect(await refused({ route: 'dense' })).toContain('route is "factor" in one and "dense" in the other');
    expect(await refused({ input: { mean: [1, 0, 0, 0] } })).toContain('law is');
  });

  it.skipIf(!availableBackends.includes('native'))('of another backend is taken where that is said', async () => {
    const whole = await similarityMatrix(paths, options);
    const states = [newState(), newState()];
    for (const [at, backend] of (['fallback', 'native'] as const).entries())
      await matrixShard(paths, { ...options, backend, shard: { index: at + 1, count: 2 }, state: states[at] });
    const error = await rejection(mergeShards(states));
    expect(error.message).toMatch(/backend is "fallback" in one and "native" in the other.*--mixed/);
    const { result, mixed } = await mergeShards(states, { mixed: true });
    expect(mixed).toEqual(['fallback', expect.stringMatching(/^native \(/)]);
    for (const [i, row] of result.cosine.entries())
      for (const [j, value] of row.entries()) expect(value).toBeCloseTo(whole.cosine[i][j], 12);
  });

  it('that has read another file than its neighbour is told', async () => {
    const own: string[] = [];
    for (let i = 0; i < 4; i++) own.push(await saveModel(root, `own_${i}`, blockModel(draw, sizes(1), `own_${i}`)));
    const states = [newState(), newState()];
    await matrixShard(own, { ...options, shard: { index: 1, count: 2 }, state: states[0] });
    for (let i = 0; i < 4; i++) await saveModel(root, `own_${i}`, blockModel(draw, sizes(1), `own_${i}`));
    await matrixShard(own, { ...options, shard: { index: 2, count: 2 }, state: states[1] });
    const error = await rejection(mergeShards(states));
    expect(error.code).toBe('FILE_CHANGED');
    expect(error.message).toContain('not the same in shard 1 and shard 2');
  });

  it('whose models are all alike needs the header of one, and refuses others', async () => {
    const alike = paths.filter((_, i) => i % 5 === 1);
    const { states } = await inShards(alike, 2, { ...options, alike: true });
    const { result } = await mergeShards(states);
    expect(plainJson(result)).toEqual(plainJson(await similarityMatrix(alike, options)));
    const error = await rejection(
      matrixShard(paths, { ...options, alike: true, shard: { index: 1, count: 1 }, state: newState() }),
    );
    expect(error.message).toContain('not of the sizes that the shards were cut by');
  });

  it('is refused where there is none', async () => {
    const state = newState();
    const asked = (change: object, models: readonly string[] = paths) =>
      rejection(matrixShard(models, { ...options, shard: { index: 1, count: 2 }, state, ...change }));
    expect((await asked({ shard: { index: 3, count: 2 } })).message).toContain('no shard 3 of 2');
    expect((await asked({ state: undefined })).message).toContain('needs a state file');
    expect((await asked({ measure: 'behavioural', route: 'auto' })).message).toContain('not computed in shards');
    expect((await asked({}, [blockModel(draw, sizes(1), 'x')] as never)).message).toContain('a model in memory');
    const plain = newState();
    await similarityMatrix(paths, { ...options, state: plain });
    expect((await rejection(mergeShards([plain]))).message).toContain('no shard of a matrix is in this file');
  });

  it('keeps products beyond the range of numbers', async () => {
    const large: string[] = [];
    for (let i = 0; i < 5; i++) {
      const { layers, ...model } = blockModel(draw, sizes(1), `large_${i}`);
      const scaled = layers.map((layer) => mapLayer(layer, grown)) as typeof layers;
      large.push(await saveModel(root, `large_${i}`, { ...model, layers: scaled }));
    }
    const whole = await similarityMatrix(large, options);
    expect(whole.beyondRange).toBeDefined();
    const { states } = await inShards(large, 3, options);
    const { result } = await mergeShards(states);
    expect(plainJson(result)).toEqual(plainJson(whole));
  });
});

/** A tensor so large that inner products of forms of it leave the range of doubles. */
function grown({ data, shape }: Tensor): Tensor {
  return { data: Float64Array.from(data, (value) => 2 ** 200 * value), shape };
}
