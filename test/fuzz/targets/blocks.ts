import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withBlocks } from '../../../lib/blocks/open.js';
import { readCircuits } from '../../../lib/blocks/parts/circuits.js';
import { mlpLayer } from '../../../lib/blocks/parts/mlp.js';
import { readGain } from '../../../lib/blocks/parts/reader.js';
import { createModel } from '../../../lib/model/create.js';
import { BLOCKS_FIELDS } from '../../../lib/model/transformers/described.js';
import { type Reader, type Target, Wrong } from '../engine/target.js';
import { type Json, jsonMutation, smallerJson, textOf } from '../mutation/json.js';
import { accepted, checkpointOf } from './files.js';

const OWN = {
  tok: [3, 4],
  'n.0.q': [4, 4],
  'n.0.k': [2, 4],
  'n.0.v': [2, 4],
  'n.0.o': [4, 4],
  'n.0.all': [8, 4],
  'n.0.u': [3, 4],
  'n.0.g': [3, 4],
  'n.0.d': [4, 3],
  'n.0.r': [2, 4],
  'n.0.e.0.u': [3, 4],
  'n.0.e.0.d': [4, 3],
  'n.0.e.1.u': [3, 4],
  'n.0.e.1.d': [4, 3],
  'n.0.n1': [4],
  'n.0.n2': [4],
};

const APART: Json = { query: 'q', key: 'k', value: 'v', output: 'o' };
const NORMS: Json = { kind: 'rms', attention: 'n1', mlp: 'n2' };
const described = (blocks: { [key: string]: Json }): Json => ({
  schema: 'tensim.model/1',
  weights: 'net.safetensors',
  blocks: { layer: 'n.{L}.', heads: 2, norms: NORMS, rotary: { interleaved: true }, activation: 'relu', ...blocks },
});

/** What is found of a network, and the numbers of its attention, MLPs and experts, which must be as many as are said. */
const readsAll = (path: string, options: object): Promise<ReturnType<typeof accepted>> =>
  withBlocks(path, options, async ({ network, read }) => {
    const { width, layers } = network;
    const found: unknown[] = [];
    for (const { attention, attentionNorm, mlp, mlpNorm, experts } of layers) {
      const gains = [await readGain(attentionNorm, read), await readGain(mlpNorm, read)];
      if (attention !== undefined) {
        const { query, key, heads, groups, rotation } = await readCircuits(attention, gains[0], width, read);
        if (query.weight.length !== heads * attention.width * width) throw new Wrong('queries of another size');
        if (key.weight.length !== groups * attention.width * width) throw new Wrong('keys of another size');
        if (rotation !== null && !rotation.angles.every(Number.isFinite)) throw new Wrong('angles that are no numbers');
        found.push([...query.weight, ...key.weight]);
      }
      for (const one of [mlp, experts?.shared, ...(experts?.experts ?? [])])
        if (one !== undefined) createModel({ layers: [await mlpLayer(one, gains[1], width, read)] });
    }
    return accepted(JSON.stringify([network, found]));
  });

export const readsBlocks: Target = {
  name: 'blocks.json',
  about: 'descriptions of the blocks of a transformer',
  mutate: jsonMutation({
    words: [
      ...Object.values(BLOCKS_FIELDS).flat(),
      ...[
        'parts',
        'heads',
        'rms',
        'layer',
        'none',
        'before',
        'sums',
        'behind',
        'alibi',
        'silu',
        'identity',
        '__proto__',
      ],
      ...[
        'q',
        'k',
        'v',
        'o',
        'all',
        'u',
        'g',
        'd',
        'r',
        'e.{E}.u',
        'e.{E}.d',
        'n1',
        'n2',
        'tok',
        'n.{L}.',
        '{L}',
        '{E}',
      ],
    ],
  }),
  simplify: smallerJson,
  async prepare(folder) {
    writeFileSync(join(folder, 'net.safetensors'), checkpointOf(OWN));
    const path = join(folder, 'blocks.json');
    const seeds = [
      described({ attention: APART, mlp: { gate: 'g', up: 'u', down: 'd' }, embedding: 'tok', groups: 1 }),
      described({ attention: { packed: 'all', order: 'heads', output: 'o' }, groups: 1, rotary: null }),
      described({ mlp: { up: 'u', down: 'd' }, norms: { kind: 'layer' }, rotary: 'alibi' }),
      described({ experts: { router: 'r', up: 'e.{E}.u', down: 'e.{E}.d', shared: { up: 'u', down: 'd' } } }),
    ].map(textOf);
    const read: Reader = async (bytes) => {
      writeFileSync(path, bytes);
      return readsAll(path, {});
    };
    return { seeds, read };
  },
};

const llama = (within: { [name: string]: number[] }): { [name: string]: number[] } => ({
  'model.embed_tokens.weight': [3, 4],
  'model.layers.0.self_attn.q_proj.weight': [4, 4],
  'model.layers.0.self_attn.k_proj.weight': [2, 4],
  'model.layers.0.self_attn.v_proj.weight': [2, 4],
  'model.layers.0.self_attn.o_proj.weight': [4, 4],
  'model.layers.0.input_layernorm.weight': [4],
  'model.layers.0.post_attention_layernorm.weight': [4],
  ...Object.fromEntries(Object.entries(within).map(([name, shape]) => [`model.layers.0.${name}`, shape])),
});

const NETWORKS = {
  llama: llama({
    'mlp.gate_proj.weight': [3, 4],
    'mlp.up_proj.weight': [3, 4],
    'mlp.down_proj.weight': [4, 3],
  }),
  experts: llama({
    'mlp.gate.weight': [2, 4],
    'mlp.experts.gate_up_proj': [2, 6, 4],
    'mlp.experts.down_proj': [2, 4, 3],
  }),
  falcon: {
    'h.0.self_attention.query_key_value.weight': [8, 4],
    'h.0.self_attention.dense.weight': [4, 4],
    'h.0.input_layernorm.weight': [4],
  },
  torch: {
    'layers.0.self_attn.in_proj_weight': [12, 4],
    'layers.0.self_attn.out_proj.weight': [4, 4],
    'layers.0.norm1.weight': [4],
    'layers.0.norm2.weight': [4],
  },
};

export const readsBlockSettings: Target = {
  name: 'blocks-config.json',
  about: 'settings of transformers whose blocks are compared',
  mutate: jsonMutation({
    words: [
      ...[
        'num_attention_heads',
        'num_key_value_heads',
        'head_dim',
        'rope_theta',
        'rope_scaling',
        'rope_type',
        'factor',
      ],
      ...['partial_rotary_factor', 'hidden_act', 'model_type', 'norm_first', 'normalization_type', 'layer_types'],
      ...['no_rope_layers', 'text_config', 'alibi', 'general.architecture', 'llama3', 'yarn', 'linear', 'cohere2'],
      ...[
        'gemma',
        'olmo',
        'gpt_oss',
        'sliding_attention',
        'positional_embedding_type',
        'rope_interleaved',
        '__proto__',
      ],
    ],
  }),
  simplify: smallerJson,
  async prepare(folder) {
    const files = Object.entries(NETWORKS).map(([name, shapes]) => {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, 'net.safetensors'), checkpointOf(shapes));
      return join(folder, name, 'net.safetensors');
    });
    const scaling = { rope_type: 'linear', factor: 2 };
    const seeds = [
      { num_attention_heads: 2, num_key_value_heads: 1, hidden_act: 'silu', rope_theta: 100, rope_scaling: scaling },
      { n_head: 2, hidden_act: 'gelu', partial_rotary_factor: 0.5, norm_first: false, model_type: 'gemma' },
      { text_config: { n_head: 2, hidden_act: 'relu', no_rope_layers: [0] }, alibi: true, norm_first: true },
    ].map(textOf);
    const read: Reader = async (bytes) => {
      const text = Buffer.from(bytes).toString();
      const config = /^\s*\{/.test(text) ? text : `{${text}`;
      return readsAll(files[bytes.length % files.length], { config });
    };
    return { seeds, read };
  },
};
