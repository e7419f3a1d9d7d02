// Draws docs/layer-strip.svg, the picture of the README: two small Llamas made here, of which one is the other with a
// little noise everywhere, one MLP and two heads changed.
//
//     npm run build && node scripts/strip_picture.mjs
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './toolchain.mjs';

const { similarityOfBlocks, writeBlocks, writeSafetensors } = await import(join(root, 'dist', 'index.js'));

const [D, UNITS, LAYERS, HEADS, GROUPS, WIDTH, TOKENS] = [64, 172, 12, 8, 4, 8, 256];
/** Of the root mean square of every tensor. */
const NOISE = 0.003;
const PATCHED = { mlp: 7, heads: 3 };

/** The generator mulberry32, and normals made of it. */
function normals(seed) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

function network() {
  const normal = normals(1);
  const matrix = (rows, columns) => ({
    data: Float32Array.from({ length: rows * columns }, () => normal() / Math.sqrt(columns)),
    shape: [rows, columns],
  });
  const gain = () => ({ data: Float32Array.from({ length: D }, () => 1 + 0.2 * normal()), shape: [D] });
  const tensors = {
    'model.embed_tokens.weight': matrix(TOKENS, D),
    'lm_head.weight': matrix(TOKENS, D),
    'model.norm.weight': gain(),
  };
  for (let i = 0; i < LAYERS; i++) {
    const own = {
      'self_attn.q_proj': matrix(HEADS * WIDTH, D),
      'self_attn.k_proj': matrix(GROUPS * WIDTH, D),
      'self_attn.v_proj': matrix(GROUPS * WIDTH, D),
      'self_attn.o_proj': matrix(D, HEADS * WIDTH),
      'mlp.gate_proj': matrix(UNITS, D),
      'mlp.up_proj': matrix(UNITS, D),
      'mlp.down_proj': matrix(D, UNITS),
      input_layernorm: gain(),
      post_attention_layernorm: gain(),
    };
    for (const [name, tensor] of Object.entries(own)) tensors[`model.layers.${i}.${name}.weight`] = tensor;
  }
  return tensors;
}

function changed(tensors) {
  const normal = normals(2);
  const result = {};
  for (const [name, { data, shape }] of Object.entries(tensors)) {
    const size = NOISE * Math.sqrt(data.reduce((sum, value) => sum + value ** 2, 0) / data.length);
    result[name] = { data: data.map((value) => value + size * normal()), shape };
  }
  // A fact edited: one direction more in what an MLP writes.
  const down = result[`model.layers.${PATCHED.mlp}.mlp.down_proj.weight`].data;
  const [left, right] = [D, UNITS].map((length) => Float64Array.from({ length }, normal));
  for (let i = 0; i < D; i++) for (let j = 0; j < UNITS; j++) down[i * UNITS + j] += 0.08 * left[i] * right[j];
  // Two heads of another layer look elsewhere.
  const queries = result[`model.layers.${PATCHED.heads}.self_attn.q_proj.weight`].data;
  for (let at = 2 * WIDTH * D; at < 4 * WIDTH * D; at++) queries[at] += 0.06 * normal();
  return result;
}

const folder = mkdtempSync(join(tmpdir(), 'tensim-strip-'));
try {
  const base = network();
  for (const [name, tensors] of Object.entries({ base, tuned: changed(base) })) {
    mkdirSync(join(folder, name));
    await writeSafetensors(join(folder, name, 'model.safetensors'), tensors);
    const config = { num_attention_heads: HEADS, num_key_value_heads: GROUPS, hidden_act: 'silu' };
    writeFileSync(join(folder, name, 'config.json'), JSON.stringify(config));
  }
  // The paths are in the picture.
  process.chdir(folder);
  const result = await similarityOfBlocks('base', 'tuned');
  for (const file of process.argv.slice(2).concat(join(root, 'docs', 'layer-strip.svg')))
    await writeBlocks(result, file);
  console.log(result.impression.words);
} finally {
  process.chdir(root);
  rmSync(folder, { recursive: true, force: true });
}
