import { join } from 'node:path';
import type { FloatFormat } from '../../lib/tensor/convert.js';
import { type Given, rowsOf } from '../support/transformers.js';
import { asGpt2, asLlama, asPhi3 } from '../support/whole_transformers.js';
import { merged, type SmallAdapter, trainedAdapter, writeAdapter } from './adapters.js';
import { changed } from './edit.js';
import { folderOf } from './folders.js';
import { configOf, gptConfigOf, PLAIN, SHARED, type Sizes, trained } from './models.js';
import type { FaultyMerge, Merge, RightMerge } from './scenario.js';
import type { Config } from './write.js';

const FULL: Sizes = { ...SHARED, groups: SHARED.heads };
const ATTENTION = /[qv]_proj/;
const ALL = /_proj/;

async function write(
  root: string,
  base: Given,
  adapters: readonly SmallAdapter[],
  result: Given,
  { dtype = 'F32', config = configOf() }: { readonly dtype?: FloatFormat; readonly config?: Config } = {},
): Promise<Merge> {
  const folders: string[] = [];
  for (const [at, one] of adapters.entries()) folders.push(await writeAdapter(join(root, `adapter-${at}`), one));
  return {
    base: await folderOf(root, 'base', base, config),
    adapters: folders,
    merged: await folderOf(root, 'merged', result, config, dtype),
  };
}

/** Llama and one adapter of queries and values. */
const llama = (seed: number, sizes = SHARED, names = ATTENTION, more = {}) => {
  const base = asLlama(trained(seed, sizes));
  return { base, adapter: trainedAdapter(base, names, seed, more) };
};

export const faultyMerges: readonly FaultyMerge[] = [
  {
    name: 'a merge that left the base',
    story: 'merge_and_unload gave its result to nobody, and the base was saved.',
    make(root, seed) {
      const { base, adapter } = llama(seed);
      return write(root, base, [adapter], base);
    },
    expected: { cause: 'not-merged', tensor: 'model.layers.0.self_attn.q_proj.weight', state: 'not-merged' },
  },
  {
    name: 'an adapter merged twice',
    story: 'A network that had been merged was given its adapter again, and saved.',
    make(root, seed) {
      const { base, adapter } = llama(seed);
      return write(root, base, [adapter], merged(merged(base, adapter), adapter));
    },
    expected: { cause: 'merged-twice', tensor: 'model.layers.0.self_attn.q_proj.weight', state: 'merged-twice' },
  },
  {
    name: 'α in the place of α / r',
    story: 'A script of its own that did not divide by the rank.',
    make(root, seed) {
      const { base, adapter } = llama(seed, SHARED, ALL, { rank: 8, alpha: 16 });
      return write(root, base, [adapter], merged(base, adapter, { scale: () => adapter.alpha }));
    },
    expected: {
      ...{ cause: 'wrong-scale', tensor: 'model.layers.0.self_attn.q_proj.weight', state: 'wrong-scale' },
      text: /\b8\b/,
    },
  },
  {
    name: 'α / r in the place of α / √r',
    story: 'use_rslora was not known to the program that merged.',
    make(root, seed) {
      const { base, adapter } = llama(seed, SHARED, ATTENTION, { rank: 16, alpha: 16, rooted: true });
      return write(root, base, [adapter], merged(base, adapter, { scale: () => 1 }));
    },
    expected: { cause: 'wrong-scale', tensor: 'model.layers.0.self_attn.q_proj.weight', state: 'wrong-scale' },
  },
  {
    name: 'an adapter that was subtracted',
    story: 'unmerge was called on a base that had no adapter in it.',
    make(root, seed) {
      const { base, adapter } = llama(seed);
      return write(root, base, [adapter], merged(base, adapter, { scale: () => -adapter.alpha / adapter.rank }));
    },
    expected: { cause: ['wrong-scale', 'sign'], tensor: 'model.layers.0.self_attn.q_proj.weight' },
  },
  {
    name: 'only some layers merged',
    story: 'A layer that was on the meta device while the others were merged.',
    make(root, seed) {
      const { base, adapter } = llama(seed, SHARED, ALL);
      const scale = (name: string) => (name.includes('layers.1.') ? 0 : adapter.alpha / adapter.rank);
      return write(root, base, [adapter], merged(base, adapter, { scale }));
    },
    expected: { cause: 'not-merged', tensor: 'model.layers.1.self_attn.q_proj.weight', state: 'not-merged' },
  },
  {
    name: 'the change of queries in the place of keys',
    story: 'Modules were matched by their shapes.',
    make(root, seed) {
      const { base, adapter } = llama(seed, FULL, /[qk]_proj/);
      const change = (name: string) => name.replace(/([qk])_proj/, (_, part) => (part === 'q' ? 'k_proj' : 'q_proj'));
      return write(root, base, [adapter], merged(base, adapter, { change }), { config: configOf(FULL) });
    },
    expected: { cause: 'wrong-slice', tensor: 'model.layers.0.self_attn.q_proj.weight', state: 'wrong-slice' },
  },
  {
    name: 'a slice of a packed matrix',
    story: 'The change of qkv_proj was added with its rows as k, q, v.',
    make(root, seed) {
      const base = asPhi3(trained(seed, FULL));
      const adapter = trainedAdapter(base, /qkv_proj/, seed);
      const rows = FULL.heads * FULL.width;
      const order = Array.from({ length: 3 * rows }, (_, row) => (row < 2 * rows ? (row + rows) % (2 * rows) : row));
      const factors = [...adapter.factors].map(
        ([name, [a, b]]) => [name, [a, rowsOf(b, adapter.rank, order)]] as const,
      );
      const wrong = { ...adapter, factors: new Map(factors) };
      const config = configOf(FULL, { model_type: 'phi3' });
      return write(root, base, [adapter], merged(base, wrong), { config });
    },
    expected: { cause: 'wrong-slice', tensor: 'model.layers.0.self_attn.qkv_proj.weight', state: 'wrong-slice' },
  },
  {
    name: 'the second of two adapters left out',
    story: 'Two were to be merged one after the other, and set_adapter put the first aside.',
    make(root, seed) {
      const { base, adapter } = llama(seed, SHARED, /q_proj/);
      const second = trainedAdapter(base, /down_proj/, seed + 1);
      return write(root, base, [adapter, second], merged(base, adapter));
    },
    expected: { cause: 'not-merged', tensor: 'model.layers.0.mlp.down_proj.weight', state: 'not-merged' },
  },
  {
    name: 'a tensor that no adapter touches has changed',
    story: 'The merge was made into another version of the base, whose head was trained on.',
    make(root, seed) {
      const { base, adapter } = llama(seed);
      const other = changed(base, /lm_head/, (data) => data.map((value, at) => value * (1 + 0.01 * Math.sin(at))));
      return write(root, base, [adapter], merged(other, adapter));
    },
    expected: { cause: 'changed-elsewhere', tensor: 'lm_head.weight' },
  },
];

export const rightMerges: readonly RightMerge[] = [
  {
    name: 'one adapter of queries and values',
    story: 'merge_and_unload.',
    make(root, seed) {
      const { base, adapter } = llama(seed);
      return write(root, base, [adapter], merged(base, adapter));
    },
  },
  {
    name: 'all projections, rounded to BF16',
    story: 'The merge was saved in the type of the training.',
    make(root, seed) {
      const { base, adapter } = llama(seed, SHARED, ALL);
      return write(root, base, [adapter], merged(base, adapter), { dtype: 'BF16' });
    },
  },
  {
    name: 'two adapters, one after the other',
    story: 'Both change queries, and are merged into one network.',
    make(root, seed) {
      const { base, adapter } = llama(seed);
      const second = trainedAdapter(base, /q_proj|up_proj/, seed + 1, { rank: 2, alpha: 4 });
      return write(root, base, [adapter, second], merged(merged(base, adapter), second));
    },
  },
  {
    name: 'an adapter scaled by the root of its rank',
    story: 'use_rslora.',
    make(root, seed) {
      const { base, adapter } = llama(seed, SHARED, ATTENTION, { rank: 16, alpha: 16, rooted: true });
      return write(root, base, [adapter], merged(base, adapter));
    },
  },
  {
    name: 'GPT-2, of inputs by outputs',
    story: 'fan_in_fan_out: the change is transposed before it is added.',
    make(root, seed) {
      const base = asGpt2(trained(seed, PLAIN), true);
      const adapter = trainedAdapter(base, /c_attn\.weight|c_fc\.weight/, seed, { fanInFanOut: true });
      return write(root, base, [adapter], merged(base, adapter), { config: gptConfigOf() });
    },
  },
  {
    name: 'a packed matrix',
    story: 'qkv_proj and gate_up_proj of Phi-3 have one adapter each.',
    make(root, seed) {
      const base = asPhi3(trained(seed));
      const adapter = trainedAdapter(base, /qkv_proj|gate_up_proj/, seed);
      return write(root, base, [adapter], merged(base, adapter), { config: configOf(SHARED, { model_type: 'phi3' }) });
    },
  },
];
