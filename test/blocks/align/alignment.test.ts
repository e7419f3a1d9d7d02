import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { similarityOfBlocks } from '../../../lib/blocks/similarity_of_blocks.js';
import type { BlocksResult } from '../../../lib/blocks/terms.js';
import { rejection, temporaryFolder } from '../../formats/safetensors/helpers.js';
import { writeNetwork } from '../../support/block_files.js';
import { random } from '../../support/random.js';
import { orthogonal, rotated } from '../../support/rotations.js';
import { type Given, gauged, joined, llamaTensors, type SmallLayer, smallLayer } from '../../support/transformers.js';

const root = temporaryFolder();
const D = 12;

const written = (name: string, tensors: Given, config: Record<string, unknown>) =>
  writeNetwork(root, name, tensors, config);

const drawn = (seed: number, count: number) => Float64Array.from({ length: count }, random(seed).normal);

/** Llama with embeddings enough to tell a rotation by. */
const LLAMA = { n_head: 4, num_key_value_heads: 2, hidden_act: 'silu' };
const llama = (layers: readonly SmallLayer[], tokens = 30): Given => ({
  ...llamaTensors(layers),
  'model.embed_tokens.weight': [drawn(7, tokens * D), tokens, D],
  'lm_head.weight': [drawn(8, tokens * D), tokens, D],
});
const llamaRoles = (name: string) => {
  const [, layer, within] = /^(model\.layers\.\d+\.)(.*)$/.exec(name) ?? [];
  if (name === 'model.embed_tokens.weight') return { role: 'tokens' } as const;
  if (name === 'lm_head.weight') return { role: 'reads', gain: 'model.norm.weight' } as const;
  if (/norm\.weight$/.test(name)) return { role: 'gain' } as const;
  if (/(q|k|v)_proj/.test(within)) return { role: 'reads', gain: `${layer}input_layernorm.weight` } as const;
  if (/(gate|up)_proj/.test(within)) return { role: 'reads', gain: `${layer}post_attention_layernorm.weight` } as const;
  return { role: 'writes' } as const;
};

/** GPT-2 with outputs by inputs, as nanoGPT has it. */
const GPT2 = { n_head: 4, activation_function: 'gelu_new', positional_embedding_type: 'standard' };
function gpt2(layers: readonly SmallLayer[], tokens = 30): Given {
  const tensors: Given = {
    'transformer.wte.weight': [drawn(7, tokens * D), tokens, D],
    'lm_head.weight': [drawn(8, tokens * D), tokens, D],
    'transformer.ln_f.weight': [layers[0].gains[1], D],
    'transformer.ln_f.bias': [layers[0].shifts[1], D],
  };
  for (const [number, one] of layers.entries()) {
    const rows = one.heads * one.width;
    const own: Given = {
      'attn.c_attn.weight': [joined(one.query, one.key, one.value), 3 * rows, D],
      'attn.c_attn.bias': [joined(one.queryBias, one.keyBias, one.valueBias), 3 * rows],
      'attn.c_proj.weight': [one.output, D, rows],
      'attn.c_proj.bias': [one.outputBias, D],
      'mlp.c_fc.weight': [one.up, one.units, D],
      'mlp.c_fc.bias': [one.upBias, one.units],
      'mlp.c_proj.weight': [one.down, D, one.units],
      'mlp.c_proj.bias': [one.downBias, D],
      'ln_1.weight': [one.gains[0], D],
      'ln_1.bias': [one.shifts[0], D],
      'ln_2.weight': [one.gains[1], D],
      'ln_2.bias': [one.shifts[1], D],
    };
    for (const [name, tensor] of Object.entries(own)) tensors[`transformer.h.${number}.${name}`] = tensor;
  }
  return tensors;
}
const gpt2Roles = (name: string) => {
  const [, layer, within] = /^(transformer\.h\.\d+\.)(.*)$/.exec(name) ?? [];
  if (name === 'transformer.wte.weight') return { role: 'tokens' } as const;
  if (name === 'lm_head.weight') return { role: 'reads', gain: 'transformer.ln_f.weight' } as const;
  if (/ln_.\.weight$/.test(name)) return { role: 'gain' } as const;
  if (/ln_.\.bias$/.test(name)) return { role: 'vector' } as const;
  if (/c_proj/.test(within)) return { role: 'writes' } as const;
  if (!within.endsWith('weight')) return undefined;
  const norm = `${layer}${within.startsWith('attn') ? 'ln_1' : 'ln_2'}`;
  return {
    role: 'reads',
    gain: `${norm}.weight`,
    shift: `${norm}.bias`,
    bias: `${layer}${within.replace('weight', 'bias')}`,
  } as const;
};

function expectSame({ layers }: BlocksResult, tolerance = 1e-9): void {
  for (const { mlp, attention } of layers) {
    expect(Math.abs(1 - mlp!.similarity)).toBeLessThan(tolerance);
    expect(mlp!.fidelityError).toBeLessThan(tolerance);
    expect(Math.abs(1 - attention!.ov!.similarity)).toBeLessThan(tolerance);
    for (const { qk, ov } of attention!.heads) {
      expect(Math.abs(1 - qk!)).toBeLessThan(tolerance);
      expect(Math.abs(1 - ov!)).toBeLessThan(tolerance);
    }
  }
}

const layers = [smallLayer(1), smallLayer(2)];
const base = written('llama', llama(layers), LLAMA);
const moved = llama(layers.map((one, i) => gauged(one, 10 + i)));

describe('with a rotation', () => {
  const turned = written('llama turned', rotated(moved, orthogonal(D, 5), D, llamaRoles), LLAMA);

  test('a Llama with all its gauges moved is the same', async () => {
    const found = await similarityOfBlocks(base, turned, { align: 'rotation' });
    expectSame(found);
    expect(found).toMatchObject({ alignment: 'rotation', worst: null });
    expect(found.rotation).toMatchObject({
      from: ['embedding', 'unembedding'],
      identity: false,
      undetermined: 0,
      keepsMean: false,
    });
    const { residual, orthogonality, turn, condition } = found.rotation!;
    expect(residual).toBeLessThan(1e-10);
    expect(orthogonality).toBeLessThan(1e-12);
    expect(turn).toBeGreaterThan(0.8);
    expect(condition).toBeGreaterThan(1);
    expect(condition).toBeLessThan(100);
    expect(found.embedding!.cosine).toBeCloseTo(1, 13);
    expect(found.unembedding!.cosine).toBeCloseTo(1, 13);
    for (const { mlp } of found.layers) expect(mlp!.units).toMatchObject({ count: 10, matched: 10, partners: 10 });
  });

  test('and without it is not', async () => {
    const found = await similarityOfBlocks(base, turned, { align: 'units' });
    expect(found.rotation).toBeUndefined();
    expect(found.worst!.similarity).toBeLessThan(0.5);
    expect(found.layers[0].mlp!.units!.partners).toBe(0);
  });

  test('that is none nothing is turned, to the last bit', async () => {
    const other = written('llama gauged', moved, LLAMA);
    const [plain, found] = [
      await similarityOfBlocks(base, other, { align: 'units' }),
      await similarityOfBlocks(base, other, { align: 'rotation' }),
    ];
    expect(found.layers).toEqual(plain.layers);
    expect(found.rotation).toMatchObject({ identity: true, turn: 0, residual: 0 });
  });

  test('directions of which few tokens say nothing are told', async () => {
    const [one, other] = [llama(layers, 3), llama(layers, 3)];
    const found = await similarityOfBlocks(
      written('few', one, LLAMA),
      written('few turned', rotated(other, orthogonal(D, 6), D, llamaRoles), LLAMA),
      { align: 'rotation' },
    );
    expect(found.rotation!.undetermined).toBe(D - 6);
    expect(found.rotation!.orthogonality).toBeLessThan(1e-12);
  });

  test('layer norms keep their mean, whose part of what is written nothing sees', async () => {
    const four = [smallLayer(3, 4), smallLayer(4, 4)];
    const one = written('gpt', gpt2(four), GPT2);
    const q = orthogonal(D, 9, true);
    const tensors = rotated(gpt2(four), q, D, gpt2Roles);
    // A multiple of 1 in everything that is written.
    for (const name of Object.keys(tensors))
      if (/c_proj|wte/.test(name)) {
        const [data, ...shape] = tensors[name];
        const inner = name.includes('wte')
          ? (at: number) => Math.floor(at / D)
          : (at: number) => at % (data.length / D);
        tensors[name] = [data.map((value, at) => value + Math.sin(1 + inner(at))), ...shape];
      }
    const found = await similarityOfBlocks(one, written('gpt turned', tensors, GPT2), { align: 'rotation' });
    expectSame(found);
    expect(found.rotation).toMatchObject({ keepsMean: true, identity: false, undetermined: 0 });
    expect(found.rotation!.residual).toBeLessThan(1e-10);
    const without = await similarityOfBlocks(one, join(root, 'gpt turned'), { align: 'heads' });
    expect(without.worst!.similarity).toBeLessThan(0.6);
  });

  test('needs embeddings', async () => {
    const bare = llama(layers);
    delete bare['model.embed_tokens.weight'];
    delete bare['lm_head.weight'];
    const error = await rejection(similarityOfBlocks(base, written('bare', bare, LLAMA), { align: 'rotation' }));
    expect(error).toMatchObject({ code: 'UNSUPPORTED_LAYER' });
    expect(error.message).toMatch(/no embeddings in common/);
  });
});

describe('with units matched', () => {
  test('every unit has its partner, and MLPs the same weights', async () => {
    const same = layers.map((one, i) => {
      const { gate, up, down } = gauged(one, 10 + i);
      return { ...one, gate, up, down };
    });
    const path = written('units', llama(same), LLAMA);
    const [plain, found] = [
      await similarityOfBlocks(base, path, { align: 'heads' }),
      await similarityOfBlocks(base, path, { align: 'units' }),
    ];
    for (const [i, { mlp, weights, attention }] of found.layers.entries()) {
      const { units, ...rest } = mlp!;
      expect(units).toMatchObject({ count: 10, matched: 10, partners: 10 });
      expect(units!.moved).toBeGreaterThan(4);
      expect(units!.similarity).toBeCloseTo(1, 12);
      expect(weights.cosine).toBeCloseTo(1, 12);
      expect(weights.nmse).toBeLessThan(1e-12);
      expect(rest).toEqual(plain.layers[i].mlp);
      expect(attention).toEqual(plain.layers[i].attention);
      expect(plain.layers[i].weights.cosine).toBeLessThan(0.8);
    }
  });

  test('heads go in the order of their answers', async () => {
    const same = layers.map((one) => {
      const turned = (data: Float64Array, parts: number) => {
        const run = data.length / parts;
        return joined(
          ...Array.from({ length: parts }, (_, i) => data.subarray((parts - 1 - i) * run, (parts - i) * run)),
        );
      };
      const columns = Float64Array.from({ length: one.output.length }, (_, at) => {
        const [row, column] = [Math.floor(at / 16), at % 16];
        return one.output[row * 16 + (3 - Math.floor(column / 4)) * 4 + (column % 4)];
      });
      return {
        ...one,
        query: turned(one.query, 4),
        key: turned(one.key, 2),
        value: turned(one.value, 2),
        output: columns,
      };
    });
    const found = await similarityOfBlocks(base, written('heads', llama(same), LLAMA), { align: 'units' });
    for (const { weights, attention } of found.layers) {
      expect(attention!.heads.map(({ answeredBy }) => answeredBy)).toEqual([3, 2, 1, 0]);
      expect(weights).toEqual({ cosine: 1, nmse: 0, equal: true });
    }
  });
});
