import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { similarityOfBlocks } from '../../lib/blocks/similarity_of_blocks.js';
import { encodeSafetensors } from '../../lib/formats/safetensors/write.js';
import { tensim } from '../cli/run.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import {
  type Given,
  joined,
  llamaTensors,
  rowsOf,
  type SmallLayer,
  smallLayer,
  TOKENS,
} from '../support/transformers.js';

const root = temporaryFolder();
function written(name: string, tensors: Given, config: object): string {
  const folder = join(root, name);
  mkdirSync(folder, { recursive: true });
  const named = new Map(Object.entries(tensors).map(([key, [data, ...shape]]) => [key, { data, shape }]));
  writeFileSync(join(folder, 'model.safetensors'), encodeSafetensors(named));
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  return folder;
}

const one = smallLayer(1);
const { d, heads, width, units } = one;
const CONFIG = { n_head: 4, num_key_value_heads: 2, hidden_act: 'silu' };
const WITHIN = 'model.layers.0.';
let base: string;
beforeAll(() => {
  base = written('base', llamaTensors([one]), CONFIG);
});

describe('norms are compared', () => {
  test('before blocks and behind the last layer, as they multiply', async () => {
    const less = one.gains.map((gain) => gain.map((value) => value - 1)) as unknown as SmallLayer['gains'];
    const gemma = written('gemma', llamaTensors([{ ...one, gains: less }]), { ...CONFIG, model_type: 'gemma' });
    const { layers, norms, worst } = await similarityOfBlocks(base, gemma);
    expect(worst).toBeNull();
    expect(layers[0].norms!.map(({ norm }) => norm)).toEqual(['attention', 'mlp']);
    for (const { gain, bias } of [...layers[0].norms!, ...norms!]) {
      expect(gain!.nmse).toBeLessThan(1e-30);
      expect(bias).toBeUndefined();
    }
    expect(norms![0].norm).toBe('final');
  });

  test('behind blocks, and of queries and keys', async () => {
    const tensors = (at: 0 | 1): Given => ({
      ...llamaTensors([one]),
      [`${WITHIN}pre_feedforward_layernorm.weight`]: [one.gains[1], d],
      [`${WITHIN}post_attention_layernorm.weight`]: [one.gains[0], d],
      [`${WITHIN}post_feedforward_layernorm.weight`]: [one.gains[at], d],
      [`${WITHIN}self_attn.q_norm.weight`]: [one.gains[at].slice(0, width), width],
      [`${WITHIN}self_attn.k_norm.weight`]: [one.gains[0].slice(0, width), width],
    });
    const [a, b] = [written('inner', tensors(0), CONFIG), written('outer', tensors(1), CONFIG)];
    const { layers, a: subject } = await similarityOfBlocks(a, b);
    expect(Object.fromEntries(layers[0].norms!.map(({ norm, gain }) => [norm, gain!.equal]))).toEqual({
      ...{ attention: true, mlp: true, behindAttention: true, behindMlp: false, query: false, key: true },
    });
    expect(subject.left).toEqual([]);
    expect(layers[0].weights.equal).toBe(false);
    const { stdout } = await tensim(['blocks', a, b]);
    expect(stdout).toMatch(/norms +cosine .* where they differ most, (?:behind the MLP|of queries) of layer 0/);
    expect((await tensim(['blocks', a, a])).stdout).toMatch(/norms +equal/);
  });

  test('with their biases, of which none is one of zeros', async () => {
    const tensors = llamaTensors([one]);
    tensors[`${WITHIN}input_layernorm.bias`] = [one.shifts[0], d];
    const { layers } = await similarityOfBlocks(written('biased', tensors, CONFIG), base);
    expect(layers[0].norms![0]).toMatchObject({ gain: { equal: true }, bias: { cosine: null, nmse: 1, equal: false } });
  });
});

describe('BLOOM', () => {
  const bloom = (layer: SmallLayer, positions = one.embedding): Given => {
    const rows = heads * width;
    const all = joined(layer.query, layer.key, layer.value);
    const byHead = Array.from({ length: 3 * rows }, (_, row) => {
      const [head, within] = [Math.floor(row / (3 * width)), row % (3 * width)];
      return Math.floor(within / width) * rows + head * width + (within % width);
    });
    return {
      'word_embeddings.weight': [positions, TOKENS, d],
      'word_embeddings_layernorm.weight': [layer.gains[0], d],
      'word_embeddings_layernorm.bias': [layer.shifts[0], d],
      'h.0.self_attention.query_key_value.weight': [rowsOf(all, d, byHead), 3 * rows, d],
      'h.0.self_attention.dense.weight': [layer.output, d, rows],
      'h.0.mlp.dense_h_to_4h.weight': [layer.up, units, d],
      'h.0.mlp.dense_4h_to_h.weight': [layer.down, d, units],
      'h.0.input_layernorm.weight': [layer.gains[0], d],
      'h.0.post_attention_layernorm.weight': [layer.gains[1], d],
    };
  };

  test('keeps its heads in order, as their numbers are a part of what they do', async () => {
    const layer = smallLayer(2, 4);
    const order = [1, 0, 2, 3].flatMap((head) => Array.from({ length: width }, (_, i) => head * width + i));
    const output = Float64Array.from({ length: layer.output.length }, (_, at) => {
      const [row, column] = [Math.floor(at / order.length), at % order.length];
      return layer.output[row * order.length + order[column]];
    });
    const [query, key, value] = [layer.query, layer.key, layer.value].map((data) => rowsOf(data, d, order));
    const [a, b] = [layer, { ...layer, query, key, value, output }].map((of, i) =>
      written(`bloom${i}`, bloom(of), { n_head: 4 }),
    );
    const { layers, worst, norms } = await similarityOfBlocks(a, b);
    expect(layers[0].attention).toMatchObject({ slopes: true });
    expect(layers[0].attention!.heads.every(({ head, answeredBy }) => head === answeredBy)).toBe(true);
    expect(layers[0].attention!.ov!.similarity).toBeCloseTo(1, 12);
    expect(worst!.part).toBe('qk');
    expect(norms).toEqual([
      {
        norm: 'embedding',
        gain: { cosine: expect.closeTo(1, 12), nmse: 0, equal: true },
        bias: { cosine: expect.closeTo(1, 12), nmse: 0, equal: true },
      },
    ]);
  });
});

test('learned positions are compared', async () => {
  const gpt = (positions: Float64Array): Given => ({
    'transformer.wte.weight': [one.embedding, TOKENS, d],
    'transformer.wpe.weight': [positions, TOKENS, d],
    'transformer.h.0.mlp.c_fc.weight': [one.up, units, d],
    'transformer.h.0.mlp.c_proj.weight': [one.down, d, units],
    'transformer.h.0.ln_2.weight': [one.gains[0], d],
  });
  const config = { activation_function: 'gelu' };
  const [a, b] = [one.embedding, one.embedding.map((value) => 2 * value)].map((positions, i) =>
    written(`gpt${i}`, gpt(positions), config),
  );
  const { positions } = await similarityOfBlocks(a, b);
  expect(positions).toEqual({ cosine: expect.closeTo(1, 12), nmse: expect.closeTo(1, 12), equal: false });
  expect((await tensim(['blocks', a, b])).stdout).toMatch(/positions +cosine 1\n/);
});
