import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { similarityOfBlocks } from '../../../lib/blocks/similarity_of_blocks.js';
import { encodeSafetensors } from '../../../lib/formats/safetensors/write.js';
import { similarity } from '../../../lib/similarity/similarity.js';
import { tensim } from '../../cli/run.js';
import { temporaryFolder } from '../../formats/safetensors/helpers.js';
import { openBlocks } from '../../support/open_blocks.js';
import { random } from '../../support/random.js';
import {
  type Given,
  joined,
  llamaTensors,
  rowsOf,
  type SmallLayer,
  smallLayer,
  transposed,
} from '../../support/transformers.js';

const COUNT = 3;
const CONFIG = { n_head: 4, num_key_value_heads: 2, hidden_act: 'silu' };
const LAYER = 'model.layers.0.';

interface Mixture {
  readonly layer: SmallLayer;
  readonly router: Float64Array;
  readonly experts: readonly SmallLayer[];
  readonly shared: SmallLayer;
}

const { normal } = random(30);
const mixture: Mixture = {
  layer: smallLayer(1),
  router: Float64Array.from({ length: COUNT * 12 }, normal),
  experts: [11, 12, 13].map((seed) => smallLayer(seed)),
  shared: smallLayer(14),
};
const { d, units } = mixture.layer;

/** A Llama without its MLP, and in its place what is given. */
function around(layer: SmallLayer, own: Given, prefix = LAYER): Given {
  const all = llamaTensors([layer]);
  for (const name of ['gate', 'up', 'down']) delete all[`${LAYER}mlp.${name}_proj.weight`];
  return { ...all, ...Object.fromEntries(Object.entries(own).map(([name, tensor]) => [prefix + name, tensor])) };
}

function apart(
  { layer, router, experts }: Mixture,
  of: (expert: number) => readonly [string, string, string],
  gate: string,
) {
  const own: Given = { [gate]: [router, experts.length, d] };
  experts.forEach((one, expert) => {
    const [gates, up, down] = of(expert);
    own[`${gates}.weight`] = [one.gate, units, d];
    own[`${up}.weight`] = [one.up, units, d];
    own[`${down}.weight`] = [one.down, d, units];
  });
  return around(layer, own);
}

const qwen = (all: Mixture): Given =>
  apart(
    all,
    (e) => ['gate', 'up', 'down'].map((name) => `mlp.experts.${e}.${name}_proj`) as [string, string, string],
    'mlp.gate.weight',
  );
const mixtral = (all: Mixture): Given =>
  apart(
    all,
    (e) => ['w1', 'w3', 'w2'].map((name) => `block_sparse_moe.experts.${e}.${name}`) as [string, string, string],
    'block_sparse_moe.gate.weight',
  );
const stacked = ({ layer, router, experts }: Mixture, isTransposed: boolean, isAlternating = false): Given => {
  const order = Array.from({ length: 2 * units }, (_, i) => (i % 2) * units + Math.floor(i / 2));
  const both = experts
    .map((one) => joined(one.gate, one.up))
    .map((one) => (isAlternating ? rowsOf(one, d, order) : one));
  const downs = experts.map((one) => one.down);
  return around(layer, {
    'mlp.gate.weight': [router, COUNT, d],
    'mlp.experts.gate_up_proj': isTransposed
      ? [joined(...both.map((one) => transposed(one, 2 * units, d))), COUNT, d, 2 * units]
      : [joined(...both), COUNT, 2 * units, d],
    'mlp.experts.down_proj': isTransposed
      ? [joined(...downs.map((one) => transposed(one, d, units))), COUNT, units, d]
      : [joined(...downs), COUNT, d, units],
  });
};
const switched = ({ layer, router, experts }: Mixture, names: readonly string[], gate: string): Given =>
  around(layer, {
    [gate]: [router, COUNT, d],
    [`${names[0]}.weight`]: [joined(...experts.map((one) => one.gate)), COUNT, units, d],
    [`${names[1]}.weight`]: [joined(...experts.map((one) => one.up)), COUNT, units, d],
    [`${names[2]}.weight`]: [joined(...experts.map((one) => one.down)), COUNT, d, units],
  });

describe('one mixture in several layouts has the same experts', () => {
  const expected = openBlocks(qwen(mixture), CONFIG);

  test.each<[string, Given]>([
    ['Mixtral', mixtral(mixture)],
    ['in one tensor, outputs by inputs', stacked(mixture, false)],
    ['in one tensor, inputs by outputs', stacked(mixture, true)],
    [
      'MLX',
      switched(
        mixture,
        ['gate', 'up', 'down'].map((name) => `mlp.switch_mlp.${name}_proj`),
        'mlp.gate.weight',
      ),
    ],
    [
      'Granite',
      around(mixture.layer, {
        'block_sparse_moe.router.layer.weight': [mixture.router, COUNT, d],
        'block_sparse_moe.input_linear.weight': [
          joined(...mixture.experts.map((one) => joined(one.gate, one.up))),
          ...[COUNT, 2 * units, d],
        ],
        'block_sparse_moe.output_linear.weight': [joined(...mixture.experts.map((one) => one.down)), COUNT, d, units],
      }),
    ],
  ])('%s', async (_, tensors) => {
    const [own, other] = [await expected, await openBlocks(tensors, CONFIG)];
    expect(other.experts).toHaveLength(COUNT);
    for (const [expert, model] of own.experts.entries())
      expect(Math.abs((await similarity(model, other.experts[expert])).similarity - 1)).toBeLessThan(1e-12);
    expect(other.network.layers[0].others).toEqual([]);
  });

  test('GGUF', async () => {
    const tensors = switched(
      mixture,
      ['gate', 'up', 'down'].map((name) => `ffn_${name}_exps`),
      'ffn_gate_inp.weight',
    );
    const named = Object.entries(tensors).filter(([name]) => name.includes('ffn_'));
    const other = await openBlocks(
      {
        ...Object.fromEntries(named.map(([name, tensor]) => [name.replace(LAYER, 'blk.0.'), tensor])),
        'blk.0.ffn_norm.weight': [mixture.layer.gains[1], d],
      },
      { 'general.architecture': 'qwen3moe', 'qwen3moe.attention.head_count': '4' },
    );
    const own = await expected;
    for (const [expert, model] of own.experts.entries())
      expect((await similarity(model, other.experts[expert])).similarity).toBeCloseTo(1, 12);
  });

  test('others are found where gate and up are mistaken for another order', async () => {
    const [own, other] = [await expected, await openBlocks(stacked(mixture, false, true), CONFIG)];
    expect((await similarity(own.experts[0], other.experts[0])).similarity).toBeLessThan(0.9);
  });

  test('of which one is missing, the file is refused', async () => {
    const tensors = qwen(mixture);
    delete tensors[`${LAYER}mlp.experts.1.up_proj.weight`];
    await expect(openBlocks(tensors, CONFIG)).rejects.toThrow(/mlp\.experts\.1\.up_proj\.weight \(layer 0\)/);
  });
});

const root = temporaryFolder();
function written(name: string, tensors: Given, config: object = CONFIG): string {
  const folder = join(root, name);
  mkdirSync(folder, { recursive: true });
  const named = new Map(Object.entries(tensors).map(([key, [data, ...shape]]) => [key, { data, shape }]));
  writeFileSync(join(folder, 'model.safetensors'), encodeSafetensors(named));
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  return folder;
}

/** Experts in another order, with their rows of the router, which are all moved by the same. */
function exchanged(all: Mixture, order: readonly number[]): Mixture {
  const router = rowsOf(all.router, d, order).map((value, at) => value + Math.sin(at % d));
  return { ...all, router, experts: order.map((expert) => all.experts[expert]) };
}

describe('blocks with experts', () => {
  const base = written('qwen', qwen(mixture));

  test('are the same in another order of the experts', async () => {
    const other = written('exchanged', mixtral(exchanged(mixture, [2, 0, 1])));
    const { layers, worst } = await similarityOfBlocks(base, other);
    const { experts } = layers[0];
    expect(worst).toBeNull();
    expect(experts!.experts.map(({ answeredBy }) => answeredBy)).toEqual([1, 2, 0]);
    for (const { router, mlp, weights } of experts!.experts) {
      expect(router).toBeCloseTo(1, 12);
      expect(mlp!.similarity).toBeCloseTo(1, 12);
      expect(weights).toEqual({ cosine: 1, nmse: 0, equal: true });
    }
    expect(experts!.router!.fidelityError).toBeLessThan(1e-12);
    expect(layers[0]).not.toHaveProperty('mlp');
    expect(layers[0].weights.equal).toBe(false);
    const { stdout } = await tensim(['blocks', base, other]);
    expect(stdout).toMatch(/layer +experts +lowest +mean +router +order\n +0 +3 +1 +1 +1 +3 moved/);
  });

  test('are others in that order where it is kept', async () => {
    const { layers, worst } = await similarityOfBlocks(base, written('kept', qwen(exchanged(mixture, [2, 0, 1]))), {
      align: 'none',
    });
    expect(layers[0].experts!.experts.map(({ answeredBy }) => answeredBy)).toEqual([0, 1, 2]);
    expect(worst!.part).toMatch(/expert|router/);
  });

  test('are told which expert, or that the router differs', async () => {
    const experts = mixture.experts.map((one, expert) =>
      expert === 1 ? { ...one, down: one.down.map((value) => value + normal()) } : one,
    );
    const found = await similarityOfBlocks(base, written('expert', qwen({ ...mixture, experts })));
    expect(found.worst).toMatchObject({ layer: 0, part: 'expert' });
    const same = found.layers[0].experts!.experts.map(({ mlp }) => mlp!.similarity > 1 - 1e-12);
    expect(same).toEqual([true, false, true]);
    const router = mixture.router.map((value) => value + 0.3 * normal());
    const other = await similarityOfBlocks(base, written('router', qwen({ ...mixture, router })));
    expect(other.worst).toMatchObject({ layer: 0, part: 'router' });
    expect((await tensim(['blocks', base, join(root, 'router')])).stdout).toMatch(/which experts tokens are given to/);
  });

  test('have a shared one', async () => {
    const withShared = (one: SmallLayer): Given => ({
      ...qwen(mixture),
      [`${LAYER}mlp.shared_expert.gate_proj.weight`]: [one.gate, units, d],
      [`${LAYER}mlp.shared_expert.up_proj.weight`]: [one.up, units, d],
      [`${LAYER}mlp.shared_expert.down_proj.weight`]: [one.down, d, units],
      [`${LAYER}mlp.shared_expert_gate.weight`]: [one.gains[0], 1, d],
    });
    const [a, b] = [written('shared', withShared(mixture.shared)), written('unshared', withShared(smallLayer(15)))];
    expect((await similarityOfBlocks(a, a)).layers[0].experts).toMatchObject({
      shared: { fidelityError: 0 },
      sharedGate: { equal: true },
    });
    const { layers, worst, b: subject } = await similarityOfBlocks(a, b);
    expect(worst!.part).toBe('expert');
    expect(layers[0].experts!.shared!.similarity).toBeLessThan(0.9);
    expect(subject.left).toEqual([]);
  });
});

describe('experts of gpt-oss', () => {
  const own: Given = {
    ...stacked(mixture, true, true),
    [`${LAYER}mlp.router.weight`]: [mixture.router, COUNT, d],
    [`${LAYER}mlp.router.bias`]: [mixture.router.subarray(0, COUNT), COUNT],
    [`${LAYER}mlp.experts.gate_up_proj_bias`]: [
      joined(...mixture.experts.map((one) => joined(one.upBias, one.upBias))),
      ...[COUNT, 2 * units],
    ],
    [`${LAYER}mlp.experts.down_proj_bias`]: [joined(...mixture.experts.map((one) => one.downBias)), COUNT, d],
    [`${LAYER}self_attn.sinks`]: [mixture.router.subarray(0, 4), 4],
  };
  delete own[`${LAYER}mlp.gate.weight`];

  test('alternate gate and up, and are not compared as functions, as they are clamped', async () => {
    const { network } = await openBlocks(own, CONFIG);
    expect(network.layers[0].experts!.experts[1].gate).toEqual({
      tensor: `${LAYER}mlp.experts.gate_up_proj`,
      ...{ transposed: true, expert: 1, rows: { start: 0, run: 1, stride: 2, count: units } },
    });
    const folder = written('oss', own);
    const { layers, a } = await similarityOfBlocks(folder, folder);
    expect(layers[0].uncompared).toEqual([{ part: 'experts', reason: expect.stringMatching(/clamp/) }]);
    expect(layers[0].experts!.experts[0]).toEqual({
      ...{ expert: 0, answeredBy: 0, router: expect.closeTo(1, 12), weights: { cosine: 1, nmse: 0, equal: true } },
    });
    expect(a.left).toEqual([`${LAYER}self_attn.sinks`]);
    expect((await tensim(['blocks', folder, folder])).stdout).toMatch(/in layer 0, experts clamp their gates/);
  });

  test('of four bits are not read, and the rest is', async () => {
    const quantised = { ...own };
    for (const name of ['gate_up_proj', 'down_proj']) {
      quantised[`${LAYER}mlp.experts.${name}_blocks`] = [mixture.router, COUNT, d];
      delete quantised[`${LAYER}mlp.experts.${name}`];
    }
    const { network } = await openBlocks(quantised, CONFIG);
    expect(network.layers[0].experts!.experts).toEqual([]);
    expect(network.layers[0].uncompared).toEqual([{ part: 'experts', reason: expect.stringMatching(/MXFP4/) }]);
    expect(network.layers[0]).toHaveProperty('attention');
  });
});
