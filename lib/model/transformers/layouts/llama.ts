import type { BlockSettings } from '../settings.js';
import type { ExpertNames, Layout, MlpNames } from './layout.js';
import { byGroup } from './packing.js';

const architectureOf = (settings: BlockSettings): string => settings.text('architecture') ?? '';

/** Gains that are stored as what is added to 1. Of later Gemmas (3n) they are not. */
const FROM_ONE = /^(?:gemma[23]?(?:_text)?|paligemma|recurrent_gemma|nemotron|qwen3_next)$/i;
/** Layer norms without a bias. */
const LAYER_NORMS = /^(?:cohere2?|olmo|hf_olmo|nemotron|dbrx)$/i;
/** Neighbouring rows of queries and keys are turned together. */
const INTERLEAVED = /^(?:cohere2?|glm4?|helium|ernie4_5\w*)$/i;

/** Queries and keys are turned in some layers only, and what they are is said in several ways. */
const TURNED_SOMEWHERE = /^(?:llama4|exaone4)/i;

/** Experts by their numbers, of a matrix each, or all in one tensor. */
const experts: ExpertNames = {
  router: ['block_sparse_moe.gate', 'mlp.gate', 'mlp.router', 'block_sparse_moe.router.layer'],
  each: {
    gate: ['block_sparse_moe.experts.{E}.w1', 'mlp.experts.{E}.gate_proj'],
    up: ['mlp.experts.{E}.up_proj', 'block_sparse_moe.experts.{E}.w3'],
    down: ['mlp.experts.{E}.down_proj', 'block_sparse_moe.experts.{E}.w2'],
  },
  stacked: {
    gate: ['mlp.switch_mlp.gate_proj', 'block_sparse_moe.switch_mlp.gate_proj', 'mlp.experts.gate_proj'],
    up: ['mlp.switch_mlp.up_proj', 'block_sparse_moe.switch_mlp.up_proj', 'mlp.experts.up_proj'],
    down: [
      'mlp.experts.down_proj',
      'mlp.switch_mlp.down_proj',
      'block_sparse_moe.switch_mlp.down_proj',
      'block_sparse_moe.output_linear',
    ],
    packed: ['mlp.experts.gate_up_proj', 'block_sparse_moe.input_linear'],
  },
  shared: sharedIn(['mlp.shared_expert', 'mlp.shared_experts']),
  sharedGate: ['mlp.shared_expert_gate'],
  // Only gpt-oss has biases there.
  clamped: (layer, settings) =>
    layer.find(['mlp.experts.gate_up_proj_bias']) !== undefined || /^gpt[_-]oss$/i.test(architectureOf(settings)),
};

function sharedIn(modules: readonly string[]): MlpNames {
  const named = (matrix: string) => modules.map((module) => `${module}.${matrix}`);
  return {
    gate: named('gate_proj'),
    up: [...named('up_proj'), 'shared_mlp.input_linear'],
    down: [...named('down_proj'), 'shared_mlp.output_linear'],
    packed: ['shared_mlp.input_linear'],
  };
}

/** Llama, Mistral, Qwen, OLMo, Gemma, Mixtral as transformers has them. OLMo 2 normalises what blocks give, not what they take. */
export const llama: Layout = {
  name: 'llama',
  layer: /^(?:(?:model|language_model\.model|model\.language_model|transformer)\.)?layers\.(\d+)\.(.+)$/,
  signs: ['self_attn.q_proj', 'mlp.gate_proj'],
  attention: {
    query: ['self_attn.q_proj'],
    key: ['self_attn.k_proj'],
    value: ['self_attn.v_proj'],
    output: ['self_attn.o_proj'],
    queryNorm: ['self_attn.q_norm', 'self_attn.q_layernorm'],
    keyNorm: ['self_attn.k_norm', 'self_attn.k_layernorm'],
  },
  mlp: {
    gate: ['mlp.gate_proj'],
    up: ['mlp.up_proj', 'mlp.c_fc'],
    down: ['mlp.down_proj', 'mlp.c_proj'],
  },
  experts,
  attentionNorm: ['input_layernorm'],
  // Where there is but one norm, both blocks take what it gives.
  mlpNorm: ['pre_feedforward_layernorm', 'post_attention_layernorm', 'input_layernorm'],
  behindAttention: ['post_attention_layernorm', 'post_self_attn_layernorm'],
  behindMlp: ['post_feedforward_layernorm', 'post_mlp_layernorm'],
  embedding: [
    'model.embed_tokens',
    'language_model.model.embed_tokens',
    'model.language_model.embed_tokens',
    'embed_tokens',
  ],
  finalNorm: ['model.norm', 'language_model.model.norm', 'model.language_model.norm', 'norm'],
  unembedding: ['lm_head', 'language_model.lm_head'],
  norm: (settings) => (LAYER_NORMS.test(architectureOf(settings)) ? 'layer' : 'rms'),
  // OLMo 1 has layer norms without weights.
  bareNorm: (settings) => (/^(?:hf_)?olmo$/i.test(architectureOf(settings)) ? 'layer' : undefined),
  normsBehind: (layer) =>
    layer.find(['input_layernorm.weight']) === undefined &&
    layer.find(['post_feedforward_layernorm.weight']) !== undefined,
  positional: (settings) => ({ interleaved: INTERLEAVED.test(architectureOf(settings)), base: 10_000 }),
  otherAttention(layer, settings) {
    if (layer.find(['self_attn.kv_a_proj_with_mqa.weight']) !== undefined)
      return 'has keys and values in a space of few dimensions (MLA), which is not compared';
    if (!TURNED_SOMEWHERE.test(architectureOf(settings))) return undefined;
    return 'is turned by positions in some layers only, and is not compared';
  },
  otherMlp: (_, settings) =>
    /^gemma3n/i.test(architectureOf(settings))
      ? 'cuts off gates by how they are spread (Gemma 3n), which is no closed form'
      : undefined,
  fromOne: (settings) => FROM_ONE.test(architectureOf(settings)),
};

/** The same with queries, keys and values in one matrix, or gate and up in another: Phi-3, GLM-4. */
export const phi3: Layout = {
  ...llama,
  name: 'phi3',
  signs: ['self_attn.qkv_proj', 'mlp.gate_up_proj'],
  attention: { ...llama.attention, packed: ['self_attn.qkv_proj'] },
  mlp: { up: ['mlp.gate_up_proj'], down: ['mlp.down_proj'], packed: ['mlp.gate_up_proj'] },
};

/** Llama's own checkpoints and Mistral's, and the files of llama2.c. */
export const meta: Layout = {
  ...llama,
  name: 'meta',
  layer: /^(?:model\.)?layers\.(\d+)\.(.+)$/,
  signs: ['attention.wq', 'feed_forward.w1', 'feed_forward.experts.0.w1'],
  attention: {
    query: ['attention.wq'],
    key: ['attention.wk'],
    value: ['attention.wv'],
    output: ['attention.wo'],
  },
  mlp: { gate: ['feed_forward.w1'], up: ['feed_forward.w3'], down: ['feed_forward.w2'] },
  experts: {
    router: ['feed_forward.gate', 'block_sparse_moe.gate'],
    each: {
      gate: ['feed_forward.experts.{E}.w1', 'block_sparse_moe.experts.{E}.w1'],
      up: ['feed_forward.experts.{E}.w3', 'block_sparse_moe.experts.{E}.w3'],
      down: ['feed_forward.experts.{E}.w2', 'block_sparse_moe.experts.{E}.w2'],
    },
  },
  attentionNorm: ['attention_norm'],
  mlpNorm: ['ffn_norm'],
  behindAttention: [],
  behindMlp: [],
  embedding: ['tok_embeddings', 'model.tok_embeddings'],
  finalNorm: ['norm', 'model.norm'],
  unembedding: ['output', 'model.output'],
  bareNorm: () => undefined,
  norm: 'rms',
  positional: { interleaved: true, base: 10_000 },
  activation: 'silu',
  fromOne: () => false,
};

/** InternLM 2: the same names, queries group by group before their key and value, and halves of a head turned together. */
export const internlm2: Layout = {
  ...meta,
  name: 'internlm2',
  signs: ['attention.wqkv'],
  attention: { packed: ['attention.wqkv'], output: ['attention.wo'] },
  packing: byGroup,
  positional: { interleaved: false, base: 10_000 },
};
