import type { BlockSettings } from '../settings.js';
import type { Layout } from './layout.js';
import { inBlocks } from './packing.js';

const isGemma = (settings: BlockSettings): boolean => /^gemma/i.test(settings.text('architecture') ?? '');

/** Llama, Mistral, Qwen, OLMo and Gemma as transformers has them. OLMo 2 normalises what blocks give, not what they take. */
export const llama: Layout = {
  name: 'llama',
  layer: /^(?:(?:model|language_model\.model|model\.language_model|transformer)\.)?layers\.(\d+)\.(.+)$/,
  signs: ['self_attn.q_proj', 'mlp.gate_proj'],
  attention: {
    query: ['self_attn.q_proj'],
    key: ['self_attn.k_proj'],
    value: ['self_attn.v_proj'],
    output: ['self_attn.o_proj'],
    queryNorm: ['self_attn.q_norm'],
    keyNorm: ['self_attn.k_norm'],
  },
  mlp: { gate: ['mlp.gate_proj'], up: ['mlp.up_proj'], down: ['mlp.down_proj'] },
  attentionNorm: ['input_layernorm'],
  mlpNorm: ['pre_feedforward_layernorm', 'post_attention_layernorm'],
  embedding: [
    'model.embed_tokens',
    'language_model.model.embed_tokens',
    'model.language_model.embed_tokens',
    'embed_tokens',
  ],
  finalNorm: ['model.norm', 'language_model.model.norm', 'model.language_model.norm', 'norm'],
  unembedding: ['lm_head', 'language_model.lm_head'],
  norm: 'rms',
  normsBehind: (layer) =>
    layer.find(['input_layernorm.weight']) === undefined &&
    layer.find(['post_feedforward_layernorm.weight']) !== undefined,
  rotary: { interleaved: false, base: 10_000 },
  fromOne: isGemma,
};

/** The same with queries, keys and values in one matrix, and gate and up in another. */
export const phi3: Layout = {
  ...llama,
  name: 'phi3',
  signs: ['self_attn.qkv_proj', 'mlp.gate_up_proj'],
  attention: { packed: ['self_attn.qkv_proj'], output: ['self_attn.o_proj'] },
  mlp: { up: ['mlp.gate_up_proj'], down: ['mlp.down_proj'], packed: ['mlp.gate_up_proj'] },
  packing: inBlocks,
};

/** Llama's own checkpoints, and the files of llama2.c. */
export const meta: Layout = {
  ...llama,
  name: 'meta',
  layer: /^(?:model\.)?layers\.(\d+)\.(.+)$/,
  signs: ['attention.wq', 'feed_forward.w1'],
  attention: {
    query: ['attention.wq'],
    key: ['attention.wk'],
    value: ['attention.wv'],
    output: ['attention.wo'],
  },
  mlp: { gate: ['feed_forward.w1'], up: ['feed_forward.w3'], down: ['feed_forward.w2'] },
  attentionNorm: ['attention_norm'],
  mlpNorm: ['ffn_norm'],
  embedding: ['tok_embeddings', 'model.tok_embeddings'],
  finalNorm: ['norm', 'model.norm'],
  unembedding: ['output', 'model.output'],
  rotary: { interleaved: true, base: 10_000 },
  activation: 'silu',
  fromOne: () => false,
};

/** Architectures of GGUF whose rows of queries and keys lie so that neighbours are turned together. */
const INTERLEAVED =
  /^(?:llama|llama4|deci|mistral3?|baichuan|internlm2|minicpm|command-r|cohere2|granite|olmo|orion|xverse|arcee|smollm3)$/;
const GELU = /^gemma/;
const SILU =
  /^(?:llama|mistral|qwen|phi3|olmo|internlm|baichuan|granite|minicpm|smollm|deci|orion|xverse|stablelm|exaone)/;

/** Files of llama.cpp. The gains of Gemma are stored with 1 added. */
export const gguf: Layout = {
  ...llama,
  name: 'gguf',
  layer: /^blk\.(\d+)\.(.+)$/,
  signs: ['attn_q', 'attn_qkv', 'ffn_up', 'ffn_gate'],
  attention: {
    query: ['attn_q'],
    key: ['attn_k'],
    value: ['attn_v'],
    packed: ['attn_qkv'],
    output: ['attn_output'],
    queryNorm: ['attn_q_norm'],
    keyNorm: ['attn_k_norm'],
  },
  mlp: { gate: ['ffn_gate'], up: ['ffn_up'], down: ['ffn_down'] },
  attentionNorm: ['attn_norm'],
  mlpNorm: ['ffn_norm'],
  embedding: ['token_embd'],
  finalNorm: ['output_norm'],
  unembedding: ['output'],
  packing: inBlocks,
  rotary: { interleaved: (settings) => INTERLEAVED.test(settings.text('architecture') ?? ''), base: 10_000 },
  activation(settings) {
    const architecture = settings.text('architecture') ?? '';
    if (SILU.test(architecture)) return 'silu';
    return GELU.test(architecture) ? 'gelu_tanh' : undefined;
  },
  fromOne: () => false,
};
