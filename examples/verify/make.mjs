// node examples/verify/make.mjs [FOLDER]: small networks for three stories of docs/guide/verify.md, a merge, a conversion and a
// quantisation, each done rightly and done as it goes wrong in practice. They are drawn at random, the same on every machine.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { argv } from 'node:process';
import { tensor, writeSafetensors } from 'tensim';
import { float32, GGUF_F32, GGUF_Q4_0, ggufFile, toQ4 } from './gguf.mjs';

const folder = argv[2] ?? 'report/verify';
const [width, heads, groups, units, tokens, layers] = [64, 4, 2, 192, 96, 4];
const size = width / heads;
const config = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_size: width,
  num_attention_heads: heads,
  num_key_value_heads: groups,
  num_hidden_layers: layers,
  intermediate_size: units,
  vocab_size: tokens,
  max_position_embeddings: 256,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  hidden_act: 'silu',
  tie_word_embeddings: false,
};

/** Numbers in −0.5 … 0.5 (mulberry32). */
function drawn(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32 - 0.5;
  };
}

const draw = drawn(1);
const matrix = (rows, columns, scale = 1) => ({
  shape: [rows, columns],
  data: Float32Array.from({ length: rows * columns }, () => (scale * (draw() + draw() + draw())) / Math.sqrt(columns)),
});
const gain = () => ({ shape: [width], data: Float32Array.from({ length: width }, () => 1 + 0.2 * draw()) });

/** The network as transformers names it. */
function network() {
  const tensors = { 'model.embed_tokens.weight': matrix(tokens, width) };
  for (let layer = 0; layer < layers; layer++)
    Object.assign(tensors, {
      [`model.layers.${layer}.input_layernorm.weight`]: gain(),
      [`model.layers.${layer}.self_attn.q_proj.weight`]: matrix(width, width),
      [`model.layers.${layer}.self_attn.k_proj.weight`]: matrix(groups * size, width),
      [`model.layers.${layer}.self_attn.v_proj.weight`]: matrix(groups * size, width),
      [`model.layers.${layer}.self_attn.o_proj.weight`]: matrix(width, width),
      [`model.layers.${layer}.post_attention_layernorm.weight`]: gain(),
      [`model.layers.${layer}.mlp.gate_proj.weight`]: matrix(units, width),
      [`model.layers.${layer}.mlp.up_proj.weight`]: matrix(units, width),
      [`model.layers.${layer}.mlp.down_proj.weight`]: matrix(width, units),
    });
  return { ...tensors, 'model.norm.weight': gain(), 'lm_head.weight': matrix(tokens, width) };
}

async function writeNetwork(name, tensors, dtype = 'F32') {
  mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, name, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
  await writeWeights(join(folder, name, 'model.safetensors'), tensors, dtype);
}

const writeWeights = (file, tensors, dtype) =>
  writeSafetensors(
    file,
    Object.fromEntries(Object.entries(tensors).map(([name, { data, shape }]) => [name, tensor(data, shape)])),
    { format: 'pt' },
    { dtype },
  );

/** An adapter of rank 8 for queries and values, with α = 16: it is added twice, α / r. */
async function writeAdapter(name) {
  const [rank, alpha] = [8, 16];
  const factors = {};
  for (let layer = 0; layer < layers; layer++)
    for (const [module, rows] of [
      ['q_proj', width],
      ['v_proj', groups * size],
    ]) {
      const place = `base_model.model.model.layers.${layer}.self_attn.${module}`;
      factors[`${place}.lora_A.weight`] = matrix(rank, width, 0.3);
      factors[`${place}.lora_B.weight`] = matrix(rows, rank, 0.3);
    }
  mkdirSync(join(folder, name), { recursive: true });
  const settings = { peft_type: 'LORA', r: rank, lora_alpha: alpha, target_modules: ['q_proj', 'v_proj'] };
  writeFileSync(join(folder, name, 'adapter_config.json'), `${JSON.stringify(settings, null, 2)}\n`);
  await writeWeights(join(folder, name, 'adapter_model.safetensors'), factors, 'F32');
  return factors;
}

/** What it is with B A of an adapter added so many times. */
function merged(tensors, factors, scaleOf) {
  const sum = { ...tensors };
  for (const [place, up] of Object.entries(factors)) {
    if (!place.endsWith('.lora_B.weight')) continue;
    const down = factors[place.replace('lora_B', 'lora_A')];
    const name = place.replace('base_model.model.', '').replace('.lora_B', '');
    const { data, shape } = tensors[name];
    const [rank, columns] = down.shape;
    const own = data.map((value, at) => {
      const [row, column] = [Math.floor(at / columns), at % columns];
      let change = 0;
      for (let r = 0; r < rank; r++) change += up.data[row * rank + r] * down.data[r * columns + column];
      return value + scaleOf(name) * change;
    });
    sum[name] = { data: own, shape };
  }
  return sum;
}

/** Rows of heads, halves of each put next to each other, as llama.cpp has them turned by positions. */
function interleaved({ data, shape: [rows, columns] }, count) {
  const of = rows / count;
  const moved = new Float32Array(data.length);
  for (let row = 0; row < rows; row++) {
    const [head, within] = [Math.floor(row / of), row % of];
    const from = head * of + (within % 2) * (of / 2) + Math.floor(within / 2);
    moved.set(data.subarray(from * columns, (from + 1) * columns), row * columns);
  }
  return { data: moved, shape: [rows, columns] };
}

const GGUF_NAMES = [
  [/^model\.embed_tokens\./, 'token_embd.'],
  [/^model\.norm\./, 'output_norm.'],
  [/^lm_head\./, 'output.'],
  [/^model\.layers\.(\d+)\./, 'blk.$1.'],
  ['self_attn.q_proj', 'attn_q'],
  ['self_attn.k_proj', 'attn_k'],
  ['self_attn.v_proj', 'attn_v'],
  ['self_attn.o_proj', 'attn_output'],
  ['mlp.gate_proj', 'ffn_gate'],
  ['mlp.up_proj', 'ffn_up'],
  ['mlp.down_proj', 'ffn_down'],
  ['input_layernorm', 'attn_norm'],
  ['post_attention_layernorm', 'ffn_norm'],
];

/** The network as llama.cpp keeps it. `headsOfKeys` is how many heads the converter takes the keys for. */
function writeGguf(name, tensors, { headsOfKeys = groups, quantise } = {}) {
  const stored = Object.entries(tensors).map(([tensorName, given]) => {
    const renamed = GGUF_NAMES.reduce((text, [from, to]) => text.replace(from, to), tensorName);
    const count = { attn_q: heads, attn_k: headsOfKeys }[renamed.split('.')[2]];
    const { data, shape } = count === undefined ? given : interleaved(given, count);
    const isQuantised =
      quantise !== undefined && /^blk\..*\.(attn_[qkvo]|attn_output|ffn_(gate|up|down))\.weight$/.test(renamed);
    const type = isQuantised ? GGUF_Q4_0 : GGUF_F32;
    return { name: renamed, shape, type, bytes: isQuantised ? quantise(renamed, data) : float32(data) };
  });
  const settings = {
    'general.architecture': 'llama',
    'llama.block_count': layers,
    'llama.context_length': config.max_position_embeddings,
    'llama.embedding_length': width,
    'llama.feed_forward_length': units,
    'llama.attention.head_count': heads,
    'llama.attention.head_count_kv': groups,
    'llama.rope.dimension_count': size,
    'llama.rope.freq_base': { float: config.rope_theta },
    'llama.attention.layer_norm_rms_epsilon': { float: config.rms_norm_eps },
  };
  writeFileSync(join(folder, name), ggufFile(settings, stored));
}

const base = network();
await writeNetwork('base', base);

// A merge: as it should be, in bfloat16; saved from before the merge; and with α where α / r belongs, in two layers.
const factors = await writeAdapter('lora');
await writeNetwork(
  'merged',
  merged(base, factors, () => 2),
  'BF16',
);
await writeNetwork('left', base, 'BF16');
await writeNetwork(
  'scaled',
  merged(base, factors, (name) => (/layers\.[23]\./.test(name) ? 16 : 2)),
  'BF16',
);

// A conversion: as it should be; and with the keys' rows moved as if there were as many heads of keys as of queries.
writeGguf('model.gguf', base);
writeGguf('keys.gguf', base, { headsOfKeys: heads });

// A quantisation: as it should be; and one layer of it written without its numbers.
writeGguf('q4.gguf', base, { quantise: (_, data) => toQ4(data) });
writeGguf('collapsed.gguf', base, {
  quantise: (name, data) => toQ4(name === 'blk.2.ffn_down.weight' ? new Float32Array(data.length) : data),
});
