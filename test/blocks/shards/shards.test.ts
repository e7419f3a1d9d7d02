import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import '../../../lib/report/contracts.js';
import { blockMatrix } from '../../../lib/blocks/matrix.js';
import { mergeBlocksShards } from '../../../lib/blocks/shards/merge.js';
import { blocksShardPlan } from '../../../lib/blocks/shards/plan.js';
import { blocksShard } from '../../../lib/blocks/shards/shard.js';
import type { BlocksShardOptions, OtherPart } from '../../../lib/blocks/shards/terms.js';
import { similarityOfBlocks } from '../../../lib/blocks/similarity_of_blocks.js';
import { mergeShards } from '../../../lib/shards/merge.js';
import { matrixShard } from '../../../lib/shards/shard.js';
import { rejection, temporaryFolder } from '../../formats/safetensors/helpers.js';
import { backendsWith } from '../../support/backends.js';
import { GPT, writeNetwork, writeTensors } from '../../support/block_files.js';
import { saveModel } from '../../support/model_files.js';
import { blockModel } from '../../support/models.js';
import { random } from '../../support/random.js';
import { orthogonal } from '../../support/rotations.js';
import { type Given, llamaTensors, type SmallLayer, smallLayer, transposed } from '../../support/transformers.js';
import { asGpt2, asPhi, smallTransformer } from '../../support/whole_transformers.js';

const D = 12;
const root = temporaryFolder();
let made = 0;
const newState = () => join(root, `${made++}.state`);

const layers: SmallLayer[] = [1, 2, 3, 4, 5, 6].map((seed) => smallLayer(seed));
const { normal } = random(9);
const noisy = (one: SmallLayer, size: number): SmallLayer => ({
  ...one,
  down: one.down.map((value) => value + size * normal()),
  query: one.query.map((value) => value + size * normal()),
});
const tuned = layers.map((one, i) => noisy(one, 0.02 * i));

const llamas = [layers, tuned, layers.map((one) => noisy(one, 0.5))].map((own, i) =>
  writeNetwork(root, `llama_${i}`, llamaTensors(own)),
);
/** With learned positions and norms of layers; a larger MLP in one layer, as costs have to tell. */
const gpts = [21, 22].map((seed) =>
  writeNetwork(root, `gpt_${seed}`, asGpt2(smallTransformer(seed, 4, 5), false), GPT),
);
const PHI = { n_head: 4, hidden_act: 'gelu_new', partial_rotary_factor: 0.5 };
const phis = [31, 32].map((seed) => writeNetwork(root, `phi_${seed}`, asPhi(smallTransformer(seed, 2, 4)), PHI));

/** Every other layer has experts in the place of its MLP. */
function withExperts(own: readonly SmallLayer[], seed: number): Given {
  const draw = random(seed);
  const tensors = llamaTensors(own);
  for (const [number, one] of own.entries()) {
    if (number % 2 === 0) continue;
    const before = `model.layers.${number}.mlp.`;
    for (const name of ['gate', 'up', 'down']) delete tensors[`${before}${name}_proj.weight`];
    tensors[`${before}gate.weight`] = [Float64Array.from({ length: 3 * D }, draw.normal), 3, D];
    for (let expert = 0; expert < 3; expert++) {
      const at = smallLayer(100 * seed + 10 * number + expert);
      tensors[`${before}experts.${expert}.gate_proj.weight`] = [at.gate, one.units, D];
      tensors[`${before}experts.${expert}.up_proj.weight`] = [at.up, one.units, D];
      tensors[`${before}experts.${expert}.down_proj.weight`] = [at.down, D, one.units];
    }
  }
  return tensors;
}
const mixtures = [1, 2].map((seed) => writeNetwork(root, `moe_${seed}`, withExperts(layers.slice(0, 4), seed)));

/** Embeddings enough to tell a basis by, of which the second's are turned. */
const tokens = Float64Array.from({ length: 30 * D }, normal);
const turnedTokens = (() => {
  const turn = orthogonal(D, 5);
  return Float64Array.from({ length: 30 * D }, (_, at) => {
    let sum = 0;
    for (let k = 0; k < D; k++) sum += tokens[Math.floor(at / D) * D + k] * turn[k * D + (at % D)];
    return sum;
  });
})();
const turned = [tokens, turnedTokens].map((own, i) =>
  writeNetwork(root, `turned_${i}`, {
    ...llamaTensors(layers.slice(i, 4 + i)),
    'model.embed_tokens.weight': [own, 30, D],
    'lm_head.weight': [own.map((value, at) => value + 0.01 * (at % 3)), 30, D],
  }),
);

const moments = (() => {
  const tensors: Given = {};
  for (const layer of [0, 1, 3])
    for (const part of ['mlp', 'attn']) {
      const half = Float64Array.from({ length: D * D }, normal);
      const other = transposed(half, D, D);
      const cov = Float64Array.from({ length: D * D }, (_, at) => {
        let sum = 0;
        for (let k = 0; k < D; k++) sum += half[Math.floor(at / D) * D + k] * other[k * D + (at % D)];
        return sum;
      });
      tensors[`${part}.${layer}.mean`] = [Float64Array.from({ length: D }, normal), D];
      tensors[`${part}.${layer}.cov`] = [cov, D, D];
    }
  return writeTensors(join(root, 'moments.safetensors'), tensors);
})();

function nudge(tensors: Given, name: string): void {
  const [data, ...shape] = tensors[name];
  tensors[name] = [data.map((value, at) => (at === 5 ? value * (1 + 2 ** -50) : value)), ...shape];
}

type Unit = number | OtherPart;
type Options = Omit<BlocksShardOptions, 'state'>;

async function inShards(paths: readonly string[], count: number, options: Options) {
  const states: string[] = [];
  const results = [];
  for (let index = 1; index <= count; index++) {
    const state = newState();
    states.push(state);
    // However many threads a machine has.
    const threads = 1 + (index % 2);
    results.push(await blocksShard(paths, { ...options, threads, shard: { index, count }, state }));
  }
  return { states, results };
}

const whole = (paths: readonly string[], { matrix, ...options }: Options): Promise<object> =>
  matrix ? blockMatrix(paths, options) : similarityOfBlocks(paths[0], paths[1], options);

describe.each(backendsWith('hidden'))('shards of blocks on %s', (backend) => {
  test.each<[string, readonly string[], Options, number[]?]>([
    ['Llama', llamas.slice(0, 2), {}, [1, 2, 3, 4, 5]],
    ['Llama, sampled', llamas.slice(0, 2), { method: 'sampled', maxSamples: 1024, seed: 3 }],
    ['Llama, units', [llamas[0], llamas[2]], { align: 'units', window: 5 }],
    ['GPT-2', gpts, {}],
    ['Phi-2, with a bias at its end', phis, { align: 'none' }],
    ['Phi-2 on the sphere', phis, { input: 'sphere' }],
    ['layers with experts', mixtures, {}],
    ['another basis of the stream', turned, { align: 'rotation' }],
    ['moments of some layers', llamas.slice(0, 2), { input: { file: moments, ridge: 0.1 } }],
    ['a network and itself', [llamas[1], llamas[1]], {}],
    ['several networks', llamas, { matrix: true }, [1, 2, 3, 4, 5]],
    ['several networks under moments', llamas, { matrix: true, input: { file: moments } }],
  ])('give the JSON of one run: %s', async (_, paths, given, counts = [2, 5]) => {
    const options = { ...given, backend };
    const once = JSON.stringify(await whole(paths, options));
    for (const count of counts) {
      const { states, results } = await inShards(paths, count, options);
      const { result, missing, mixed } = await mergeBlocksShards([...states].reverse());
      expect(JSON.stringify(result)).toBe(once);
      expect({ missing, mixed }).toEqual({ missing: [], mixed: [] });
      const all = results.flatMap((own) => own.layers).sort((a, b) => a - b);
      expect(all).toEqual(Array.from({ length: results[0].total }, (_, i) => i));
      const plan = await blocksShardPlan(paths, { ...options, count });
      for (const [at, { layers, others, digests }] of results.entries())
        expect(plan.shards[at]).toMatchObject({ layers, others, digests });
    }
  });
});

describe('a shard of blocks', () => {
  const [a, b] = llamas;
  const options = { backend: 'fallback' } as const;

  test.each([
    ['Llama', llamas.slice(0, 2)],
    ['layers with experts', mixtures],
  ])('goes on from its state file, wherever that was cut off, to the same bytes: %s', async (_, [a, b]) => {
    const { states } = await inShards([a, b], 2, options);
    const bytes = readFileSync(states[0]);
    const shard = { index: 1, count: 2 };
    const kept = new Set<number>();
    for (let part = 1; part < 12; part++) {
      const state = newState();
      writeFileSync(state, bytes);
      truncateSync(state, Math.floor((bytes.length * part) / 12));
      const { reused } = await blocksShard([a, b], { ...options, shard, state });
      kept.add(reused);
      expect(readFileSync(state).equals(bytes)).toBe(true);
    }
    expect(kept.size).toBeGreaterThan(2);
    const again = await blocksShard([a, b], { ...options, shard, state: states[0] });
    expect(again.reused).toBe(again.layers.length + again.others.length);
    expect(readFileSync(states[0]).equals(bytes)).toBe(true);
  });

  test('takes over layers that one run has kept, and the other way round', async () => {
    const state = newState();
    await similarityOfBlocks(a, b, { ...options, state });
    const { reused, layers: own } = await blocksShard([a, b], { ...options, shard: { index: 1, count: 2 }, state });
    expect(reused).toBe(own.length);
    expect((await rejection(mergeBlocksShards([state]))).message).toContain('shard 2 of 2 not given');
    const { states } = await inShards([a, b], 1, options);
    const size = statSync(states[0]).size;
    const once = await similarityOfBlocks(a, b, { ...options, state: states[0] });
    expect(statSync(states[0]).size).toBe(size);
    expect(once).toEqual(await similarityOfBlocks(a, b, options));
  });

  test('that is missing, or not finished, is named with its layers', async () => {
    const { states, results } = await inShards([a, b], 3, options);
    const once = await similarityOfBlocks(a, b, options);
    const at = results.findIndex(({ layers: own }) => own.length > 1);
    const others = states.filter((_, shard) => shard !== at);
    const absent = await rejection(mergeBlocksShards(others));
    const { layers: lost, digests } = results[at];
    expect(absent.code).toBe('INVALID_ARGUMENT');
    const named = `layers ${lost.slice(0, -1).join(', ')} and ${lost.at(-1)}`;
    expect(absent.message).toContain(
      `${lost.length} of 6 layers are missing; shard ${at + 1} of 3 not given (${named}`,
    );
    expect(absent.message).toContain(`--shard ${at + 1}/3`);
    const { result, missing } = await mergeBlocksShards(others, { allowMissing: true });
    expect(missing).toEqual([expect.objectContaining({ shard: at + 1, layers: lost, digests })]);
    if (result.kind !== 'blocks') throw new Error(result.kind);
    expect(result.layers).toEqual(once.layers.filter(({ layer }) => !lost.includes(layer)));
    expect([result.a.sha256, result.b.sha256].map((sha256) => sha256 === '')).toEqual(
      [0, 1].map((place) => digests.includes(place)),
    );
    expect(result.impression).toMatchObject({ kind: 'unclear', words: expect.stringContaining('layers') });
    const cut = readFileSync(states[at]);
    truncateSync(states[at], cut.length - 9);
    expect((await rejection(mergeBlocksShards(states))).message).toContain(`shard ${at + 1} of 3 not finished`);
    expect(readFileSync(states[at]).equals(cut.subarray(0, cut.length - 9))).toBe(true);
  });

  test('reads the tensors of its layers alone, unless it has a digest', async () => {
    const own = writeNetwork(root, 'own', llamaTensors(layers));
    const { shards } = await blocksShardPlan([a, own], { ...options, count: 5 });
    const layer = shards.find(({ digests, layers: some }) => digests.length === 0 && some.length > 0)!;
    const others = layers.map((one, i) => (layer.layers.includes(i) ? one : noisy(one, 1)));
    const state = newState();
    const shard = { index: layer.index, count: 5 };
    await blocksShard([a, own], { ...options, shard, state });
    const bytes = readFileSync(state);
    writeNetwork(root, 'own', llamaTensors(others));
    const again = await blocksShard([a, own], { ...options, shard, state });
    expect(again.reused).toBe(again.layers.length + again.others.length);
    expect(readFileSync(state).equals(bytes)).toBe(true);
  });

  test.each<[string, Unit, (tensors: Given) => void]>([
    ['of a layer', 3, (tensors) => nudge(tensors, 'model.layers.3.mlp.down_proj.weight')],
    ['of a norm in it', 1, (tensors) => nudge(tensors, 'model.layers.1.input_layernorm.weight')],
    ['at an end', 'embedding', (tensors) => nudge(tensors, 'model.embed_tokens.weight')],
    ['of no layer', 'norms', (tensors) => nudge(tensors, 'model.norm.weight')],
  ])('that has read other weights than its neighbours is told, with the file: %s', async (name, unit, change) => {
    const own = writeNetwork(root, `changing ${name}`, llamaTensors(layers));
    const { states, results } = await inShards([a, own], 5, options);
    const rerun = (at: number) =>
      blocksShard([a, own], { ...options, shard: { index: at + 1, count: 5 }, state: states[at] });
    const owner = results.findIndex(({ digests }) => digests.includes(1));
    const has = results.findIndex(({ layers: some, others }) => [...some, ...others].includes(unit));
    const tensors = llamaTensors(layers);
    change(tensors);
    writeNetwork(root, `changing ${name}`, tensors);
    expect(has).not.toBe(owner);
    await rerun(has);
    const error = await rejection(mergeBlocksShards(states));
    expect(error.code).toBe('FILE_CHANGED');
    expect(error.message).toContain(own);
    expect(error.message).toContain(`not the same in shard ${owner + 1} and shard ${has + 1}`);
    await rerun(owner);
    const { result } = await mergeBlocksShards(states);
    expect(JSON.stringify(result)).toBe(JSON.stringify(await similarityOfBlocks(a, own, options)));
  });

  test('that had other moments than its neighbours is told, with their file', async () => {
    const own = join(root, 'own_moments.safetensors');
    const write = (scale: number) => {
      const cov = Float64Array.from({ length: D * D }, (_, at) => (at % (D + 1) === 0 ? scale : 0));
      writeTensors(own, { 'mlp.2.cov': [cov, D, D] });
    };
    write(1);
    const given = { ...options, input: { file: own } };
    const { states, results } = await inShards([a, b], 5, given);
    const has = results.findIndex(({ layers: some }) => some.includes(2));
    expect(results[has].digests).not.toContain(0);
    write(2);
    await blocksShard([a, b], { ...given, shard: { index: has + 1, count: 5 }, state: states[has] });
    const error = await rejection(mergeBlocksShards(states));
    expect(error).toMatchObject({ code: 'FILE_CHANGED', message: expect.stringContaining('own_moments.safetensors') });
  });

  test('of other networks, options or numbers of shards does not belong, and is told by what differs', async () => {
    const [one] = (await inShards([a, b], 2, options)).states;
    const refused = async (change: Options, paths: readonly string[] = [a, b], count = 2) => {
      const state = newState();
      await blocksShard(paths, { ...options, ...change, shard: { index: 2, count }, state });
      const error = await rejection(mergeBlocksShards([one, state]));
      expect(error.code).toBe('INVALID_ARGUMENT');
      return error.message;
    };
    expect(await refused({}, [a, b], 3)).toContain('one is of 2 shards, the other of 3');
    expect(await refused({ matrix: true })).toContain('one compares two networks, the other is a matrix of several');
    expect(await refused({ window: 3 })).toContain('window is 64 in one and 3 in the other');
    expect(await refused({ align: 'none' })).toContain('align is "heads" in one and "none" in the other');
    expect(await refused({ method: 'sampled' })).toContain('method is "auto" in one and "sampled" in the other');
    expect(await refused({ input: 'sphere' })).toContain('input is "standard" in one and "sphere" in the other');
    expect(await refused({}, gpts)).toContain('network 0 has other tensors or settings');
  });

  test.skipIf(!backendsWith('hidden').includes('native'))(
    'of another backend is taken where that is said',
    async () => {
      const states = [newState(), newState()];
      for (const [at, backend] of (['fallback', 'native'] as const).entries())
        await blocksShard([a, b], { backend, shard: { index: at + 1, count: 2 }, state: states[at] });
      const error = await rejection(mergeBlocksShards(states));
      expect(error.message).toMatch(/backend is "fallback" in one and "native" in the other.*--mixed/);
      const { result, mixed } = await mergeBlocksShards(states, { mixed: true });
      expect(mixed).toEqual([expect.stringMatching(/^fallback/), expect.stringMatching(/^native \(/)]);
      const once = await similarityOfBlocks(a, b, options);
      if (result.kind !== 'blocks') throw new Error(result.kind);
      for (const [i, { mlp }] of result.layers.entries())
        expect(mlp!.similarity).toBeCloseTo(once.layers[i].mlp!.similarity, 12);
    },
  );

  test('is not put together with one of a matrix, nor with anything else', async () => {
    const draw = random(1);
    const paths = [];
    for (let i = 0; i < 3; i++)
      paths.push(await saveModel(root, `m${i}`, blockModel(draw, { inputs: 3, hidden: 2, outputs: 2 }, `m${i}`)));
    const [other, one] = [newState(), (await inShards([a, b], 1, options)).states[0]];
    await matrixShard(paths, { ...options, shard: { index: 1, count: 1 }, state: other });
    for (const merge of [mergeShards, mergeBlocksShards]) {
      const error = await rejection(merge([one, other]));
      expect(error.code).toBe('INVALID_ARGUMENT');
      expect(error.message).toMatch(/is a part of a matrix, and .* of blocks/);
    }
    expect((await rejection(mergeShards([one]))).message).toContain('mergeBlocksShards');
    expect((await rejection(mergeBlocksShards([other]))).message).toContain('mergeShards');
    const run = newState();
    await similarityOfBlocks(a, b, { ...options, state: run });
    expect(await rejection(mergeBlocksShards([run]))).toMatchObject({ code: 'INVALID_FILE' });
    expect(await rejection(mergeBlocksShards([newState()]))).toMatchObject({ code: 'FILE_NOT_FOUND' });
    expect(await rejection(mergeBlocksShards([]))).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  test.each<[string, readonly string[], object, RegExp]>([
    ['that is none', [a, b], { shard: { index: 3, count: 2 } }, /no shard 3 of 2/],
    ['of three without a matrix', llamas, {}, /3 networks are given/],
    ['of one', [a], { matrix: true }, /1 networks/],
    ['kept nowhere', [a, b], { state: undefined }, /needs a state file/],
    ['of a matrix with a rotation', llamas, { matrix: true, align: 'rotation' }, /for two networks/],
  ])('%s is refused', async (_, paths, change, words) => {
    const given = { ...options, shard: { index: 1, count: 2 }, state: newState(), ...change };
    expect((await rejection(blocksShard(paths, given as never))).message).toMatch(words);
  });
});

describe('dealing', () => {
  test('is by cost: no shard has more than a layer above the mean', async () => {
    for (const count of [2, 3, 4]) {
      const { shards } = await blocksShardPlan(llamas.slice(0, 2), { count, backend: 'fallback' });
      const seconds = shards.map((one) => one.seconds);
      const mean = seconds.reduce((sum, own) => sum + own, 0) / count;
      const layer = seconds.reduce((sum, own) => sum + own, 0) / 6;
      expect(Math.max(...seconds)).toBeLessThan(mean + layer);
    }
  });

  test('leaves shards empty where there are more than there is to be done', async () => {
    const { states, results } = await inShards(llamas.slice(0, 2), 14, { backend: 'fallback' });
    expect(
      results.filter(({ layers: own, others, digests }) => own.length + others.length + digests.length === 0),
    ).not.toEqual([]);
    const { result } = await mergeBlocksShards(states);
    expect(JSON.stringify(result)).toBe(JSON.stringify(await whole(llamas.slice(0, 2), { backend: 'fallback' })));
  });
});
