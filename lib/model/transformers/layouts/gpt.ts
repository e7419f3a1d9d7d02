import type { Layout } from './layout.js';
import { byGroup, inBlocks } from './packing.js';

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
  finalNorm: ['transformer.ln_f', 'model.ln_f', 'ln_f'],
  unembedding: ['lm_head'],
  norm: 'layer',
  packing: inBlocks,
  transposed(layer) {
    const name = ['attn.c_attn.weight', 'mlp.c_fc.weight'].find((one) => layer.find([one]) !== undefined);
    if (name === undefined) return false;
    const [rows, columns] = layer.shape(name);
    return rows < columns;
  },
  rotary: null,
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
  rotary: { interleaved: false, base: 10_000 },
  rotaryShare: 0.25,
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
  },
  mlp: { up: ['mlp.fc1'], down: ['mlp.fc2'] },
  attentionNorm: ['input_layernorm'],
  mlpNorm: ['input_layernorm'],
  embedding: ['model.embed_tokens', 'embed_tokens'],
  finalNorm: ['model.final_layernorm', 'final_layernorm'],
  unembedding: ['lm_head'],
  norm: 'layer',
  rotary: { interleaved: false, base: 10_000 },
  rotaryShare: 0.4,
};
