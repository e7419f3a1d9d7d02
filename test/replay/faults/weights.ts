import { cpSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import type { FloatFormat } from '../../../lib/tensor/convert.js';
import { random } from '../../support/random.js';
import { type Given, rowsOf } from '../../support/transformers.js';
import { asLlama, type SmallTransformer } from '../../support/whole_transformers.js';
import { changed, plus, takenFrom, times, without } from '../edit.js';
import { folderOf, ggufOf, llamaOf } from '../folders.js';
import { foldedBeforeAttention, foldedBeforeMlp, inLayers, shuffled, unitsMoved } from '../gauges.js';
import { asGemma, asPlainGguf, gemmaConfig } from '../layouts.js';
import { configOf, metadataOf, SHARED, type Sizes, trained, trainedMatrix } from '../models.js';
import { NARROW, rotatedLlama } from '../rotation.js';
import type { ExpectedFault, FaultyPair } from '../scenario.js';
import { stored, writeShards } from '../write.js';

/** Llama under its own names, of which some tensors are wrong. */
function inPlace(
  name: string,
  story: string,
  expected: ExpectedFault,
  change: (tensors: Given, seed: number) => Given,
  logits: FaultyPair['logits'] = 'other',
  sizes: Sizes = SHARED,
): FaultyPair {
  return {
    ...{ name, story, logits, expected },
    async make(root, seed) {
      const tensors = asLlama(trained(seed, sizes));
      return {
        reference: await folderOf(root, 'reference', tensors, configOf(sizes)),
        candidate: await folderOf(root, 'candidate', change(tensors, seed), configOf(sizes)),
      };
    },
  };
}

/** Every number of some tensors of the second layer times 1 plus a small number of its own. */
function finetuned(name: string, size: number, dtype: FloatFormat, which: RegExp): FaultyPair {
  return {
    ...{ name, story: 'Somebody uploaded a network that was trained on as its base.', logits: null },
    async make(root, seed) {
      const tensors = asLlama(trained(seed));
      const { normal } = random(seed + 9);
      const own = new RegExp(`layers\\.1\\..*(?:${which.source})`);
      const next = changed(tensors, own, (data) => data.map((value) => value * (1 + size * normal())));
      return {
        reference: await folderOf(root, 'reference', tensors, configOf(), dtype),
        candidate: await folderOf(root, 'candidate', next, configOf(), dtype),
      };
    },
    expected: { cause: 'perturbed', tensor: /^model\.layers\.1\./ },
  };
}

/** The same of what a layer's numbers are before they have names. */
function ofNetwork(
  name: string,
  story: string,
  expected: ExpectedFault,
  change: (network: SmallTransformer, seed: number) => SmallTransformer,
): FaultyPair {
  return {
    ...{ name, story, logits: 'other', expected },
    async make(root, seed) {
      const network = trained(seed);
      return {
        reference: await llamaOf(root, network),
        candidate: await llamaOf(root, change(network, seed), 'candidate'),
      };
    },
  };
}

/** Numbers of single precision cut to those of BF16 towards zero. */
function truncated(data: Float64Array): Float64Array {
  const words = new Uint32Array(Float32Array.from(data).buffer).map((word) => word & 0xffff0000);
  return Float64Array.from(new Float32Array(words.buffer));
}

/** A later step of the same run. */
function nextStep(tensors: Given, seed: number): Given {
  const { normal } = random(seed + 3);
  return changed(tensors, /./, (data) =>
    data.map((value) => Math.fround(value * (1 + 0.02 * normal()) + 1e-3 * normal())),
  );
}

const layerOf = (name: string) => Number(/layers\.(\d+)\./.exec(name)?.[1]);
const inLayer = (name: string, number: number) => name.replace(/layers\.\d+\./, `layers.${number}.`);
const ones = (data: Float64Array) => data.map(() => 1);

/** What is wrong with numbers, or not there. */
export const weightFaults: readonly FaultyPair[] = [
  ofNetwork(
    'a norm that was not folded',
    'The gain was set to 1, and what reads behind it was not multiplied by it.',
    { cause: 'norm-not-folded', tensor: /^model\.layers\.1\.(input_layernorm|self_attn\.q_proj)\.weight$/ },
    (network, seed) => inLayers(network, seed, ({ gains }) => ({ gains: [ones(gains[0]), gains[1]] }), 1),
  ),
  inPlace(
    'a rotated stream with a head that was not rotated',
    'The head lies outside of the layers, over which the loop went.',
    { cause: ['replaced', 'perturbed'], tensor: 'lm_head.weight' },
    (tensors, seed) => ({ ...rotatedLlama(tensors, seed), 'lm_head.weight': tensors['lm_head.weight'] }),
    'other',
    NARROW,
  ),
  inPlace(
    'a rotated stream with a matrix that was not rotated',
    'One of the matrices that write to it had another name than the script knew.',
    { cause: ['replaced', 'perturbed'], tensor: 'model.layers.1.mlp.down_proj.weight' },
    (tensors, seed) => {
      const name = 'model.layers.1.mlp.down_proj.weight';
      return { ...rotatedLlama(tensors, seed), [name]: tensors[name] };
    },
    'other',
    NARROW,
  ),
  ofNetwork(
    'a norm that was folded twice',
    'What reads behind the gain was multiplied by it, and the gain was kept.',
    { cause: 'norm-folded-twice', tensor: /^model\.layers\.2\.(post_attention_layernorm|mlp\.gate_proj)\.weight$/ },
    (network, seed) => inLayers(network, seed, foldedBeforeMlp, 2),
  ),
  ofNetwork(
    'all norms of attention folded twice',
    'The same in every layer, by a script that was to prepare a rotation.',
    { cause: 'norm-folded-twice', tensor: /^model\.layers\.0\.(input_layernorm|self_attn\.q_proj)\.weight$/ },
    (network, seed) => inLayers(network, seed, foldedBeforeAttention),
  ),
  {
    name: "the 1 of Gemma's norms is missing",
    story: 'Gains of transformers, which are from 0, are stored in GGUF as they are.',
    logits: null,
    async make(root, seed) {
      const tensors = asGemma(trained(seed));
      const metadata = { ...metadataOf(SHARED, 'gemma2'), 'gemma2.attention.layer_norm_rms_epsilon': 1e-6 };
      const candidate = ggufOf(root, asPlainGguf(tensors), 'F32', { ...metadata, 'gemma2.rope.freq_base': 10_000 });
      return { reference: await folderOf(root, 'gemma', tensors, gemmaConfig()), candidate };
    },
    expected: { cause: 'gain-offset', tensor: 'blk.0.attn_norm.weight' },
  },
  {
    name: "the 1 of Gemma's norms is there twice",
    story: 'From GGUF back to transformers with gains as they are there, to which 1 is added once more.',
    logits: null,
    async make(root, seed) {
      const tensors = asGemma(trained(seed));
      const wrong = changed(tensors, /norm/, plus(1));
      return {
        reference: await folderOf(root, 'reference', tensors, gemmaConfig()),
        candidate: await folderOf(root, 'candidate', wrong, gemmaConfig()),
      };
    },
    expected: { cause: 'gain-offset', tensor: 'model.layers.0.input_layernorm.weight' },
  },
  inPlace(
    'a layer that is there twice',
    'A merge by slices of layers has one of them again in the place of another.',
    { cause: 'other-layer', tensor: /^model\.layers\.2\./, text: /\b1\b/ },
    (tensors) => takenFrom(tensors, /layers\.2\./, (name) => inLayer(name, 1)),
  ),
  inPlace(
    'layers off by one',
    'A pipeline stage that counts its layers from 1.',
    { cause: 'other-layer', tensor: /^model\.layers\.1\./ },
    (tensors) => takenFrom(tensors, /layers\.[12]\./, (name) => inLayer(name, layerOf(name) - 1)),
  ),
  inPlace(
    'a matrix of another layer',
    'One tensor of a shard was copied under the name of the next.',
    { cause: 'other-layer', tensor: 'model.layers.2.self_attn.o_proj.weight' },
    (tensors) => takenFrom(tensors, /layers\.2\.self_attn\.o_proj/, (name) => inLayer(name, 0)),
  ),
  inPlace(
    'a scaled embedding',
    'The embedding is multiplied by the root of d, which only programs of Gemma do, while they run.',
    { cause: 'scaled', tensor: 'model.embed_tokens.weight', text: /\b8\b/ },
    (tensors) => changed(tensors, /embed_tokens/, times(Math.sqrt(SHARED.d))),
  ),
  inPlace(
    'a negated matrix',
    'A sign of another convention went into one matrix only.',
    { cause: 'sign', tensor: 'model.layers.1.self_attn.v_proj.weight' },
    (tensors) => changed(tensors, /layers\.1\.self_attn\.v_proj/, times(-1)),
  ),
  {
    name: 'a head that was dropped',
    story: 'The head is no copy of the embedding, and was left out as if it were.',
    logits: null,
    async make(root, seed) {
      const tensors = asLlama(trained(seed));
      return {
        reference: await folderOf(root, 'reference', tensors, configOf()),
        candidate: await folderOf(
          root,
          'candidate',
          without(tensors, /lm_head/),
          configOf(SHARED, { tie_word_embeddings: true }),
        ),
      };
    },
    expected: { cause: 'missing-tensor', tensor: 'lm_head.weight' },
  },
  {
    name: 'biases that were dropped',
    story: "Qwen's biases of queries, keys and values have no place in the layout of Llama.",
    logits: 'other',
    async make(root, seed) {
      const tensors = asLlama(trained(seed), { biases: true });
      const config = configOf(SHARED, { model_type: 'qwen2' });
      return {
        reference: await folderOf(root, 'reference', tensors, config),
        candidate: await folderOf(root, 'candidate', without(tensors, /\.bias$/), config),
      };
    },
    expected: { cause: 'missing-tensor', tensor: 'model.layers.0.self_attn.q_proj.bias' },
  },
  {
    name: 'a layer too many',
    story: 'A model that was grown by repeating its last layer is told to be the model itself.',
    logits: 'other',
    async make(root, seed) {
      const longer = trained(seed, { ...SHARED, layers: 4 });
      const network = { ...longer, layers: longer.layers.slice(0, 3) };
      const grown = { ...longer, layers: [...network.layers, network.layers[2]] };
      return {
        reference: await llamaOf(root, network),
        candidate: await llamaOf(root, grown, 'candidate', { num_hidden_layers: 4 }),
      };
    },
    expected: { cause: 'extra-tensor', tensor: /^model\.layers\.3\./ },
  },
  ofNetwork(
    'units of up in another order alone',
    'A script that prunes put rows of one of the three matrices in order.',
    { cause: 'units-moved', tensor: 'model.layers.1.mlp.up_proj.weight' },
    (network, seed) => inLayers(network, seed, (one, draw) => unitsMoved(one, shuffled(one.units, draw), ['up']), 1),
  ),
  ofNetwork(
    'units in another order, without the columns behind them',
    'Rows of gate and up were put in order, and columns of down were not.',
    { cause: 'units-moved', tensor: /^model\.layers\.0\.mlp\.(gate|up|down)_proj\.weight$/ },
    (network, seed) =>
      inLayers(network, seed, (one, draw) => unitsMoved(one, shuffled(one.units, draw), ['gate', 'up'])),
  ),
  inPlace(
    'rows of the vocabulary cut off',
    'Padding was to be cut, and the last tokens went with it.',
    { cause: 'wrong-shape', tensor: 'model.embed_tokens.weight', text: /\b32\b/ },
    (tensors) => changed(tensors, /embed_tokens|lm_head/, (data, [, d]) => [data.slice(0, 32 * d), 32, d] as const),
    null,
  ),
  inPlace(
    'NaN in a gradient step',
    'One matrix has numbers that are none, after an overflow in half precision.',
    { cause: 'not-finite', tensor: 'model.layers.1.mlp.down_proj.weight' },
    (tensors) =>
      changed(tensors, /layers\.1\.mlp\.down_proj/, (data) =>
        data.map((value, at) => (at % 97 === 5 ? Number.NaN : value)),
      ),
    null,
  ),
  inPlace(
    'a layer of zeros',
    'A shard was written before its weights had arrived.',
    { cause: 'collapsed', tensor: 'model.layers.2.mlp.up_proj.weight' },
    (tensors) => changed(tensors, /layers\.2\.mlp\.up_proj/, (data) => data.map(() => 0)),
  ),
  inPlace(
    'weights that were drawn anew',
    'A name that did not match, so that the library initialised the matrix.',
    { cause: 'replaced', tensor: 'model.layers.2.mlp.down_proj.weight' },
    (tensors, seed) =>
      changed(tensors, /layers\.2\.mlp\.down_proj/, (_, [rows, columns]) =>
        trainedMatrix(random(seed + 5), rows, columns, 0.5),
      ),
  ),
  inPlace(
    'numbers all over the place',
    'A buffer was read with another stride.',
    { cause: 'numbers-moved', tensor: 'model.layers.0.mlp.down_proj.weight' },
    (tensors, seed) =>
      changed(tensors, /layers\.0\.mlp\.down_proj/, (data) => rowsOf(data, 1, shuffled(data.length, random(seed)))),
  ),
  inPlace(
    'a merged adapter in what is told to be the base',
    'Somebody uploaded the merge under the name of the base.',
    { cause: 'low-rank', tensor: 'model.layers.0.self_attn.q_proj.weight', text: /\b4\b/ },
    (tensors, seed) => {
      const { normal } = random(seed + 6);
      return changed(tensors, /[qv]_proj/, (data, [rows, columns]) => {
        const [b, a] = [rows, columns].map((count) => Float64Array.from({ length: 4 * count }, () => normal()));
        return data.map((value, at) => {
          const [i, j] = [Math.floor(at / columns), at % columns];
          let sum = 0;
          for (let k = 0; k < 4; k++) sum += b[4 * i + k] * a[4 * j + k];
          return value + 0.01 * sum;
        });
      });
    },
  ),
  inPlace(
    'cut to BF16 towards zero',
    'The upper half of every number was kept, which is no rounding to nearest.',
    { cause: ['coarse', 'perturbed'], tensor: 'model.embed_tokens.weight', text: /truncat|towards? zero|cut/i },
    (tensors) => changed(tensors, /./, truncated),
    null,
  ),
  finetuned('a fine-tune under the name of its base', 1e-4, 'F32', /\.weight$/),
  finetuned('a fine-tune so small that float32 hardly holds it', 2e-6, 'F32', /\.weight$/),
  finetuned('a fine-tune of half a percent in BF16', 5e-3, 'BF16', /\.weight$/),
  finetuned('a fine-tune within the rounding of BF16', 2e-3, 'BF16', /\.weight$/),
  finetuned('a fine-tune of attention alone in BF16', 2e-3, 'BF16', /self_attn/),
  finetuned('a fine-tune of an MLP alone in BF16', 3e-3, 'BF16', /mlp/),
  finetuned('a fine-tune of gains alone', 1e-3, 'F32', /layernorm/),
  finetuned('a fine-tune of gains alone in BF16', 1e-2, 'BF16', /layernorm/),
  {
    name: 'shards of two steps',
    story: 'An upload was interrupted, and the shards that were there already are of the step before.',
    logits: 'other',
    async make(root, seed) {
      const tensors = asLlama(trained(seed));
      const each = 15;
      const reference = await writeShards(join(root, 'reference'), stored(tensors), configOf(), each);
      const next = await writeShards(join(root, 'next'), stored(nextStep(tensors, seed)), configOf(), each);
      cpSync(reference, join(root, 'candidate'), { recursive: true });
      const name = 'model-00002-of-00002.safetensors';
      renameSync(join(next, name), join(root, 'candidate', name));
      return { reference, candidate: join(root, 'candidate') };
    },
    // Tensors of the first layer that lies in both: its output is the first of the second shard, and so are its norms.
    expected: { cause: 'perturbed', tensor: /^model\.layers\.1\.(input_layernorm|self_attn\.o_proj)\.weight$/ },
  },
];
