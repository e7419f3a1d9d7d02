import { random } from '../../support/random.js';
import { type Given, rowsOf } from '../../support/transformers.js';
import { asGguf, asLlama, asMeta, asPairs, type SmallTransformer } from '../../support/whole_transformers.js';
import { changed, exchanged } from '../edit.js';
import { folderOf, ggufOf, llamaOf, metaOf } from '../folders.js';
import { inLayers, rowsOfHeads, shuffled } from '../gauges.js';
import { configOf, metadataOf, SHARED, type Sizes, trained } from '../models.js';
import type { ExpectedFault, FaultyPair } from '../scenario.js';
import type { GgufTypes } from '../write.js';

const { d, heads, groups, width } = SHARED;
/** As many keys as queries. */
const FULL: Sizes = { ...SHARED, groups: heads };
/** Rows put so that neighbours are a pair, as if there were so many heads. */
const ordered = (of: number, each: number) => (data: Float64Array) => rowsOf(data, d, asPairs(of, each));

/** Llama in GGUF, of which queries or keys are what this makes of those of transformers. */
const withRows = (
  network: SmallTransformer,
  part: 'query' | 'key',
  order: (data: Float64Array) => Float64Array,
): Given =>
  changed(asGguf(network), part === 'key' ? /attn_k\./ : /attn_q\./, (_, __, name) =>
    order(network.layers[Number(/\d+/.exec(name)![0])][part]),
  );

/** Llama in GGUF, of which the converter has put rows in another order than it should have. */
function toGguf(
  name: string,
  story: string,
  expected: ExpectedFault,
  change: (network: SmallTransformer) => Given,
  types: GgufTypes = 'F32',
): FaultyPair {
  return {
    ...{ name, story, logits: 'other', expected },
    async make(root, seed) {
      const network = trained(seed);
      return { reference: await llamaOf(root, network), candidate: ggufOf(root, change(network), types) };
    },
  };
}

/** Rows of queries and keys in a wrong order, wrong heads. */
export const attentionFaults: readonly FaultyPair[] = [
  toGguf(
    'keys permuted by the number of query heads',
    'A converter permutes k with n_head where it should take n_head_kv: queries are right, keys are not.',
    { cause: 'head-count', tensor: 'blk.0.attn_k.weight', text: /\b8\b/ },
    (network) => withRows(network, 'key', ordered(heads, (groups * width) / heads)),
  ),
  toGguf(
    'keys permuted by the number of query heads, in Q8_0',
    'As it is met: all weights are quantised as well, and one of them is in another order.',
    { cause: 'head-count', tensor: 'blk.0.attn_k.weight', text: /\b8\b/ },
    (network) => withRows(network, 'key', ordered(heads, (groups * width) / heads)),
    'Q8_0',
  ),
  toGguf(
    'keys permuted by the number of query heads, in BF16',
    'All weights are rounded as well.',
    { cause: 'head-count', tensor: 'blk.0.attn_k.weight', text: /\b8\b/ },
    (network) => withRows(network, 'key', ordered(heads, (groups * width) / heads)),
    'BF16',
  ),
  toGguf(
    'queries permuted as if there were 16 heads',
    'The number of heads was taken from the config.json of another size.',
    { cause: 'head-count', tensor: 'blk.0.attn_q.weight', text: /\b16\b/ },
    (network) => withRows(network, 'query', ordered(16, width / 2)),
  ),
  toGguf(
    'keys that were not permuted',
    'Only queries were put in order: the rule for k did not match its name.',
    { cause: 'pairs-order', tensor: 'blk.0.attn_k.weight' },
    (network) => withRows(network, 'key', (key) => key),
  ),
  toGguf(
    'rows permuted twice',
    'A converter was run on weights that had been put in order before.',
    { cause: ['pairs-order', 'numbers-moved'], tensor: 'blk.0.attn_q.weight' },
    (network) => changed(asGguf(network), /attn_[qk]\.weight/, (data) => ordered(data.length / d / width, width)(data)),
  ),
  {
    name: 'interleaved pairs taken for halves',
    story: "Meta's weights under the names of transformers, without the permutation.",
    logits: 'other',
    async make(root, seed) {
      const network = trained(seed);
      const order = asPairs(heads, width);
      const asStored = changed(asLlama(network), /[qk]_proj/, (data) =>
        rowsOf(data, d, order.slice(0, data.length / d)),
      );
      return { reference: metaOf(root, asMeta(network)), candidate: await folderOf(root, 'hf', asStored, configOf()) };
    },
    expected: { cause: 'pairs-order', tensor: 'model.layers.0.self_attn.q_proj.weight' },
  },
  {
    name: 'halves taken for interleaved pairs',
    story: 'Weights of transformers renamed for the program of Meta, without the permutation.',
    logits: 'other',
    async make(root, seed) {
      const network = trained(seed);
      const order = asPairs(heads, width);
      const back = order.map((_, row) => order.indexOf(row));
      const asStored = changed(asMeta(network), /w[qk]\.weight/, (data) =>
        rowsOf(data, d, back.slice(0, data.length / d)),
      );
      return { reference: await llamaOf(root, network), candidate: metaOf(root, asStored) };
    },
    expected: { cause: 'pairs-order', tensor: 'layers.0.attention.wq.weight' },
  },
  {
    name: 'a GGUF of the wrong architecture',
    story: 'Metadata say qwen2, whose rows are not permuted, and the rows of Llama are.',
    logits: 'other',
    async make(root, seed) {
      const network = trained(seed);
      const candidate = ggufOf(root, asGguf(network), 'F32', metadataOf(SHARED, 'qwen2'));
      return { reference: await llamaOf(root, network), candidate };
    },
    expected: { cause: 'pairs-order', tensor: 'blk.0.attn_q.weight' },
  },
  {
    name: 'queries and keys exchanged',
    story: 'Two entries of the table of names are in the wrong order, and shapes are the same.',
    logits: 'other',
    async make(root, seed) {
      const tensors = asLlama(trained(seed, FULL));
      return {
        reference: await folderOf(root, 'reference', tensors, configOf(FULL)),
        candidate: await folderOf(root, 'candidate', exchanged(tensors, 'q_proj', 'k_proj'), configOf(FULL)),
      };
    },
    expected: { cause: 'swapped', tensor: 'model.layers.0.self_attn.q_proj.weight' },
  },
  {
    name: 'keys and values exchanged in one layer',
    story: 'With shared heads both have the same shape, so that nothing complains.',
    logits: 'other',
    async make(root, seed) {
      const tensors = asLlama(trained(seed));
      const [k, v] = ['k', 'v'].map((part) => `model.layers.1.self_attn.${part}_proj.weight`);
      return {
        reference: await folderOf(root, 'reference', tensors, configOf()),
        candidate: await folderOf(root, 'candidate', { ...tensors, [k]: tensors[v], [v]: tensors[k] }, configOf()),
      };
    },
    expected: { cause: 'swapped', tensor: 'model.layers.1.self_attn.k_proj.weight' },
  },
  {
    name: 'values of heads in another order alone',
    story: 'Heads of v were put in order and the columns of o were not.',
    logits: 'other',
    async make(root, seed) {
      const network = trained(seed);
      const order = shuffled(groups, random(seed));
      const moved = inLayers(network, seed, ({ value }) => ({ value: rowsOf(value, d, rowsOfHeads(order, width)) }), 1);
      return { reference: await llamaOf(root, network), candidate: await llamaOf(root, moved, 'candidate') };
    },
    expected: { cause: 'heads-moved', tensor: 'model.layers.1.self_attn.v_proj.weight' },
  },
  {
    name: 'keys of heads repeated in another order',
    story: 'Groups of keys are tiled (0, 1, 2, 3, 0, 1, 2, 3) where they should be repeated (0, 0, 1, 1, …).',
    logits: 'other',
    async make(root, seed) {
      const network = trained(seed);
      const share = heads / groups;
      const [right, wrong] = [
        Array.from({ length: heads }, (_, head) => Math.floor(head / share)),
        Array.from({ length: heads }, (_, head) => head % groups),
      ].map((order) => {
        const rows = rowsOfHeads(order, width);
        const expanded = network.layers.map((one) => ({
          ...one,
          groups: heads,
          key: rowsOf(one.key, d, rows),
          value: rowsOf(one.value, d, rows),
        }));
        return { ...network, layers: expanded };
      });
      return {
        reference: await folderOf(root, 'reference', asLlama(right), configOf(FULL)),
        candidate: await folderOf(root, 'candidate', asLlama(wrong), configOf(FULL)),
      };
    },
    expected: { cause: ['heads-moved', 'numbers-moved'], tensor: 'model.layers.0.self_attn.k_proj.weight' },
  },
];
