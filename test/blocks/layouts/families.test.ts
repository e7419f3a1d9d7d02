import { describe, expect, test } from 'vitest';
import {
  BERT_MATRICES,
  byCore,
  byHead,
  compared,
  d,
  embeddings,
  GELU,
  gpt2,
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
import { type Given, joined, llamaTensors, rowsOf, type SmallLayer, smallLayer } from '../../support/transformers.js';

const OPT = 'model.decoder.layers.0.';
const OPT_MATRICES = [['q', 'k', 'v', 'out'].map((name) => `self_attn.${name}_proj`), ['fc1', 'fc2']] as const;
const VIT = 'vit.encoder.layer.0.';
const BLOOM = 'transformer.h.0.';
const DENSE = [
  ['self_attention.query_key_value', 'self_attention.dense'],
  ['mlp.dense_h_to_4h', 'mlp.dense_4h_to_h'],
] as const;

describe('one network as GPT-2 and in other layouts', () => {
  test.each<[string, Given, Record<string, unknown>]>([
    [
      'gpt_neo',
      {
        ...matrices(
          'h.0.',
          ['q', 'k', 'v', 'out'].map((name) => `attn.attention.${name}_proj`),
          ['mlp.c_fc', 'mlp.c_proj'],
        ),
        ...norm('h.0.ln_1', 0),
        ...norm('h.0.ln_2', 1),
      },
      GELU,
    ],
    [
      'opt',
      {
        ...embeddings('model.decoder.embed_tokens.weight', 'model.decoder.embed_positions.weight'),
        ...matrices(OPT, ...OPT_MATRICES),
        ...norm(`${OPT}self_attn_layer_norm`, 0),
        ...norm(`${OPT}final_layer_norm`, 1),
        ...norm('model.decoder.final_layer_norm', 1),
      },
      { num_attention_heads: 4, activation_function: 'gelu', do_layer_norm_before: true },
    ],
    [
      'bloom',
      {
        ...embeddings('transformer.word_embeddings.weight'),
        ...norm('transformer.word_embeddings_layernorm', 0),
        ...packed(BLOOM, ...DENSE, byHead),
        ...norm(`${BLOOM}input_layernorm`, 0),
        ...norm(`${BLOOM}post_attention_layernorm`, 1),
      },
      GELU,
    ],
    [
      'vit',
      {
        ...embeddings('vit.embeddings.patch_embeddings.projection.weight', 'vit.embeddings.position_embeddings'),
        ...matrices(VIT, ...BERT_MATRICES('attention')),
        ...norm(`${VIT}layernorm_before`, 0),
        ...norm(`${VIT}layernorm_after`, 1),
        ...norm('vit.layernorm', 0),
      },
      { num_attention_heads: 4, hidden_act: 'gelu' },
    ],
    [
      'timm',
      {
        ...embeddings('patch_embed.proj.weight', 'pos_embed'),
        ...packed('blocks.0.', ['attn.qkv', 'attn.proj'], ['mlp.fc1', 'mlp.fc2'], inOrder),
        ...norm('blocks.0.norm1', 0),
        ...norm('blocks.0.norm2', 1),
        ...norm('norm', 0),
      },
      { num_heads: 4 },
    ],
  ])('%s: has the same heads and the same MLP', async (layout, tensors, config) => {
    const { network, circuits, scores, values, functions } = await compared(tensors, config);
    expect(network).toMatchObject({ layout, width: d, others: [] });
    expect(network.layers[0].others).toEqual([]);
    expect(circuits).toMatchObject({ heads, groups: heads, width, rotation: null });
    for (const off of [scores, values, functions]) expect(off).toBeLessThan(1e-12);
    expect(network.layers[0].attention!.slopes).toBe(layout === 'bloom' ? true : undefined);
  });

  test.each<[string, Given, Record<string, unknown>, number, boolean]>([
    [
      'gptj',
      {
        ...matrices(
          'transformer.h.0.',
          ['q', 'k', 'v', 'out'].map((name) => `attn.${name}_proj`),
          ['mlp.fc_in', 'mlp.fc_out'],
        ),
        ...norm('transformer.h.0.ln_1', 0),
      },
      { ...GELU, rotary_dim: 2 },
      1,
      true,
    ],
    [
      'codegen',
      {
        ...packed('transformer.h.0.', ['attn.qkv_proj', 'attn.out_proj'], ['mlp.fc_in', 'mlp.fc_out'], byCore),
        ...norm('transformer.h.0.ln_1', 0),
      },
      { ...GELU, rotary_dim: 4 },
      2,
      true,
    ],
    [
      'falcon',
      {
        ...packed('transformer.h.0.', ...DENSE, byHead),
        ...norm('transformer.h.0.input_layernorm', 0),
      },
      { ...GELU, model_type: 'falcon' },
      2,
      false,
    ],
  ])('%s: has one norm for both blocks, and turns', async (layout, tensors, config, planes, interleaved) => {
    const { network, circuits } = await openBlocks(tensors, config);
    const own = await openBlocks(gpt2(), GELU);
    expect(network.layout).toBe(layout);
    expect(network.layers[0].mlpNorm).toEqual(network.layers[0].attentionNorm);
    expect(network.layers[0].others).toEqual([]);
    const [found, numbers] = [await numbersOf(circuits!), await numbersOf(own.circuits!)];
    for (const part of ['query', 'key', 'value', 'output'] as const) expect(found[part]).toEqual(numbers[part]);
    expect(circuits!.rotation).toMatchObject({ interleaved });
    expect(circuits!.rotation!.angles).toHaveLength(planes);
  });

  test('is another in another order of the rows', async () => {
    const wrong = {
      ...packed(BLOOM, ...DENSE, inOrder),
      ...norm('transformer.word_embeddings_layernorm', 0),
      ...norm(`${BLOOM}input_layernorm`, 0),
      ...norm(`${BLOOM}post_attention_layernorm`, 1),
    };
    const { scores, values, functions } = await compared(wrong, GELU);
    expect(Math.min(scores, values)).toBeGreaterThan(0.1);
    expect(functions).toBeLessThan(1e-12);
  });
});

describe('GPT-2 without learned positions', () => {
  const tensors = { ...gpt2('transformer.h.0.'), ...embeddings('transformer.wte.weight') };

  test('says which others it has', async () => {
    await expect(openBlocks(tensors, GELU)).rejects.toThrow(/no learned positions/);
    const rotary = { ...GELU, positional_embedding_type: 'rotary' };
    await expect(openBlocks(tensors, rotary)).rejects.toThrow(/which rows its rotary embedding turns/);
    const { circuits } = await openBlocks(tensors, { ...rotary, rope_interleaved: false });
    expect(circuits!.rotation).toMatchObject({ interleaved: false });
    expect(
      (await openBlocks(tensors, { ...GELU, positional_embedding_type: 'alibi' })).network.layers[0],
    ).toMatchObject({
      attention: { slopes: true, rotation: null },
    });
  });
});

test('attention with biases of its own in its scores is not compared', async () => {
  const tensors: Given = {
    ...packed('blocks.0.', ['attn.qkv', 'attn.proj'], ['mlp.fc1', 'mlp.fc2'], inOrder),
    ...norm('blocks.0.norm1', 0),
    ...norm('blocks.0.norm2', 1),
    'blocks.0.attn.q_bias': [one.queryBias, rows],
  };
  const { network } = await openBlocks(tensors, GELU);
  expect(network.layers[0]).not.toHaveProperty('attention');
  expect(network.layers[0]).toHaveProperty('mlp');
});

describe('Falcon', () => {
  /** Of so many groups: queries of a group, then its key and its value. */
  const falcon = (groups: number): [SmallLayer, Given] => {
    const layer = smallLayer(4, groups);
    const share = heads / groups;
    const all = joined(layer.query, layer.key, layer.value);
    const order = run(0, groups).flatMap((group) => [
      ...run(group * share * width, share * width),
      ...run(rows + group * width, width),
      ...run(rows + (groups + group) * width, width),
    ]);
    return [
      layer,
      {
        'transformer.h.0.self_attention.query_key_value.weight': [rowsOf(all, d, order), order.length, d],
        'transformer.h.0.self_attention.dense.weight': [layer.output, d, rows],
        'transformer.h.0.mlp.dense_h_to_4h.weight': [layer.up, units, d],
        'transformer.h.0.mlp.dense_4h_to_h.weight': [layer.down, d, units],
        ...norm('transformer.h.0.ln_attn', 0, layer),
        ...norm('transformer.h.0.ln_mlp', 1, layer),
      },
    ];
  };

  test.each([
    ['one key for all queries, whatever config.json says of keys', 1, { multi_query: true, num_kv_heads: 4 }],
    ['keys of groups', 2, { new_decoder_architecture: true, num_kv_heads: 2 }],
  ])('has %s', async (_, groups, config) => {
    const [layer, tensors] = falcon(groups);
    const { circuits, network } = await openBlocks(tensors, { num_attention_heads: 4, activation: 'gelu', ...config });
    // As Llama has the same, but for its norms.
    const llama = llamaTensors([layer]);
    llama['model.layers.0.input_layernorm.bias'] = [layer.shifts[0], d];
    llama['model.layers.0.post_attention_layernorm.bias'] = [layer.shifts[1], d];
    const own = await openBlocks(llama, { n_head: 4, num_key_value_heads: groups, hidden_act: 'gelu' });
    expect(await numbersOf(circuits!)).toEqual(await numbersOf(own.circuits!));
    expect(network.layers[0].mlpNorm!.gain!.tensor).toMatch(/ln_mlp/);
  });
});
