import { random } from '../support/random.js';
import { type Given, joined } from '../support/transformers.js';
import { asLlama, asNeox, type SmallTransformer } from '../support/whole_transformers.js';
import { renamed } from './edit.js';
import { SHARED, type Sizes, trained, trainedMatrix } from './models.js';

/* Names and packings of the field, beside those that whole_transformers.ts has. */

const OF_GGUF: readonly (readonly [from: RegExp, to: string])[] = [
  [/^model\.embed_tokens/, 'token_embd'],
  [/^model\.norm/, 'output_norm'],
  [/^lm_head/, 'output'],
  [/^model\.layers\.(\d+)\./, 'blk.$1.'],
  [/self_attn\.([qkv])_proj/, 'attn_$1'],
  [/self_attn\.o_proj/, 'attn_output'],
  [/mlp\.(gate|up|down)_proj/, 'ffn_$1'],
  [/input_layernorm/, 'attn_norm'],
  [/pre_feedforward_layernorm/, 'ffn_norm'],
  [/post_feedforward_layernorm/, 'post_ffw_norm'],
];

/** Names of llama.cpp for tensors of transformers, whose rows stay: Qwen 2, Gemma. */
export function asPlainGguf(tensors: Given): Given {
  const isAround = Object.keys(tensors).some((name) => name.includes('pre_feedforward'));
  return renamed(tensors, (name) =>
    [...OF_GGUF, [/post_attention_layernorm/, isAround ? 'post_attention_norm' : 'ffn_norm'] as const].reduce(
      (own, [from, to]) => own.replace(from, to),
      name,
    ),
  );
}

/** As llama.cpp has GPT-NeoX: queries, keys and values of all heads one after the other. */
export function asNeoxGguf(network: SmallTransformer): Given {
  const tensors: Given = {};
  for (const [name, given] of Object.entries(asNeox(network))) {
    const own = name
      .replace(/^gpt_neox\.layers\.(\d+)\./, 'blk.$1.')
      .replace('gpt_neox.embed_in', 'token_embd')
      .replace('gpt_neox.final_layer_norm', 'output_norm')
      .replace('embed_out', 'output')
      .replace('attention.query_key_value', 'attn_qkv')
      .replace('attention.dense', 'attn_output')
      .replace('mlp.dense_h_to_4h', 'ffn_up')
      .replace('mlp.dense_4h_to_h', 'ffn_down')
      .replace('input_layernorm', 'attn_norm')
      .replace('post_attention_layernorm', 'ffn_norm');
    tensors[own] = given;
  }
  for (const [number, one] of network.layers.entries()) {
    const rows = 3 * one.heads * one.width;
    tensors[`blk.${number}.attn_qkv.weight`] = [joined(one.query, one.key, one.value), rows, one.d];
    tensors[`blk.${number}.attn_qkv.bias`] = [joined(one.queryBias, one.keyBias, one.valueBias), rows];
  }
  return tensors;
}

/** The gains of Gemma are stored as what is added to 1, and it has norms around its blocks and no head. */
export function asGemma(network: SmallTransformer): Given {
  return Object.fromEntries(
    Object.entries(asLlama(network, { norms: 'around', tied: true })).map(([name, [data, ...shape]]) => [
      name,
      [name.includes('norm') ? data.map((gain) => Math.fround(gain - 1)) : data, ...shape],
    ]),
  );
}

export const gemmaConfig = (sizes: Sizes = SHARED): Record<string, unknown> => ({
  ...{ model_type: 'gemma2', hidden_size: sizes.d, num_hidden_layers: sizes.layers, vocab_size: sizes.tokens },
  ...{ num_attention_heads: sizes.heads, num_key_value_heads: sizes.groups, head_dim: sizes.width },
  ...{ intermediate_size: sizes.units, hidden_activation: 'gelu_pytorch_tanh', rms_norm_eps: 1e-6 },
  ...{ query_pre_attn_scalar: sizes.width, rope_theta: 10_000, tie_word_embeddings: true },
  ...{ attn_logit_softcapping: null, final_logit_softcapping: null, sliding_window: null },
});

/** One of the MLPs that a token may be given. */
interface Expert {
  readonly gate: Float64Array;
  readonly up: Float64Array;
  readonly down: Float64Array;
}

/** A network with experts in the place of its MLPs. */
export interface Mixture {
  readonly network: SmallTransformer;
  readonly sizes: Sizes;
  readonly routers: readonly Float64Array[];
  readonly experts: readonly (readonly Expert[])[];
}

export function trainedMixture(seed: number, count: number, sizes: Sizes = { ...SHARED, units: 24 }): Mixture {
  const draw = random(seed + 1);
  const { d, units } = sizes;
  const network = trained(seed, sizes);
  const expert = (): Expert => ({
    gate: trainedMatrix(draw, units, d),
    up: trainedMatrix(draw, units, d),
    down: trainedMatrix(draw, d, units, 0.5),
  });
  return {
    ...{ network, sizes },
    routers: network.layers.map(() => trainedMatrix(draw, count, d)),
    experts: network.layers.map(() => Array.from({ length: count }, expert)),
  };
}

const withoutMlps = (network: SmallTransformer): [name: string, given: Given[string]][] =>
  Object.entries(asLlama(network)).filter(([name]) => !name.includes('.mlp.'));

/** A matrix each. @param of which expert a number gets */
export function asSeparate({ network, routers, experts, sizes }: Mixture, of = (expert: number) => expert): Given {
  const { d, units } = sizes;
  const tensors: Given = Object.fromEntries(withoutMlps(network));
  for (const [number, own] of experts.entries()) {
    const before = `model.layers.${number}.block_sparse_moe.`;
    tensors[`${before}gate.weight`] = [routers[number], own.length, d];
    for (const expert of own.keys()) {
      const { gate, up, down } = own[of(expert)];
      tensors[`${before}experts.${expert}.w1.weight`] = [gate, units, d];
      tensors[`${before}experts.${expert}.w2.weight`] = [down, d, units];
      tensors[`${before}experts.${expert}.w3.weight`] = [up, units, d];
    }
  }
  return tensors;
}

/** (experts, 2 · units, d) of gate and up one behind the other, and (experts, d, units). */
export function asFused({ network, routers, experts, sizes }: Mixture): Given {
  const { d, units } = sizes;
  const tensors: Given = Object.fromEntries(withoutMlps(network));
  for (const [number, own] of experts.entries()) {
    const before = `model.layers.${number}.mlp.`;
    tensors[`${before}gate.weight`] = [routers[number], own.length, d];
    const gateUp = joined(...own.flatMap(({ gate, up }) => [gate, up]));
    tensors[`${before}experts.gate_up_proj`] = [gateUp, own.length, 2 * units, d];
    tensors[`${before}experts.down_proj`] = [joined(...own.map(({ down }) => down)), own.length, d, units];
  }
  return tensors;
}

export const mixtureConfig = ({ sizes, experts }: Mixture): Record<string, unknown> => ({
  ...{ model_type: 'mixtral', hidden_size: sizes.d, num_hidden_layers: sizes.layers, vocab_size: sizes.tokens },
  ...{ num_attention_heads: sizes.heads, num_key_value_heads: sizes.groups, intermediate_size: sizes.units },
  ...{ num_local_experts: experts[0].length, num_experts_per_tok: 2, hidden_act: 'silu', rms_norm_eps: 1e-5 },
  ...{ rope_theta: 1_000_000, tie_word_embeddings: false },
});

/** A diffusion transformer, whose names are of no layout that is known. */
export function trainedDiffusion(seed: number): Given {
  const draw = random(seed + 2);
  const d = 24;
  const matrix = (rows: number, columns: number): Given[string] => [trainedMatrix(draw, rows, columns), rows, columns];
  const vector = (rows: number): Given[string] => [trainedMatrix(draw, rows, 1, 0.1), rows];
  const tensors: Given = { 'pos_embed.proj.weight': matrix(d, 16), 'pos_embed.proj.bias': vector(d) };
  for (let block = 0; block < 3; block++) {
    const before = `transformer_blocks.${block}.`;
    for (const [name, rows, columns] of [
      ['norm1.linear', 6 * d, d],
      ['attn.to_q', d, d],
      ['attn.to_k', d, d],
      ['attn.to_v', d, d],
      ['attn.to_out.0', d, d],
      ['ff.net.0.proj', 4 * d, d],
      ['ff.net.2', d, 4 * d],
    ] as const) {
      tensors[`${before}${name}.weight`] = matrix(rows, columns);
      tensors[`${before}${name}.bias`] = vector(rows);
    }
  }
  return {
    ...tensors,
    'norm_out.linear.weight': matrix(2 * d, d),
    'norm_out.linear.bias': vector(2 * d),
    'proj_out.weight': matrix(16, d),
    'proj_out.bias': vector(16),
  };
}
