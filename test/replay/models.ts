import { type Random, random } from '../support/random.js';
import type { SmallLayer } from '../support/transformers.js';
import type { SmallTransformer } from '../support/whole_transformers.js';

/* Small networks that look like trained ones, in numbers of single precision. */

export interface Sizes {
  readonly d: number;
  readonly heads: number;
  readonly groups: number;
  /** Of a head. */
  readonly width: number;
  readonly units: number;
  readonly tokens: number;
  readonly layers: number;
  /** Learned ones. */
  readonly positions: number;
}

/** As Llama 3 and its like: heads that share keys. */
export const SHARED: Sizes = { d: 64, heads: 8, groups: 4, width: 8, units: 96, tokens: 40, layers: 3, positions: 16 };
/** As GPT-2 and GPT-NeoX: a key for every head. */
export const PLAIN: Sizes = { ...SHARED, d: 32, heads: 4, groups: 4, units: 128 };

/**
 * A matrix as training leaves them: some directions are strong, rows and columns have norms of their own.
 * @param scale of an output, where inputs have variance 1
 */
export function trainedMatrix({ normal }: Random, rows: number, columns: number, scale = 1): Float64Array {
  const strong = Array.from({ length: 3 }, (_, i) => ({
    u: Array.from({ length: rows }, () => normal()),
    v: Array.from({ length: columns }, () => normal()),
    s: 0.6 / (i + 1),
  }));
  const [ofRow, ofColumn] = [rows, columns].map((count) =>
    Array.from({ length: count }, () => Math.exp(0.25 * normal())),
  );
  const unit = scale / Math.sqrt(columns);
  return Float64Array.from({ length: rows * columns }, (_, at) => {
    const [i, j] = [Math.floor(at / columns), at % columns];
    const along = strong.reduce((sum, { u, v, s }) => sum + s * u[i] * v[j], 0);
    return Math.fround(unit * ofRow[i] * ofColumn[j] * (0.7 * normal() + along));
  });
}

/** Around `middle`, a few far from it, none near zero. */
export function trainedGains({ normal, uniform }: Random, count: number, middle = 1): Float64Array {
  return Float64Array.from({ length: count }, () => {
    const outlier = uniform() < 0.05 ? 2 : 1;
    return Math.fround(middle * outlier * Math.exp(0.2 * normal()));
  });
}

const trainedBiases = ({ normal }: Random, count: number, scale = 0.1): Float64Array =>
  Float64Array.from({ length: count }, () => Math.fround(scale * normal()));

function trainedLayer(draw: Random, sizes: Sizes, embedding: Float64Array): SmallLayer {
  const { d, heads, groups, width, units } = sizes;
  return {
    ...{ d, heads, groups, width, units },
    query: trainedMatrix(draw, heads * width, d),
    key: trainedMatrix(draw, groups * width, d),
    value: trainedMatrix(draw, groups * width, d),
    output: trainedMatrix(draw, d, heads * width, 0.5),
    queryBias: trainedBiases(draw, heads * width),
    // Those of Qwen's keys are large.
    keyBias: trainedBiases(draw, groups * width, 2),
    valueBias: trainedBiases(draw, groups * width),
    outputBias: trainedBiases(draw, d),
    gate: trainedMatrix(draw, units, d),
    up: trainedMatrix(draw, units, d),
    down: trainedMatrix(draw, d, units, 0.5),
    upBias: trainedBiases(draw, units),
    downBias: trainedBiases(draw, d),
    gains: [trainedGains(draw, d, 0.7), trainedGains(draw, d)],
    shifts: [trainedBiases(draw, d), trainedBiases(draw, d)],
    embedding,
  };
}

const known = new Map<string, SmallTransformer>();

/** A network of its own for every seed. Scenarios share it: nobody writes into its numbers. */
export function trained(seed: number, sizes: Sizes = SHARED): SmallTransformer {
  const key = JSON.stringify([seed, sizes]);
  const network = known.get(key) ?? drawn(seed, sizes);
  known.set(key, network);
  return network;
}

function drawn(seed: number, sizes: Sizes): SmallTransformer {
  const draw = random(seed);
  const { d, heads, groups, width, tokens, positions } = sizes;
  const embedding = trainedMatrix(draw, tokens, d, 2);
  const layers = Array.from({ length: sizes.layers }, () => trainedLayer(draw, sizes, embedding));
  const gains = (count: number) => trainedGains(draw, count);
  return {
    layers,
    embedding,
    unembedding: trainedMatrix(draw, tokens, d),
    unembeddingBias: trainedBiases(draw, tokens),
    positions: trainedMatrix(draw, positions, d, 0.5),
    gain: trainedGains(draw, d, 1.5),
    shift: trainedBiases(draw, d),
    behind: layers.map(() => [gains(d), gains(d)] as const),
    inner: layers.map(() => [gains(width), gains(width)] as const),
    innerWhole: layers.map(() => [gains(heads * width), gains(groups * width)] as const),
  };
}

/** The settings of such a network, as config.json of Llama has them. */
export function configOf(sizes: Sizes = SHARED, more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    ...{ model_type: 'llama', hidden_size: sizes.d, num_hidden_layers: sizes.layers, vocab_size: sizes.tokens },
    ...{ num_attention_heads: sizes.heads, num_key_value_heads: sizes.groups, intermediate_size: sizes.units },
    ...{ hidden_act: 'silu', rms_norm_eps: 1e-5, rope_theta: 500_000, max_position_embeddings: 2048 },
    ...{ tie_word_embeddings: false, attention_bias: false },
    ...more,
  };
}

/** As GPT-2 has them. */
export function gptConfigOf({ d, heads, layers, tokens, positions }: Sizes = PLAIN): Record<string, unknown> {
  return {
    ...{ model_type: 'gpt2', n_embd: d, n_head: heads, n_layer: layers, vocab_size: tokens, n_positions: positions },
    ...{ activation_function: 'gelu_new', layer_norm_epsilon: 1e-5 },
  };
}

/** As GPT-NeoX has them. */
export function neoxConfigOf({ d, heads, layers, tokens, units }: Sizes = PLAIN): Record<string, unknown> {
  return {
    ...{ model_type: 'gpt_neox', hidden_size: d, num_attention_heads: heads, num_hidden_layers: layers },
    ...{ vocab_size: tokens, intermediate_size: units, hidden_act: 'gelu', rotary_pct: 0.5, rotary_emb_base: 10_000 },
    ...{ layer_norm_eps: 1e-5, use_parallel_residual: true, tie_word_embeddings: false },
  };
}

/** Numbers as metadata of a GGUF file of this architecture. */
export function metadataOf(sizes: Sizes = SHARED, architecture = 'llama'): Record<string, string | number> {
  const own = (key: string) => `${architecture}.${key}`;
  return {
    'general.architecture': architecture,
    [own('block_count')]: sizes.layers,
    [own('context_length')]: 2048,
    [own('embedding_length')]: sizes.d,
    [own('feed_forward_length')]: sizes.units,
    [own('attention.head_count')]: sizes.heads,
    [own('attention.head_count_kv')]: sizes.groups,
    [own('attention.key_length')]: sizes.width,
    [own('attention.layer_norm_rms_epsilon')]: 1e-5,
    [own('rope.freq_base')]: 500_000,
  };
}
