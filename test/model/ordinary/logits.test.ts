import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { evaluate } from '../../../lib/evaluation/evaluate.js';
import { writeSafetensors } from '../../../lib/formats/safetensors/write.js';
import { loadModel } from '../../../lib/model/reading/load.js';
import { similarity } from '../../../lib/similarity/similarity.js';
import { availableBackends } from '../../support/backends.js';
import { difference } from '../../support/forward.js';
import { logitsOf, type Program } from '../../support/transformer_loops.js';
import type { Given } from '../../support/transformers.js';
import {
  asBloom,
  asGguf,
  asGpt2,
  asGptJ,
  asLens,
  asLlama,
  asMeta,
  asNeox,
  asPhi,
  asPhi3,
  type SmallTransformer,
  smallTransformer,
} from '../../support/whole_transformers.js';

/* Files of many layouts against the loops that their papers say, with what their config.json or metadata tell. */

const silu = (u: number) => u / (1 + Math.exp(-u));
const geluTanh = (u: number) => 0.5 * u * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (u + 0.044715 * u ** 3)));
const relu = (u: number) => Math.max(u, 0);

const N = 6;
const INPUTS = [
  [0, 1, 2, 3, 4, 0],
  [4, 4, 1, 3, 2, 2],
];
const SHARED = smallTransformer(1, 2);
const PLAIN = smallTransformer(2, 4);

const LLAMA: Program = { norm: 'rms', epsilon: 1e-5, activation: silu, gated: true, rotary: [4, 10_000] };
const HEADS = { num_attention_heads: 4, num_key_value_heads: 2 };
const CONFIG = { ...HEADS, hidden_act: 'silu', rms_norm_eps: 1e-5 };
const GPT: Program = { norm: 'layer', epsilon: 1e-5, activation: geluTanh, biases: true };
const METADATA = {
  ...{ 'general.architecture': 'llama', 'llama.attention.head_count': '4', 'llama.attention.head_count_kv': '2' },
  // 0.00001 in float32, as such files have it.
  'llama.attention.layer_norm_rms_epsilon': '0.000009999999747378752',
};

interface Case {
  readonly network: SmallTransformer;
  readonly tensors: Given;
  readonly config?: Readonly<Record<string, unknown>>;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly program: Program;
  readonly family: string;
}

const CASES: Readonly<Record<string, Case>> = {
  Llama: { network: SHARED, tensors: asLlama(SHARED), config: CONFIG, program: LLAMA, family: 'llama' },
  'Llama, tied, with its scaled rotation': {
    network: SHARED,
    tensors: asLlama(SHARED, { tied: true }),
    config: { ...CONFIG, model_type: 'llama', rope_scaling: { type: 'linear', factor: 4 }, rope_theta: 500 },
    program: { ...LLAMA, rotary: [4, 500, 4], tied: true },
    family: 'llama',
  },
  'Mistral, with a window': {
    network: SHARED,
    tensors: asLlama(SHARED),
    config: { ...CONFIG, model_type: 'mistral', sliding_window: 3 },
    program: { ...LLAMA, window: () => 3 },
    family: 'llama',
  },
  'Qwen 2, with biases': {
    network: SHARED,
    tensors: asLlama(SHARED, { biases: true }),
    config: { ...CONFIG, model_type: 'qwen2', sliding_window: 2, use_sliding_window: false },
    program: { ...LLAMA, biases: 'attention' },
    family: 'llama',
  },
  'Qwen 3, with norms of every head': {
    network: SHARED,
    tensors: asLlama(SHARED, { innerNorms: 'head' }),
    config: { ...CONFIG, model_type: 'qwen3', sliding_window: null },
    program: { ...LLAMA, innerNorms: 'head' },
    family: 'llama',
  },
  'OLMo 2, with norms behind': {
    network: SHARED,
    tensors: asLlama(SHARED, { norms: 'behind', innerNorms: 'all' }),
    config: { ...CONFIG, model_type: 'olmo2' },
    program: { ...LLAMA, norms: 'behind', innerNorms: 'all' },
    family: 'llama',
  },
  'Gemma 2': {
    network: SHARED,
    tensors: asLlama(SHARED, { norms: 'around', tied: true }),
    config: {
      ...{ ...HEADS, model_type: 'gemma2', hidden_activation: 'gelu_pytorch_tanh', rms_norm_eps: 1e-6 },
      ...{ sliding_window: 2, query_pre_attn_scalar: 9, attn_logit_softcapping: 2, final_logit_softcapping: null },
    },
    program: {
      ...{ norm: 'rms', epsilon: 1e-6, activation: geluTanh, gated: true, rotary: [4, 10_000], tied: true },
      ...{ norms: 'around', offset: 1, embeddingFactor: Math.sqrt(12), scale: 1 / 3, softcap: 2 },
      window: (layer) => (layer === 0 ? 2 : 9),
    },
    family: 'llama',
  },
  'Phi 3': {
    network: SHARED,
    tensors: asPhi3(SHARED),
    config: { ...CONFIG, model_type: 'phi3', sliding_window: 100 },
    program: LLAMA,
    family: 'phi3',
  },
  "Meta's Llama": {
    network: SHARED,
    tensors: asMeta(SHARED),
    metadata: { n_heads: '4', n_kv_heads: '2' },
    program: LLAMA,
    family: 'meta',
  },
  GGUF: { network: SHARED, tensors: asGguf(SHARED), metadata: METADATA, program: LLAMA, family: 'gguf' },
  'GPT-2, inputs by outputs': {
    network: PLAIN,
    tensors: asGpt2(PLAIN, true),
    config: { n_head: 4, activation_function: 'gelu_new', n_ctx: 8 },
    program: { ...GPT, learned: true, tied: true },
    family: 'gpt2',
  },
  'GPT-2, outputs by inputs': {
    network: PLAIN,
    tensors: asGpt2(PLAIN, false),
    config: { n_head: 4, activation_function: 'gelu_new', layer_norm_epsilon: 1e-5 },
    program: { ...GPT, learned: true, tied: true },
    family: 'gpt2',
  },
  'GPT-NeoX': {
    network: PLAIN,
    tensors: asNeox(PLAIN),
    config: { num_attention_heads: 4, hidden_act: 'relu', rotary_pct: 0.5, layer_norm_eps: 1e-3 },
    program: { ...GPT, activation: relu, epsilon: 1e-3, rotary: [2, 10_000], parallel: true },
    family: 'gpt_neox',
  },
  'GPT-NeoX, one block after the other': {
    network: PLAIN,
    tensors: asNeox(PLAIN),
    config: { num_attention_heads: 4, hidden_act: 'relu', rotary_pct: 1, use_parallel_residual: false },
    program: { ...GPT, activation: relu, rotary: [4, 10_000] },
    family: 'gpt_neox',
  },
  'Phi 2': {
    network: SHARED,
    tensors: asPhi(SHARED),
    config: { ...HEADS, hidden_act: 'gelu_new', partial_rotary_factor: 0.5 },
    program: { ...GPT, rotary: [2, 10_000], parallel: true, norms: 'once', lastBias: true },
    family: 'phi',
  },
  'GPT-J': {
    network: PLAIN,
    tensors: asGptJ(PLAIN),
    config: { n_head: 4, activation_function: 'gelu_new', rotary_dim: 4, model_type: 'gptj', n_positions: 2048 },
    program: { ...GPT, biases: 'mlp', rotary: [4, 10_000], parallel: true, norms: 'once', lastBias: true },
    family: 'gptj',
  },
  BLOOM: {
    network: PLAIN,
    tensors: asBloom(PLAIN),
    config: { n_head: 4, hidden_act: 'relu', model_type: 'bloom', apply_residual_connection_post_layernorm: false },
    program: { ...GPT, activation: relu, embeddingNorm: true, slopes: [1 / 4, 1 / 16, 1 / 64, 1 / 256], tied: true },
    family: 'bloom',
  },
  TransformerLens: {
    network: PLAIN,
    tensors: asLens(PLAIN, true),
    config: { act_fn: 'relu' },
    program: { ...GPT, activation: relu, learned: true, lastBias: true },
    family: 'transformer_lens',
  },
  'TransformerLens, without norms': {
    network: PLAIN,
    tensors: asLens(PLAIN, false),
    config: { act_fn: 'relu', normalization_type: null, attn_scale: 5 },
    program: { ...GPT, norm: 'none', activation: relu, learned: true, lastBias: true, scale: 1 / 5 },
    family: 'transformer_lens',
  },
};

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tensim-whole-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function write(name: string, { tensors, config, metadata }: Omit<Case, 'network' | 'program' | 'family'>) {
  const own = join(folder, name);
  await mkdir(own, { recursive: true });
  const given = Object.entries(tensors).map(([key, [data, ...shape]]) => [key, { data, shape }] as const);
  await writeSafetensors(join(own, 'model.safetensors'), Object.fromEntries(given), metadata);
  if (config !== undefined) await writeFile(join(own, 'config.json'), JSON.stringify(config));
  return own;
}

test.each(Object.entries(CASES))('%s gives the logits that the loops give', async (name, one) => {
  const model = await loadModel(await write(name, one), { config: { context: N } });
  expect(model).toMatchObject({ family: one.family, inputShape: [N, 5], outputShape: [N, 5], degree: null });
  const expected = INPUTS.flatMap((tokens) => logitsOf(one.network, one.program, tokens).flat());
  for (const backend of availableBackends) {
    const { data } = await evaluate(model, INPUTS, { backend });
    expect(difference(data, expected)).toBeLessThan(1e-12);
  }
});

describe('one network in two layouts', () => {
  // Where the rows of a head are in another order, so are the sums over them.
  test.each([
    ['Llama', 'GGUF', 1e-13],
    ['Llama', "Meta's Llama", 1e-13],
    ["Meta's Llama", 'GGUF', 0],
    ['Llama', 'Phi 3', 0],
    ['GPT-2, inputs by outputs', 'GPT-2, outputs by inputs', 0],
  ])('%s and %s are the same function', async (one, other, most) => {
    const models = [];
    for (const name of [one, other])
      models.push(await loadModel(await write(`${name} again`, CASES[name]), { config: { context: N } }));
    const found = await similarity(models[0], models[1], { input: 'tokens', tolerance: 0.2 });
    expect(found).toMatchObject({ method: 'sampled', exact: false });
    expect(found.similarity).toBeCloseTo(1, 12);
    expect(found.distance).toBeLessThanOrEqual(most);
  });
});
