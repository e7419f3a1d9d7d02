import type { Layout } from './layout.js';
import { byGroup, inBlocks, type Packing } from './packing.js';
import { learnedUnless } from './positions.js';

/** GPT-2 of transformers, which stores inputs by outputs, and its like (nanoGPT, makemore), which do not. */
export const gpt2: Layout = {
  name: 'gpt2',
  layer: /^(?:(?:transformer|model|transformer\.transformer)\.)?h\.(\d+)\.(.+)$/,
  signs: ['attn.c_attn', 'mlp.c_fc'],
  attention: { packed: ['attn.c_attn'], output: ['attn.c_proj'] },
  mlp: { up: ['mlp.c_fc'], down: ['mlp.c_proj'] },
  attentionNorm: ['ln_1'],
  mlpNorm: ['ln_2'],
  embedding: ['transformer.wte', 'model.wte', 'wte'],
  positions: ['transformer.wpe', 'model.wpe', 'wpe'],
  finalNorm: ['transformer.ln_f', 'model.ln_f', 'ln_f'],
  unembedding: ['lm_head'],
  norm: 'layer',
  // GPT-BigCode has one key for all heads behind them; where it has one for each, they lie head by head.
  packing: (geometry, settings) =>
    settings.text('architecture') === 'gpt_bigcode' && geometry.groups > 1 ? byGroup(geometry) : inBlocks(geometry),
  transposed(layer) {
    const name = ['attn.c_attn.weight', 'mlp.c_fc.weight'].find((one) => layer.find([one]) !== undefined);
    if (name === undefined) return false;
    const [rows, columns] = layer.shape(name);
    return rows < columns;
  },
  positional: learnedUnless(
    ['transformer.wpe.weight', 'model.wpe.weight', 'wpe.weight'],
    ['transformer.wte.weight', 'model.wte.weight', 'wte.weight'],
  ),
};

/** GPT-Neo: a matrix each, outputs by inputs. */
export const gptNeo: Layout = {
  ...gpt2,
  name: 'gpt_neo',
  signs: ['attn.attention.q_proj'],
  attention: {
    query: ['attn.attention.q_proj'],
    key: ['attn.attention.k_proj'],
    value: ['attn.attention.v_proj'],
    output: ['attn.attention.out_proj'],
  },
  transposed: () => false,
};

/** GPT-J: one norm for both blocks; neighbouring rows are turned together. */
export const gptJ: Layout = {
  ...gpt2,
  name: 'gptj',
  signs: ['attn.q_proj'],
  attention: { query: ['attn.q_proj'], key: ['attn.k_proj'], value: ['attn.v_proj'], output: ['attn.out_proj'] },
  mlp: { up: ['mlp.fc_in'], down: ['mlp.fc_out'] },
  mlpNorm: ['ln_1'],
  positions: [],
  transposed: () => false,
  positional: { interleaved: true, base: 10_000 },
};

/** Cores that CodeGen's matrix was cut for: each has its heads' queries, then their values, then their keys. */
const CORES = 4;

/** CodeGen: the same in one matrix. */
export const codegen: Layout = {
  ...gptJ,
  name: 'codegen',
  signs: ['attn.qkv_proj'],
  attention: { packed: ['attn.qkv_proj'], output: ['attn.out_proj'] },
  packing({ heads, width }): Packing {
    const run = (heads * width) / CORES;
    const part = (at: number) => ({ start: at * run, run, stride: 3 * run, count: CORES });
    return { query: part(0), value: part(1), key: part(2) };
  },
};

/** GPT-NeoX and Pythia: queries, keys and values head by head in one matrix. */
export const neox: Layout = {
  name: 'gpt_neox',
  layer: /^(?:gpt_neox\.)?layers\.(\d+)\.(.+)$/,
  signs: ['attention.query_key_value', 'mlp.dense_h_to_4h'],
  attention: { packed: ['attention.query_key_value'], output: ['attention.dense'] },
  mlp: { up: ['mlp.dense_h_to_4h'], down: ['mlp.dense_4h_to_h'] },
  attentionNorm: ['input_layernorm'],
  mlpNorm: ['post_attention_layernorm'],
  embedding: ['gpt_neox.embed_in', 'embed_in'],
  finalNorm: ['gpt_neox.final_layer_norm', 'final_layer_norm'],
  unembedding: ['embed_out'],
  norm: 'layer',
  packing: byGroup,
  positional: { interleaved: false, base: 10_000, share: 0.25 },
};

/** Phi-2: one norm for both blocks, and no interleaving. */
export const phi2: Layout = {
  name: 'phi',
  layer: /^(?:model\.)?layers\.(\d+)\.(.+)$/,
  signs: ['self_attn.dense'],
  attention: {
    query: ['self_attn.q_proj'],
    key: ['self_attn.k_proj'],
    value: ['self_attn.v_proj'],
    output: ['self_attn.dense'],
    queryNorm: ['self_attn.q_layernorm'],
    keyNorm: ['self_attn.k_layernorm'],
  },
  mlp: { up: ['mlp.fc1'], down: ['mlp.fc2'] },
  attentionNorm: ['input_layernorm'],
  mlpNorm: ['input_layernorm'],
  embedding: ['model.embed_tokens', 'embed_tokens'],
  finalNorm: ['model.final_layernorm', 'final_layernorm'],
  unembedding: ['lm_head'],
  norm: 'layer',
  positional: { interleaved: false, base: 10_000, share: 0.4 },
};

/** Falcon: queries group by group before their key and value. */
export const falcon: Layout = {
  name: 'falcon',
  layer: /^(?:transformer\.)?h\.(\d+)\.(.+)$/,
  signs: ['self_attention.query_key_value'],
  attention: { packed: ['self_attention.query_key_value'], output: ['self_attention.dense'] },
  mlp: { up: ['mlp.dense_h_to_4h'], down: ['mlp.dense_4h_to_h'] },
  attentionNorm: ['ln_attn', 'input_layernorm'],
  // One norm serves both blocks, unless there are two, or the MLP follows attention.
  mlpNorm: ['ln_mlp', 'post_attention_layernorm', 'input_layernorm'],
  embedding: ['transformer.word_embeddings', 'word_embeddings'],
  finalNorm: ['transformer.ln_f', 'ln_f'],
  unembedding: ['lm_head'],
  norm: 'layer',
  packing: byGroup,
  // Where all queries have one key, config.json says that there are as many keys as queries.
  groupsByShape: true,
  positional: (settings) =>
    settings.truth('slopes') || settings.text('architecture') === 'bloom'
      ? 'alibi'
      : { interleaved: false, base: 10_000 },
  // As the class of transformers has it: the config.json of none says it.
  activation: (settings) => (/^(?:falcon|refinedweb)/i.test(settings.text('architecture') ?? '') ? 'gelu' : undefined),
};

/** BLOOM: head by head, and scores that know the distance by slopes. */
export const bloom: Layout = {
  ...falcon,
  name: 'bloom',
  signsOutside: ['transformer.word_embeddings_layernorm', 'word_embeddings_layernorm'],
  embeddingNorm: ['transformer.word_embeddings_layernorm', 'word_embeddings_layernorm'],
  positional: 'alibi',
  activation: 'gelu_tanh',
};
