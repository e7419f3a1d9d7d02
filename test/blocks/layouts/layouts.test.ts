import { describe, expect, test } from 'vitest';
import { headProducts } from '../../../lib/blocks/circuits/heads.js';
import { type Circuits, readCircuits } from '../../../lib/blocks/parts/circuits.js';
import { mlpLayer } from '../../../lib/blocks/parts/mlp.js';
import { type PieceReader, readGain } from '../../../lib/blocks/parts/reader.js';
import { Pacer } from '../../../lib/cooperate.js';
import { createModel } from '../../../lib/model/create.js';
import { recogniseBlocks } from '../../../lib/model/transformers/layouts/table.js';
import { readPiece } from '../../../lib/model/transformers/pieces.js';
import { BlockSettings } from '../../../lib/model/transformers/settings.js';
import { similarity } from '../../../lib/similarity/similarity.js';
import type { Tensor } from '../../../lib/tensor/tensor.js';
import {
  cut,
  type Given,
  joined,
  llamaTensors,
  rowsOf,
  type SmallLayer,
  smallLayer,
  TOKENS,
  transposed,
} from '../../support/transformers.js';

const CONFIG = { n_head: 4, num_key_value_heads: 2, hidden_act: 'silu' };

async function open(tensors: Given, config: Record<string, unknown>) {
  const read = new Map<string, Tensor>(
    Object.entries(tensors).map(([name, [data, ...shape]]) => [name, { data, shape }]),
  );
  const listed = new Map([...read].map(([name, { shape }]) => [name, { name, shape, dtype: 'F64' }]));
  const settings = new BlockSettings('model', [{ name: 'config.json', values: config }]);
  const network = recogniseBlocks(listed, settings)!;
  const piece: PieceReader = (one, cut) => readPiece(one, read.get(one.tensor)!, new Pacer(), cut);
  const [layer] = network.layers;
  const norms = [await readGain(layer.attentionNorm, piece), await readGain(layer.mlpNorm, piece)];
  return {
    network,
    circuits: await readCircuits(layer.attention!, norms[0], network.width, piece),
    mlp: createModel({ layers: [await mlpLayer(layer.mlp!, norms[1], network.width, piece)] }),
  };
}

/** The numbers of all heads. */
async function numbersOf({ query, key, value, output, outputBias, done: _, ...shape }: Circuits) {
  const [heads, groups] = [
    { from: 0, to: shape.heads },
    { from: 0, to: shape.groups },
  ];
  const [queries, keys, values] = [await query(heads), await key(groups), await value(groups)];
  return { ...shape, query: queries, key: keys, value: values, output: await output(heads), outputBias };
}

const multiply = async (a: Float64Array, b: Float64Array, d: number) => {
  const columns = b.length / d;
  return Float64Array.from({ length: (a.length / d) * columns }, (_, at) => {
    const [i, j] = [Math.floor(at / columns), at % columns];
    let sum = 0;
    for (let k = 0; k < d; k++) sum += a[i * d + k] * b[j * d + k];
    return sum;
  });
};
const products = (f: Circuits, g: Circuits) => headProducts(f, g, 12, 16, multiply);

/** A half-split head's rows so that neighbours are a plane. */
const asPairs = (heads: number, width: number) =>
  Array.from({ length: heads * width }, (_, row) => {
    const [head, within] = [Math.floor(row / width), row % width];
    return head * width + (within % 2) * (width / 2) + Math.floor(within / 2);
  });

const llama = (one: SmallLayer, prefix?: string): Given => llamaTensors([one], prefix);

function phi3(one: SmallLayer): Given {
  const { d, heads, groups, width, units } = one;
  const all: Given = llama(one);
  for (const name of ['q', 'k', 'v']) delete all[`model.layers.0.self_attn.${name}_proj.weight`];
  for (const name of ['gate', 'up']) delete all[`model.layers.0.mlp.${name}_proj.weight`];
  return {
    ...all,
    'model.layers.0.self_attn.qkv_proj.weight': [
      joined(one.query, one.key, one.value),
      (heads + 2 * groups) * width,
      d,
    ],
    'model.layers.0.mlp.gate_up_proj.weight': [joined(one.gate, one.up), 2 * units, d],
  };
}

function meta(one: SmallLayer): Given {
  const { d, heads, groups, width, units } = one;
  return {
    'tok_embeddings.weight': [one.embedding, TOKENS, d],
    'layers.0.attention.wq.weight': [rowsOf(one.query, d, asPairs(heads, width)), heads * width, d],
    'layers.0.attention.wk.weight': [rowsOf(one.key, d, asPairs(groups, width)), groups * width, d],
    'layers.0.attention.wv.weight': [one.value, groups * width, d],
    'layers.0.attention.wo.weight': [one.output, d, heads * width],
    'layers.0.feed_forward.w1.weight': [one.gate, units, d],
    'layers.0.feed_forward.w3.weight': [one.up, units, d],
    'layers.0.feed_forward.w2.weight': [one.down, d, units],
    'layers.0.attention_norm.weight': [one.gains[0], d],
    'layers.0.ffn_norm.weight': [one.gains[1], d],
    'norm.weight': [one.gains[0], d],
  };
}

function gguf(one: SmallLayer, interleaved: boolean): Given {
  const { d, heads, groups, width } = one;
  const order = (count: number) =>
    interleaved ? asPairs(count, width) : Array.from({ length: count * width }, (_, i) => i);
  const own = meta(one);
  const names: Record<string, string> = {
    ...{ 'attention.wv': 'attn_v', 'attention.wo': 'attn_output', attention_norm: 'attn_norm', ffn_norm: 'ffn_norm' },
    ...{ 'feed_forward.w1': 'ffn_gate', 'feed_forward.w3': 'ffn_up', 'feed_forward.w2': 'ffn_down' },
  };
  return {
    'token_embd.weight': own['tok_embeddings.weight'],
    'output_norm.weight': own['norm.weight'],
    'blk.0.attn_q.weight': [rowsOf(one.query, d, order(heads)), heads * width, d],
    'blk.0.attn_k.weight': [rowsOf(one.key, d, order(groups)), groups * width, d],
    ...Object.fromEntries(
      Object.entries(names).map(([from, to]) => [`blk.0.${to}.weight`, own[`layers.0.${from}.weight`]]),
    ),
  };
}

describe('one network in several layouts', () => {
  const one = smallLayer(1);
  const expected = open(llama(one), CONFIG);

  test.each<[string, Given, Record<string, unknown>]>([
    ['behind another prefix', llama(one, ''), CONFIG],
    ['queries, keys and values in one matrix', phi3(one), CONFIG],
    ['neighbouring rows turned together', meta(one), { n_heads: 4, n_kv_heads: 2 }],
    [
      'GGUF of Llama',
      gguf(one, true),
      { 'general.architecture': 'llama', 'llama.attention.head_count': '4', 'llama.attention.head_count_kv': '2' },
    ],
    [
      'GGUF of Qwen',
      gguf(one, false),
      { 'general.architecture': 'qwen2', 'qwen2.attention.head_count': '4', 'qwen2.attention.head_count_kv': '2' },
    ],
    ['settings of a part', llama(one), { text_config: CONFIG }],
  ])('has the same circuits and the same MLP: %s', async (_, tensors, config) => {
    const [own, other] = [await expected, await open(tensors, config)];
    const [self, mixed] = [await products(own.circuits, own.circuits), await products(own.circuits, other.circuits)];
    const close = (a: Float64Array, b: Float64Array) =>
      a.forEach((value, i) => {
        expect(Math.abs(value - b[i])).toBeLessThan(1e-11 * Math.max(...a.map(Math.abs)));
      });
    close(self.scores, mixed.scores);
    close(self.values, mixed.values);
    expect((await similarity(own.mlp, other.mlp)).similarity).toBeCloseTo(1, 13);
    expect(other.network.layers[0].others).toEqual([]);
    expect(other.network.others).toEqual([]);
  });

  test('is another where rows that turn together are mistaken', async () => {
    const { query, key } = one;
    const wrong = { ...one, query: rowsOf(query, 12, asPairs(4, 4)), key: rowsOf(key, 12, asPairs(2, 4)) };
    const [own, other] = [await expected, await open(llama(wrong), CONFIG)];
    const [self, mixed] = [await products(own.circuits, own.circuits), await products(own.circuits, other.circuits)];
    expect(Math.abs(mixed.scores[0] / self.scores[0] - 1)).toBeGreaterThan(0.01);
  });

  test('gains that are stored from one are those of Gemma', async () => {
    const from = {
      ...one,
      gains: one.gains.map((gain) => gain.map((value) => value - 1)) as unknown as SmallLayer['gains'],
    };
    const other = await open(llama(from), { ...CONFIG, model_type: 'gemma' });
    expect((await similarity((await expected).mlp, other.mlp)).similarity).toBeCloseTo(1, 13);
  });
});

test('norms behind the blocks are none before them, as in OLMo 2', async () => {
  const one = smallLayer(1);
  const tensors = llama(one);
  delete tensors['model.layers.0.input_layernorm.weight'];
  tensors['model.layers.0.post_feedforward_layernorm.weight'] = [one.gains[0], one.d];
  const { network } = await open(tensors, CONFIG);
  expect(network.layers[0]).not.toHaveProperty('attentionNorm');
  expect(network.layers[0]).not.toHaveProperty('mlpNorm');
  expect(network.layers[0].others).toEqual([
    'model.layers.0.post_attention_layernorm.weight',
    'model.layers.0.post_feedforward_layernorm.weight',
  ]);
});

describe('the angles of a rotary embedding', () => {
  const one = smallLayer(1);
  const anglesOf = async (config: object) =>
    (await open(llama(one), { ...CONFIG, ...config })).circuits.rotation!.angles;
  const scaling = { factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 64 };

  test.each<[string, object, number[]]>([
    ['of a base', { rope_theta: 100 }, [1, 0.1]],
    ['of a base among parameters', { rope_parameters: { rope_theta: 400 } }, [1, 0.05]],
    ['of a part of the head', { rope_theta: 100, partial_rotary_factor: 0.5 }, [1]],
    ['divided', { rope_theta: 100, rope_scaling: { rope_type: 'linear', factor: 4 } }, [0.25, 0.025]],
    // 64 positions are 10.2 turns of the first plane and a fifth of one of the second.
    ['of Llama 3', { rope_theta: 2500, rope_scaling: { rope_type: 'llama3', ...scaling } }, [1, 0.0025]],
    ['of a local layer', { rope_theta: 1e6, rope_local_base_freq: 100 }, [1, 0.1]],
    [
      'of a layer that is told to be local',
      { layer_types: ['sliding_attention'], rope_local_base_freq: 100 },
      [1, 0.1],
    ],
    ['of one that is not', { layer_types: ['full_attention'], rope_local_base_freq: 100, rope_theta: 400 }, [1, 0.05]],
  ])('%s', async (_, config, expected) => {
    const angles = await anglesOf(config);
    expect(angles).toHaveLength(expected.length);
    expected.forEach((angle, p) => {
      expect(angles[p]).toBeCloseTo(angle, 14);
    });
  });

  test('are refused where it is not known how they are stretched', async () => {
    const error = await anglesOf({ rope_scaling: { rope_type: 'longrope', factor: 4 } }).catch((reason) => reason);
    expect(error).toMatchObject({ code: 'INVALID_FILE' });
    expect(error.message).toMatch(/longrope/);
  });
});

describe('layer norms and biases, in the layouts of GPT', () => {
  const one = smallLayer(2, 4);
  const { d, heads, width, units } = one;
  const rows = heads * width;
  const packed = joined(one.query, one.key, one.value);
  const packedBias = joined(one.queryBias, one.keyBias, one.valueBias);
  const shared = (layer: string, [first, second]: readonly [string, string]): Given => ({
    [`${layer}${first}.weight`]: [one.gains[0], d],
    [`${layer}${first}.bias`]: [one.shifts[0], d],
    [`${layer}${second}.weight`]: [one.gains[1], d],
    [`${layer}${second}.bias`]: [one.shifts[1], d],
  });
  const gpt2 = (conv: boolean): Given => {
    const matrix = (data: Float64Array, out: number, inner: number): [Float64Array, number, number] =>
      conv ? [transposed(data, out, inner), inner, out] : [data, out, inner];
    return {
      'transformer.wte.weight': [one.embedding, TOKENS, d],
      'transformer.h.0.attn.c_attn.weight': matrix(packed, 3 * rows, d),
      'transformer.h.0.attn.c_attn.bias': [packedBias, 3 * rows],
      'transformer.h.0.attn.c_proj.weight': matrix(one.output, d, rows),
      'transformer.h.0.attn.c_proj.bias': [one.outputBias, d],
      'transformer.h.0.attn.bias': [new Float64Array(9), 1, 1, 3, 3],
      'transformer.h.0.mlp.c_fc.weight': matrix(one.up, units, d),
      'transformer.h.0.mlp.c_fc.bias': [one.upBias, units],
      'transformer.h.0.mlp.c_proj.weight': matrix(one.down, d, units),
      'transformer.h.0.mlp.c_proj.bias': [one.downBias, d],
      ...shared('transformer.h.0.', ['ln_1', 'ln_2']),
    };
  };
  const config = { n_head: 4, activation_function: 'gelu_new' };

  test('inputs by outputs or outputs by inputs are told by their shapes', async () => {
    const [own, other] = [await open(gpt2(false), config), await open(gpt2(true), config)];
    const [self, mixed] = [await products(own.circuits, own.circuits), await products(own.circuits, other.circuits)];
    expect(mixed).toEqual(self);
    expect((await similarity(own.mlp, other.mlp)).similarity).toBeCloseTo(1, 13);
    expect(own.network.layers[0].others).toEqual(['transformer.h.0.attn.bias']);
  });

  test('what shifts all keys, and what a norm takes off, changes nothing', async () => {
    const own = await open(gpt2(true), config);
    const moved = gpt2(false);
    const [matrix, bias] = [packed.slice(), packedBias.slice()];
    for (let i = 0; i < rows; i++) bias[rows + i] += i;
    // A multiple of 1/gain in every row of the keys and queries: the norm's output has no such part but by its shift.
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < d; j++) {
        matrix[(rows + i) * d + j] += (i + 1) / one.gains[0][j];
        bias[rows + i] -= ((i + 1) / one.gains[0][j]) * one.shifts[0][j];
      }
    moved['transformer.h.0.attn.c_attn.weight'] = [matrix, 3 * rows, d];
    moved['transformer.h.0.attn.c_attn.bias'] = [bias, 3 * rows];
    const other = await open(moved, config);
    const [self, mixed] = [await products(own.circuits, own.circuits), await products(own.circuits, other.circuits)];
    mixed.scores.forEach((value, i) => {
      expect(Math.abs(value - self.scores[i])).toBeLessThan(1e-10 * Math.max(...self.scores));
    });
  });

  test('head by head in one matrix is GPT-NeoX', async () => {
    const byHead = (data: Float64Array, columns: number) =>
      joined(
        ...Array.from({ length: heads }, (_, h) =>
          joined(
            ...[0, 1, 2].map((part) => cut(data, columns, part * rows + h * width, part * rows + (h + 1) * width)),
          ),
        ),
      );
    const neox: Given = {
      'gpt_neox.embed_in.weight': [one.embedding, TOKENS, d],
      'gpt_neox.layers.0.attention.query_key_value.weight': [byHead(packed, d), 3 * rows, d],
      'gpt_neox.layers.0.attention.query_key_value.bias': [byHead(packedBias, 1), 3 * rows],
      'gpt_neox.layers.0.attention.dense.weight': [one.output, d, rows],
      'gpt_neox.layers.0.attention.dense.bias': [one.outputBias, d],
      'gpt_neox.layers.0.mlp.dense_h_to_4h.weight': [one.up, units, d],
      'gpt_neox.layers.0.mlp.dense_h_to_4h.bias': [one.upBias, units],
      'gpt_neox.layers.0.mlp.dense_4h_to_h.weight': [one.down, d, units],
      'gpt_neox.layers.0.mlp.dense_4h_to_h.bias': [one.downBias, d],
      ...shared('gpt_neox.layers.0.', ['input_layernorm', 'post_attention_layernorm']),
    };
    const [own, other] = [
      await open(gpt2(true), { ...config, activation_function: 'gelu' }),
      await open(neox, { num_attention_heads: 4, hidden_act: 'gelu', rotary_pct: 0.5 }),
    ];
    const [{ rotation: _, ...numbers }, found] = [await numbersOf(own.circuits), await numbersOf(other.circuits)];
    expect(found).toMatchObject(numbers);
    expect(other.circuits.rotation).toEqual({ angles: Float64Array.of(1), interleaved: false });
    expect((await similarity(own.mlp, other.mlp)).similarity).toBeCloseTo(1, 13);
  });
});

test('a matrix for every head is TransformerLens, and its shapes tell the heads', async () => {
  const one = smallLayer(2, 4);
  const { d, heads, width, units } = one;
  const rows = heads * width;
  const apart = (data: Float64Array) =>
    joined(...Array.from({ length: heads }, (_, h) => transposed(cut(data, d, h * width, (h + 1) * width), width, d)));
  const network: Given = {
    'embed.W_E': [one.embedding, TOKENS, d],
    'blocks.0.attn.W_Q': [apart(one.query), heads, d, width],
    'blocks.0.attn.W_K': [apart(one.key), heads, d, width],
    'blocks.0.attn.W_V': [apart(one.value), heads, d, width],
    'blocks.0.attn.W_O': [transposed(one.output, d, rows), heads, width, d],
    'blocks.0.attn.b_Q': [one.queryBias, heads, width],
    'blocks.0.attn.b_K': [one.keyBias, heads, width],
    'blocks.0.attn.b_V': [one.valueBias, heads, width],
    'blocks.0.attn.b_O': [one.outputBias, d],
    'blocks.0.ln1.w': [one.gains[0], d],
    'blocks.0.ln1.b': [one.shifts[0], d],
    'blocks.0.ln2.w': [one.gains[1], d],
    'blocks.0.ln2.b': [one.shifts[1], d],
    'blocks.0.mlp.W_in': [transposed(one.up, units, d), d, units],
    'blocks.0.mlp.b_in': [one.upBias, units],
    'blocks.0.mlp.W_out': [transposed(one.down, d, units), units, d],
    'blocks.0.mlp.b_out': [one.downBias, d],
    'unembed.W_U': [one.embedding, d, TOKENS],
  };
  const plain: Given = {
    'h.0.attn.c_attn.weight': [joined(one.query, one.key, one.value), 3 * rows, d],
    'h.0.attn.c_attn.bias': [joined(one.queryBias, one.keyBias, one.valueBias), 3 * rows],
    'h.0.attn.c_proj.weight': [one.output, d, rows],
    'h.0.attn.c_proj.bias': [one.outputBias, d],
    'h.0.mlp.c_fc.weight': [one.up, units, d],
    'h.0.mlp.c_fc.bias': [one.upBias, units],
    'h.0.mlp.c_proj.weight': [one.down, d, units],
    'h.0.mlp.c_proj.bias': [one.downBias, d],
    'h.0.ln_1.weight': [one.gains[0], d],
    'h.0.ln_1.bias': [one.shifts[0], d],
    'h.0.ln_2.weight': [one.gains[1], d],
    'h.0.ln_2.bias': [one.shifts[1], d],
  };
  const [own, other] = [
    await open(plain, { n_head: 4, activation_function: 'gelu' }),
    await open(network, { act_fn: 'gelu' }),
  ];
  expect(await numbersOf(other.circuits)).toEqual(await numbersOf(own.circuits));
  expect((await similarity(own.mlp, other.mlp)).similarity).toBeCloseTo(1, 13);
  expect(other.network).toMatchObject({ width: d, others: [], unembedding: { transposed: true } });
});

describe('a transformer is refused', () => {
  const one = smallLayer(3);
  const refusal = (tensors: Given, config: Record<string, unknown>) =>
    open(tensors, config).then(
      () => undefined,
      (error: Error) => error,
    );

  test.each<[string, Record<string, unknown>, string, RegExp]>([
    ['whose number of heads nobody says', { hidden_act: 'silu' }, 'INVALID_FILE', /how many attention heads/],
    ['whose heads do not fit', { ...CONFIG, n_head: 5 }, 'INVALID_FILE', /no 5 heads with 2/],
    [
      'whose heads are told in words',
      { ...CONFIG, n_head: 'many' },
      'INVALID_FILE',
      /"n_head" in config.json is "many"/,
    ],
    ['whose activation nobody says', { n_head: 4, num_key_value_heads: 2 }, 'INVALID_FILE', /activation of its MLPs/],
    ['whose activation is not known', { ...CONFIG, hidden_act: 'blip' }, 'INVALID_FILE', /"blip"/],
    ['whose width of heads is another', { ...CONFIG, head_dim: 3 }, 'SHAPE_MISMATCH', /\[12, 12\] cannot be taken/],
  ])('%s', async (_, config, code, message) => {
    const error = await refusal(llama(one), config);
    expect(error).toMatchObject({ code });
    expect(error!.message).toMatch(message);
  });

  test('of which tensors are missing, by their names', async () => {
    const tensors = llama(one);
    delete tensors['model.layers.0.self_attn.k_proj.weight'];
    delete tensors['model.layers.0.mlp.up_proj.weight'];
    const error = await refusal(tensors, CONFIG);
    expect(error).toMatchObject({ code: 'INVALID_FILE' });
    expect(error!.message).toMatch(/self_attn.k_proj.weight \(layer 0\).*mlp.up_proj.weight \(layer 0\)/s);
  });
});
