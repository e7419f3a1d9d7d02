import { random } from './random.js';
import { cut, type Given, joined, rowsOf, type SmallLayer, smallLayer, TOKENS, transposed } from './transformers.js';

/* Small whole transformers: their numbers, files of them in many layouts, and their logits by plain loops. */

export interface SmallTransformer {
  readonly layers: readonly SmallLayer[];
  readonly embedding: Float64Array;
  readonly unembedding: Float64Array;
  readonly unembeddingBias: Float64Array;
  /** (8, d). */
  readonly positions: Float64Array;
  readonly gain: Float64Array;
  readonly shift: Float64Array;
  /** Of every layer: gains behind attention and MLP, (d); of queries and keys, (width) and (heads · width). */
  readonly behind: readonly (readonly [Float64Array, Float64Array])[];
  readonly inner: readonly (readonly [Float64Array, Float64Array])[];
  readonly innerWhole: readonly (readonly [Float64Array, Float64Array])[];
}

export const LEARNED = 8;

export function smallTransformer(seed: number, groups: number, count = 2): SmallTransformer {
  const { normal } = random(1000 + seed);
  const layers = Array.from({ length: count }, (_, i) => smallLayer(10 * seed + i, groups));
  const [{ d, heads, width }] = layers;
  const draw = (size: number) => Float64Array.from({ length: size }, normal);
  const pairs = (one: number, other: number) => layers.map(() => [draw(one), draw(other)] as const);
  return {
    layers,
    embedding: draw(TOKENS * d),
    unembedding: draw(TOKENS * d),
    unembeddingBias: draw(TOKENS),
    positions: draw(LEARNED * d),
    gain: draw(d),
    shift: draw(d),
    behind: pairs(d, d),
    inner: pairs(width, width),
    innerWhole: pairs(heads * width, groups * width),
  };
}

/** A half-split head's rows so that neighbours are a plane. */
export const asPairs = (heads: number, width: number): number[] =>
  Array.from({ length: heads * width }, (_, row) => {
    const [head, within] = [Math.floor(row / width), row % width];
    return head * width + (within % 2) * (width / 2) + Math.floor(within / 2);
  });

type Matrix = readonly [data: Float64Array, ...shape: number[]];
type Named = Readonly<Record<string, Matrix>>;
const put = (tensors: Given, before: string, own: Named): void => {
  for (const [name, [data, ...shape]] of Object.entries(own)) tensors[before + name] = [data, ...shape];
};

/** As transformers names Llama: Mistral, Qwen, Gemma, OLMo. */
export function asLlama(
  { layers, embedding, unembedding, gain, behind, inner, innerWhole }: SmallTransformer,
  {
    tied = false,
    biases = false,
    norms = 'before',
    innerNorms,
  }: {
    readonly tied?: boolean;
    readonly biases?: boolean;
    readonly norms?: 'before' | 'around' | 'behind' | 'none';
    readonly innerNorms?: 'head' | 'all';
  } = {},
): Given {
  const [{ d }] = layers;
  const tensors: Given = { 'model.embed_tokens.weight': [embedding, embedding.length / d, d] };
  if (norms !== 'none') tensors['model.norm.weight'] = [gain, d];
  if (!tied) tensors['lm_head.weight'] = [unembedding, unembedding.length / d, d];
  for (const [number, one] of layers.entries()) {
    const { heads, groups, width, units, gains } = one;
    const [query, key] = innerNorms === 'head' ? inner[number] : innerWhole[number];
    put(tensors, `model.layers.${number}.`, {
      'self_attn.q_proj.weight': [one.query, heads * width, d],
      'self_attn.k_proj.weight': [one.key, groups * width, d],
      'self_attn.v_proj.weight': [one.value, groups * width, d],
      'self_attn.o_proj.weight': [one.output, d, heads * width],
      'mlp.gate_proj.weight': [one.gate, units, d],
      'mlp.up_proj.weight': [one.up, units, d],
      'mlp.down_proj.weight': [one.down, d, units],
      ...(biases && {
        'self_attn.q_proj.bias': [one.queryBias, heads * width] as const,
        'self_attn.k_proj.bias': [one.keyBias, groups * width] as const,
        'self_attn.v_proj.bias': [one.valueBias, groups * width] as const,
      }),
      ...(innerNorms && {
        'self_attn.q_norm.weight': [query, query.length] as const,
        'self_attn.k_norm.weight': [key, key.length] as const,
      }),
      ...(norms === 'before' && {
        'input_layernorm.weight': [gains[0], d] as const,
        'post_attention_layernorm.weight': [gains[1], d] as const,
      }),
      ...(norms === 'around' && {
        'input_layernorm.weight': [gains[0], d] as const,
        'pre_feedforward_layernorm.weight': [gains[1], d] as const,
      }),
      ...((norms === 'around' || norms === 'behind') && {
        'post_attention_layernorm.weight': [behind[number][0], d] as const,
        'post_feedforward_layernorm.weight': [behind[number][1], d] as const,
      }),
    });
  }
  return tensors;
}

/** The same tensors with queries, keys and values in one matrix, and gate and up in another. */
export function asPhi3(network: SmallTransformer): Given {
  const tensors = asLlama(network);
  for (const [number, { d, heads, groups, width, units, query, key, value, gate, up }] of network.layers.entries()) {
    const before = `model.layers.${number}.`;
    for (const name of ['q', 'k', 'v']) delete tensors[`${before}self_attn.${name}_proj.weight`];
    for (const name of ['gate', 'up']) delete tensors[`${before}mlp.${name}_proj.weight`];
    put(tensors, before, {
      'self_attn.qkv_proj.weight': [joined(query, key, value), (heads + 2 * groups) * width, d],
      'mlp.gate_up_proj.weight': [joined(gate, up), 2 * units, d],
    });
  }
  return tensors;
}

/** Renames what `asLlama` gives, with rows of queries and keys as interleaved rotations want them. */
function renamed(
  network: SmallTransformer,
  outside: Readonly<Record<string, string>>,
  within: Readonly<Record<string, string>>,
  layer: (number: string) => string,
): Given {
  const [{ d, width }] = network.layers;
  return Object.fromEntries(
    Object.entries(asLlama(network)).map(([name, [data, ...shape]]) => {
      const [, number, own] = /^model\.layers\.(\d+)\.(.+)\.weight$/.exec(name) ?? [];
      if (number === undefined) return [`${outside[name]}.weight`, [data, ...shape]];
      const isTurned = /[qk]_proj/.test(own);
      const rows = isTurned ? rowsOf(data, d, asPairs(shape[0] / width, width)) : data;
      return [`${layer(number)}${within[own]}.weight`, [rows, ...shape]];
    }),
  );
}

export const asMeta = (network: SmallTransformer): Given =>
  renamed(
    network,
    { 'model.embed_tokens.weight': 'tok_embeddings', 'model.norm.weight': 'norm', 'lm_head.weight': 'output' },
    {
      ...{ 'self_attn.q_proj': 'attention.wq', 'self_attn.k_proj': 'attention.wk' },
      ...{ 'self_attn.v_proj': 'attention.wv', 'self_attn.o_proj': 'attention.wo' },
      ...{ 'mlp.gate_proj': 'feed_forward.w1', 'mlp.up_proj': 'feed_forward.w3', 'mlp.down_proj': 'feed_forward.w2' },
      ...{ input_layernorm: 'attention_norm', post_attention_layernorm: 'ffn_norm' },
    },
    (number) => `layers.${number}.`,
  );

/** Of the architecture llama, whose rows are interleaved. */
export const asGguf = (network: SmallTransformer): Given =>
  renamed(
    network,
    { 'model.embed_tokens.weight': 'token_embd', 'model.norm.weight': 'output_norm', 'lm_head.weight': 'output' },
    {
      ...{ 'self_attn.q_proj': 'attn_q', 'self_attn.k_proj': 'attn_k' },
      ...{ 'self_attn.v_proj': 'attn_v', 'self_attn.o_proj': 'attn_output' },
      ...{ 'mlp.gate_proj': 'ffn_gate', 'mlp.up_proj': 'ffn_up', 'mlp.down_proj': 'ffn_down' },
      ...{ input_layernorm: 'attn_norm', post_attention_layernorm: 'ffn_norm' },
    },
    (number) => `blk.${number}.`,
  );

/** GPT-2, as inputs by outputs (`conv`) or outputs by inputs. */
export function asGpt2(network: SmallTransformer, conv: boolean): Given {
  const { layers, embedding, positions, gain, shift } = network;
  const [{ d }] = layers;
  const matrix = (data: Float64Array, out: number, inner: number): Matrix =>
    conv ? [transposed(data, out, inner), inner, out] : [data, out, inner];
  const tensors: Given = {
    'transformer.wte.weight': [embedding, embedding.length / d, d],
    'transformer.wpe.weight': [positions, positions.length / d, d],
    'transformer.ln_f.weight': [gain, d],
    'transformer.ln_f.bias': [shift, d],
  };
  for (const [number, one] of layers.entries()) {
    const { heads, width, units, gains, shifts } = one;
    const rows = heads * width;
    put(tensors, `transformer.h.${number}.`, {
      'attn.c_attn.weight': matrix(joined(one.query, one.key, one.value), 3 * rows, d),
      'attn.c_attn.bias': [joined(one.queryBias, one.keyBias, one.valueBias), 3 * rows],
      'attn.c_proj.weight': matrix(one.output, d, rows),
      'attn.c_proj.bias': [one.outputBias, d],
      'mlp.c_fc.weight': matrix(one.up, units, d),
      'mlp.c_fc.bias': [one.upBias, units],
      'mlp.c_proj.weight': matrix(one.down, d, units),
      'mlp.c_proj.bias': [one.downBias, d],
      'ln_1.weight': [gains[0], d],
      'ln_1.bias': [shifts[0], d],
      'ln_2.weight': [gains[1], d],
      'ln_2.bias': [shifts[1], d],
    });
  }
  return tensors;
}

/** GPT-NeoX, head by head in one matrix. */
export function asNeox({ layers, embedding, unembedding, gain, shift }: SmallTransformer): Given {
  const [{ d }] = layers;
  const tensors: Given = {
    'gpt_neox.embed_in.weight': [embedding, embedding.length / d, d],
    'embed_out.weight': [unembedding, unembedding.length / d, d],
    'gpt_neox.final_layer_norm.weight': [gain, d],
    'gpt_neox.final_layer_norm.bias': [shift, d],
  };
  for (const [number, one] of layers.entries()) {
    const { heads, width, units, gains, shifts } = one;
    const rows = heads * width;
    const byHead = (columns: number, ...parts: readonly Float64Array[]) =>
      joined(
        ...Array.from({ length: heads }, (_, h) =>
          joined(...parts.map((part) => cut(part, columns, h * width, (h + 1) * width))),
        ),
      );
    put(tensors, `gpt_neox.layers.${number}.`, {
      'attention.query_key_value.weight': [byHead(d, one.query, one.key, one.value), 3 * rows, d],
      'attention.query_key_value.bias': [byHead(1, one.queryBias, one.keyBias, one.valueBias), 3 * rows],
      'attention.dense.weight': [one.output, d, rows],
      'attention.dense.bias': [one.outputBias, d],
      'mlp.dense_h_to_4h.weight': [one.up, units, d],
      'mlp.dense_h_to_4h.bias': [one.upBias, units],
      'mlp.dense_4h_to_h.weight': [one.down, d, units],
      'mlp.dense_4h_to_h.bias': [one.downBias, d],
      'input_layernorm.weight': [gains[0], d],
      'input_layernorm.bias': [shifts[0], d],
      'post_attention_layernorm.weight': [gains[1], d],
      'post_attention_layernorm.bias': [shifts[1], d],
    });
  }
  return tensors;
}

/** Phi-2: one norm for both blocks, and a bias behind all. */
export function asPhi({ layers, embedding, unembedding, unembeddingBias, gain, shift }: SmallTransformer): Given {
  const [{ d }] = layers;
  const tensors: Given = {
    'model.embed_tokens.weight': [embedding, embedding.length / d, d],
    'lm_head.weight': [unembedding, unembedding.length / d, d],
    'lm_head.bias': [unembeddingBias, unembeddingBias.length],
    'model.final_layernorm.weight': [gain, d],
    'model.final_layernorm.bias': [shift, d],
  };
  for (const [number, one] of layers.entries()) {
    const { heads, groups, width, units, gains, shifts } = one;
    put(tensors, `model.layers.${number}.`, {
      'self_attn.q_proj.weight': [one.query, heads * width, d],
      'self_attn.q_proj.bias': [one.queryBias, heads * width],
      'self_attn.k_proj.weight': [one.key, groups * width, d],
      'self_attn.k_proj.bias': [one.keyBias, groups * width],
      'self_attn.v_proj.weight': [one.value, groups * width, d],
      'self_attn.v_proj.bias': [one.valueBias, groups * width],
      'self_attn.dense.weight': [one.output, d, heads * width],
      'self_attn.dense.bias': [one.outputBias, d],
      'mlp.fc1.weight': [one.up, units, d],
      'mlp.fc1.bias': [one.upBias, units],
      'mlp.fc2.weight': [one.down, d, units],
      'mlp.fc2.bias': [one.downBias, d],
      'input_layernorm.weight': [gains[0], d],
      'input_layernorm.bias': [shifts[0], d],
    });
  }
  return tensors;
}

/** TransformerLens, with norms or without. */
export function asLens(network: SmallTransformer, norms: boolean): Given {
  const { layers, embedding, unembedding, unembeddingBias, positions, gain, shift } = network;
  const [{ d }] = layers;
  const tensors: Given = {
    'embed.W_E': [embedding, embedding.length / d, d],
    'pos_embed.W_pos': [positions, positions.length / d, d],
    'unembed.W_U': [transposed(unembedding, unembeddingBias.length, d), d, unembeddingBias.length],
    'unembed.b_U': [unembeddingBias, unembeddingBias.length],
    ...(norms && { 'ln_final.w': [gain, d], 'ln_final.b': [shift, d] }),
  };
  for (const [number, one] of layers.entries()) {
    const { heads, width, units, gains, shifts } = one;
    const apart = (data: Float64Array) =>
      joined(
        ...Array.from({ length: heads }, (_, h) => transposed(cut(data, d, h * width, (h + 1) * width), width, d)),
      );
    put(tensors, `blocks.${number}.`, {
      'attn.W_Q': [apart(one.query), heads, d, width],
      'attn.W_K': [apart(one.key), heads, d, width],
      'attn.W_V': [apart(one.value), heads, d, width],
      'attn.W_O': [transposed(one.output, d, heads * width), heads, width, d],
      'attn.b_Q': [one.queryBias, heads, width],
      'attn.b_K': [one.keyBias, heads, width],
      'attn.b_V': [one.valueBias, heads, width],
      'attn.b_O': [one.outputBias, d],
      'mlp.W_in': [transposed(one.up, units, d), d, units],
      'mlp.b_in': [one.upBias, units],
      'mlp.W_out': [transposed(one.down, d, units), units, d],
      'mlp.b_out': [one.downBias, d],
      ...(norms && {
        'ln1.w': [gains[0], d] as const,
        'ln1.b': [shifts[0], d] as const,
        'ln2.w': [gains[1], d] as const,
        'ln2.b': [shifts[1], d] as const,
      }),
    });
  }
  return tensors;
}

/** GPT-J: as Phi-2, of which neighbouring rows turn together, and attention has no biases. */
export function asGptJ(network: SmallTransformer): Given {
  const { layers, embedding, unembedding, unembeddingBias, gain, shift } = network;
  const [{ d }] = layers;
  const tensors: Given = {
    'transformer.wte.weight': [embedding, embedding.length / d, d],
    'lm_head.weight': [unembedding, unembedding.length / d, d],
    'lm_head.bias': [unembeddingBias, unembeddingBias.length],
    'transformer.ln_f.weight': [gain, d],
    'transformer.ln_f.bias': [shift, d],
  };
  for (const [number, one] of layers.entries()) {
    const { heads, width, units, gains, shifts } = one;
    const turned = (data: Float64Array) => rowsOf(data, d, asPairs(heads, width));
    put(tensors, `transformer.h.${number}.`, {
      'attn.q_proj.weight': [turned(one.query), heads * width, d],
      'attn.k_proj.weight': [turned(one.key), heads * width, d],
      'attn.v_proj.weight': [one.value, heads * width, d],
      'attn.out_proj.weight': [one.output, d, heads * width],
      'mlp.fc_in.weight': [one.up, units, d],
      'mlp.fc_in.bias': [one.upBias, units],
      'mlp.fc_out.weight': [one.down, d, units],
      'mlp.fc_out.bias': [one.downBias, d],
      'ln_1.weight': [gains[0], d],
      'ln_1.bias': [shifts[0], d],
    });
  }
  return tensors;
}

/** BLOOM: the matrices of GPT-NeoX, a norm behind the embedding, and ALiBi. */
export function asBloom(network: SmallTransformer): Given {
  const [{ d }] = network.layers;
  const tensors: Given = {
    'word_embeddings.weight': [network.embedding, network.embedding.length / d, d],
    'word_embeddings_layernorm.weight': [network.behind[0][0], d],
    'word_embeddings_layernorm.bias': [network.behind[0][1], d],
  };
  for (const [name, tensor] of Object.entries(asNeox(network))) {
    const layer = /^gpt_neox\.layers\.(.+)$/.exec(name)?.[1].replace('attention.', 'self_attention.');
    if (layer !== undefined) tensors[`h.${layer}`] = tensor;
    else if (name.includes('final_layer_norm')) tensors[name.replace('gpt_neox.final_layer_norm', 'ln_f')] = tensor;
  }
  return tensors;
}
