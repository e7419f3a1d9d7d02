import { describe, expect, test } from 'vitest';
import { similarity } from '../../../lib/similarity/similarity.js';
import {
  BERT_MATRICES,
  compared,
  d,
  embeddings,
  GELU,
  heads,
  inOrder,
  matrices,
  norm,
  one,
  packed,
  rows,
  run,
  units,
  width,
} from '../../support/one_layer.js';
import { numbersOf, openBlocks } from '../../support/open_blocks.js';
import {
  cut,
  type Given,
  joined,
  llamaTensors,
  type SmallLayer,
  smallLayer,
  TOKENS,
  transposed,
} from '../../support/transformers.js';

describe('norms of sums', () => {
  const [before, layer] = [smallLayer(5, 4), one];
  const bert: Given = {
    ...embeddings('bert.embeddings.word_embeddings.weight', 'bert.embeddings.position_embeddings.weight'),
    'bert.embeddings.LayerNorm.gamma': [before.gains[0], d],
    'bert.embeddings.LayerNorm.beta': [before.shifts[0], d],
    ...matrices('bert.encoder.layer.0.', ...BERT_MATRICES('self'), before),
    ...norm('bert.encoder.layer.0.attention.output.LayerNorm', 0, before),
    ...norm('bert.encoder.layer.0.output.LayerNorm', 0),
    ...matrices('bert.encoder.layer.1.', ...BERT_MATRICES('self'), layer),
    ...norm('bert.encoder.layer.1.attention.output.LayerNorm', 1),
    ...norm('bert.encoder.layer.1.output.LayerNorm', 0, before),
    'bert.pooler.dense.weight': [new Float64Array(d * d), d, d],
  };
  const config = { num_attention_heads: 4, hidden_act: 'gelu' };

  test('stand before what follows them, as in BERT', async () => {
    const { network, scores, values, functions } = await compared(bert, config, 1);
    for (const off of [scores, values, functions]) expect(off).toBeLessThan(1e-12);
    const [first, second] = network.layers;
    expect(first.attentionNorm!.gain!.tensor).toBe('bert.embeddings.LayerNorm.gamma');
    expect(second.attentionNorm!.gain!.tensor).toBe('bert.encoder.layer.0.output.LayerNorm.weight');
    expect(second.norms!.behindMlp!.gain!.tensor).toBe('bert.encoder.layer.1.output.LayerNorm.weight');
    expect(first).not.toHaveProperty('norms');
    expect(network.layers.flatMap(({ others }) => others)).toEqual([]);
    expect(network.others).toEqual(['bert.pooler.dense.weight']);
  });

  test('are refused where they are missing: another network has such names', async () => {
    const tensors = { ...bert };
    for (const end of ['weight', 'bias']) delete tensors[`bert.encoder.layer.1.attention.output.LayerNorm.${end}`];
    await expect(openBlocks(tensors, config)).rejects.toThrow(/no norm of the sum behind attention/);
  });

  test('and scores by distance are told', async () => {
    const distances = {
      ...bert,
      'bert.encoder.layer.0.attention.self.distance_embedding.weight': bert['bert.pooler.dense.weight'],
    };
    const { network } = await openBlocks(distances, { ...config, position_embedding_type: 'relative_key' });
    expect(network.layers[0].uncompared).toEqual([{ part: 'attention', reason: expect.stringMatching(/distance/) }]);
    expect(network.layers[1]).not.toHaveProperty('uncompared');
  });

  const torch: Given = {
    ...packed('encoder.layers.0.', ['self_attn.in_proj', 'self_attn.out_proj'], ['linear1', 'linear2'], inOrder),
    ...norm('encoder.layers.0.norm1', 0),
    ...norm('encoder.layers.0.norm2', 1),
  };
  for (const end of ['weight', 'bias'] as const) {
    torch[`encoder.layers.0.self_attn.in_proj_${end}`] = torch[`encoder.layers.0.self_attn.in_proj.${end}`];
    delete torch[`encoder.layers.0.self_attn.in_proj.${end}`];
  }

  test('or norms before blocks: the encoder of torch must be told which', async () => {
    const { scores, values, functions } = await compared(torch, { ...GELU, norm_first: true });
    for (const off of [scores, values, functions]) expect(off).toBeLessThan(1e-12);
    const { network } = await openBlocks(torch, { ...GELU, norm_first: false });
    expect(network.layers[0]).not.toHaveProperty('attentionNorm');
    expect(network.layers[0].mlpNorm!.gain!.tensor).toMatch(/norm1/);
    await expect(openBlocks(torch, GELU)).rejects.toThrow(/whether its norms stand before its blocks/);
  });

  test('do not stand before an MLP behind attention to another stream', async () => {
    const decoder = {
      ...torch,
      'encoder.layers.0.multihead_attn.in_proj_weight': torch['encoder.layers.0.norm1.bias'],
    };
    const { network } = await openBlocks(decoder, { ...GELU, norm_first: true });
    expect(network.layers[0]).not.toHaveProperty('mlp');
    expect(network.layers[0].uncompared).toEqual([{ part: 'mlp', reason: expect.stringMatching(/another stream/) }]);
  });
});

describe('norms without weights', () => {
  const bare = (): Given => {
    const all = llamaTensors([one]);
    for (const name of ['input_layernorm', 'post_attention_layernorm']) delete all[`model.layers.0.${name}.weight`];
    return all;
  };
  const config = { n_head: 4, num_key_value_heads: 4, hidden_act: 'silu' };
  const ones = { ...one, gains: one.gains.map((gain) => gain.map(() => 1)) } as unknown as SmallLayer;

  test('take off the mean where they are layer norms, as in OLMo 1', async () => {
    const own = llamaTensors([ones]);
    for (const name of ['input_layernorm', 'post_attention_layernorm'])
      own[`model.layers.0.${name}.bias`] = [new Float64Array(d), d];
    const [a, b] = [await openBlocks(own, config), await openBlocks(bare(), { ...config, model_type: 'olmo' })];
    expect((await similarity(a.mlp!, b.mlp!)).similarity).toBeCloseTo(1, 13);
    const rms = await openBlocks(bare(), { ...config, norm: 'rms' });
    expect((await similarity(a.mlp!, rms.mlp!)).similarity).toBeLessThan(0.999);
    expect(b.settings.told.get('norm')).toEqual({ value: 'layer', from: 'the layout llama' });
  });

  test('are asked for where nobody says them, and none where null is said', async () => {
    await expect(openBlocks(bare(), config)).rejects.toThrow(/whether norms without weights stand before/);
    const { network } = await openBlocks(bare(), { ...config, normalization_type: null });
    expect(network.layers[0]).not.toHaveProperty('mlpNorm');
  });
});

describe('GPT-2 with bilinear blocks', () => {
  const square = (count: number) => Float64Array.from({ length: count * d * d }, (_, i) => Math.sin(i));
  const network: Given = {
    'transformer.wte.weight': [one.embedding, TOKENS, d],
    'transformer.h.0.lambdas': [Float64Array.of(1, 0), 2],
    'transformer.h.0.attn.lamb': [Float64Array.of(0.5), 1],
    ...Object.fromEntries(
      ['c_q', 'c_k', 'c_q2', 'c_k2', 'c_v', 'c_proj'].map((name) => [
        `transformer.h.0.attn.${name}.weight`,
        [square(1), d, d] as [Float64Array, ...number[]],
      ]),
    ),
    'transformer.h.0.mlp.Left.weight': [one.gate, units, d],
    'transformer.h.0.mlp.Right.weight': [one.up, units, d],
    'transformer.h.0.mlp.Down.weight': [one.down, d, units],
    'transformer.h.0.mlp.Down_bias': [one.downBias, d],
    'lm_head.weight': [one.embedding, TOKENS, d],
  };

  test('has bilinear MLPs, and turns the other way', async () => {
    const found = await openBlocks(network, { n_head: 4, bilinear: true, gated: false });
    const llama = llamaTensors([{ ...one, gains: one.gains.map((gain) => gain.map(() => 1)) as never }]);
    llama['model.layers.0.mlp.down_proj.bias'] = [one.downBias, d];
    const own = await openBlocks(llama, { n_head: 4, num_key_value_heads: 4, hidden_act: 'identity' });
    expect((await similarity(own.mlp!, found.mlp!)).similarity).toBeCloseTo(1, 13);
    const [layer] = found.network.layers;
    expect(layer.attention).toMatchObject({ normalised: true, rotation: { interleaved: false } });
    expect(layer.attention!.rotation!.angles[0]).toBe(-1);
    expect(layer.uncompared).toEqual([{ part: 'attention', reason: expect.stringMatching(/two scores/) }]);
    expect(layer.others).toHaveLength(4);
    await expect(openBlocks(network, { n_head: 4, gated: true })).rejects.toThrow(/activation/);
  });

  test('or not, where they are squared rectifiers', async () => {
    const plain: Given = Object.fromEntries(Object.entries(network).filter(([name]) => !name.includes('.mlp.')));
    plain['transformer.h.0.mlp.c_fc.weight'] = [one.up, units, d];
    plain['transformer.h.0.mlp.c_proj.weight'] = [one.down, d, units];
    plain['transformer.h.0.mlp.bias'] = [one.downBias, d];
    const { network: found } = await openBlocks(plain, { n_head: 4 });
    expect(found.layers[0].mlp).toMatchObject({
      activation: 'relu2',
      downBias: { tensor: 'transformer.h.0.mlp.bias' },
    });
  });
});

describe('GGUF', () => {
  const gguf = (architecture: string, more: Given = {}): [Given, Record<string, unknown>] => [
    {
      'token_embd.weight': [one.embedding, TOKENS, d],
      ...packed('blk.0.', ['attn_qkv', 'attn_output'], ['ffn_up', 'ffn_down'], inOrder),
      ...norm('blk.0.attn_norm', 0),
      ...norm('blk.0.ffn_norm', 1),
      ...more,
    },
    { 'general.architecture': architecture, [`${architecture}.attention.head_count`]: '4', activation: 'gelu' },
  ];

  test('of GPT-2 has no rotary embedding', async () => {
    const { circuits, scores, values, functions } = await compared(...gguf('gpt2'));
    expect(circuits!.rotation).toBeNull();
    for (const off of [scores, values, functions]) expect(off).toBeLessThan(1e-12);
  });

  test('divides angles by a tensor, or by a factor, where it has one', async () => {
    const divisors: Given = { 'rope_freqs.weight': [Float64Array.of(1, 8), 2] };
    const { circuits, network } = await openBlocks(...gguf('llama', divisors));
    expect([...circuits!.rotation!.angles]).toEqual([1, 0.01 / 8]);
    expect(network.others).toEqual([]);
    const [tensors, config] = gguf('llama');
    const scaled = { ...config, 'llama.rope.scaling.type': 'linear', 'llama.rope.scaling.factor': '4' };
    expect([...(await openBlocks(tensors, scaled)).circuits!.rotation!.angles]).toEqual([0.25, 0.0025]);
    await expect(openBlocks(tensors, { ...scaled, 'llama.rope.scaling.type': 'longrope' })).rejects.toThrow(/longrope/);
  });

  test('of an architecture that is not known says what positions turn', async () => {
    const [tensors, config] = gguf('novel');
    await expect(openBlocks(tensors, config)).rejects.toThrow(/"novel", of which it is not known what positions turn/);
    const { circuits } = await openBlocks(tensors, { ...config, rope_interleaved: true });
    expect(circuits!.rotation!.interleaved).toBe(true);
  });

  test('of BLOOM has slopes', async () => {
    const { network } = await openBlocks(...gguf('bloom'));
    expect(network.layers[0].attention).toMatchObject({ rotation: null, slopes: true });
  });
});

describe('TransformerLens', () => {
  const apart = (data: Float64Array) =>
    joined(...run(0, heads).map((h) => transposed(cut(data, d, h * width, (h + 1) * width), width, d)));
  const plain: Given = {
    'embed.W_E': [one.embedding, TOKENS, d],
    'blocks.0.attn.W_Q': [apart(one.query), heads, d, width],
    'blocks.0.attn.W_K': [apart(one.key), heads, d, width],
    'blocks.0.attn.W_V': [apart(one.value), heads, d, width],
    'blocks.0.attn.W_O': [transposed(one.output, d, rows), heads, width, d],
    'blocks.0.mlp.W_in': [transposed(one.up, units, d), d, units],
    'blocks.0.mlp.W_out': [transposed(one.down, d, units), units, d],
  };
  const positions: Given = { 'pos_embed.W_pos': [one.embedding, TOKENS, d] };

  test('without weights of norms or without learned positions says which there are', async () => {
    await expect(openBlocks({ ...plain, ...positions }, { act_fn: 'relu' })).rejects.toThrow(/norms without weights/);
    await expect(openBlocks(plain, { act_fn: 'relu', normalization_type: null })).rejects.toThrow(/learned positions/);
  });

  test('folded into what follows, its layer norms take off the mean', async () => {
    const config = { act_fn: 'gelu', normalization_type: 'LNPre', positional_embedding_type: 'rotary' };
    const { network, circuits } = await openBlocks(plain, { ...config, rotary_adjacent_pairs: true });
    expect(network.layers[0]).toMatchObject({ attentionNorm: { kind: 'layer' }, mlpNorm: { kind: 'layer' } });
    expect(circuits!.rotation).toMatchObject({ interleaved: true });
  });

  test('shares keys', async () => {
    const two: Given = { ...plain, ...positions };
    for (const part of ['K', 'V']) {
      const [data] = two[`blocks.0.attn.W_${part}`];
      delete two[`blocks.0.attn.W_${part}`];
      two[`blocks.0.attn._W_${part}`] = [data.subarray(0, data.length / 2), heads / 2, d, width];
    }
    const { circuits } = await openBlocks(two, { act_fn: 'relu', normalization_type: 'none' });
    expect(circuits).toMatchObject({ heads, groups: heads / 2 });
  });
});

test('Gemma within a larger model stores its gains from one, later ones do not', async () => {
  const tensors = llamaTensors([one], 'model.language_model.');
  const config = { n_head: 4, num_key_value_heads: 4, hidden_act: 'silu' };
  const fromOne = async (of: object) =>
    (await openBlocks(tensors, { ...config, ...of })).network.layers[0].mlpNorm!.fromOne;
  expect(await fromOne({ model_type: 'paligemma', text_config: { model_type: 'gemma' } })).toBe(true);
  expect(await fromOne({ model_type: 'gemma3', text_config: { model_type: 'gemma3_text' } })).toBe(true);
  expect(await fromOne({ model_type: 'gemma3n', text_config: { model_type: 'gemma3n_text' } })).toBeUndefined();
});

test('MLPs of Gemma 3n are no function of gates one by one, and are not compared', async () => {
  const config = { n_head: 4, num_key_value_heads: 4, text_config: { model_type: 'gemma3n_text' } };
  const { network } = await openBlocks(llamaTensors([one]), config);
  expect(network.layers[0]).not.toHaveProperty('mlp');
  expect(network.layers[0]).toHaveProperty('attention');
  expect(network.layers[0].uncompared).toEqual([{ part: 'mlp', reason: expect.stringMatching(/Gemma 3n/) }]);
});

test('keys and values of few dimensions are not compared', async () => {
  const tensors = llamaTensors([one]);
  for (const name of ['k', 'v']) delete tensors[`model.layers.0.self_attn.${name}_proj.weight`];
  tensors['model.layers.0.self_attn.kv_a_proj_with_mqa.weight'] = [new Float64Array(2 * d), 2, d];
  const { network } = await openBlocks(tensors, { n_head: 4, hidden_act: 'silu' });
  expect(network.layers[0]).not.toHaveProperty('attention');
  expect(network.layers[0]).toHaveProperty('mlp');
  expect(network.layers[0].uncompared).toEqual([{ part: 'attention', reason: expect.stringMatching(/MLA/) }]);
});

describe('layers that positions do not turn', () => {
  const config = { n_head: 4, num_key_value_heads: 4, hidden_act: 'silu' };
  const turned = async (of: object) =>
    (await openBlocks(llamaTensors([one, one]), { ...config, ...of })).network.layers.map(
      ({ attention }) => attention!.rotation !== null,
    );

  test.each<[string, object, boolean[]]>([
    ['are listed', { no_rope_layers: [1, 0] }, [true, false]],
    [
      'see all positions, in Command R7B',
      { model_type: 'cohere2', layer_types: ['full_attention', 'sliding_attention'] },
      [false, true],
    ],
    ['are one in so many there', { model_type: 'cohere2', sliding_window_pattern: 2 }, [true, false]],
    ['are none elsewhere', { layer_types: ['full_attention', 'sliding_attention'] }, [true, true]],
  ])('%s', async (_, of, expected) => {
    expect(await turned(of)).toEqual(expected);
  });

  test('are not known of Llama 4', async () => {
    const { network } = await openBlocks(llamaTensors([one]), { ...config, model_type: 'llama4_text' });
    expect(network.layers[0]).not.toHaveProperty('attention');
    expect(network.layers[0].uncompared).toEqual([{ part: 'attention', reason: expect.stringMatching(/some layers/) }]);
  });
});

test('gate and up in one matrix, and attention in three, is GLM-4', async () => {
  const tensors = llamaTensors([one]);
  for (const name of ['gate', 'up']) delete tensors[`model.layers.0.mlp.${name}_proj.weight`];
  tensors['model.layers.0.mlp.gate_up_proj.weight'] = [joined(one.gate, one.up), 2 * units, d];
  const config = { n_head: 4, num_key_value_heads: 4, hidden_act: 'silu', model_type: 'glm4' };
  const [own, other] = [await openBlocks(llamaTensors([one]), config), await openBlocks(tensors, config)];
  expect(await numbersOf(other.circuits!)).toEqual(await numbersOf(own.circuits!));
  expect(other.circuits!.rotation!.interleaved).toBe(true);
  expect((await similarity(own.mlp!, other.mlp!)).similarity).toBeCloseTo(1, 13);
});
