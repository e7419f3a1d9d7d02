import { join } from 'node:path';
import {
  asGguf,
  asGpt2,
  asLens,
  asLlama,
  asMeta,
  asNeox,
  asPhi3,
  type SmallTransformer,
} from '../../support/whole_transformers.js';
import { changed, plus } from '../edit.js';
import { folderOf, ggufOf, gptOf, llamaOf, metaOf, neoxOf } from '../folders.js';
import { foldedNorms } from '../gauges.js';
import {
  asFused,
  asGemma,
  asNeoxGguf,
  asPlainGguf,
  asSeparate,
  gemmaConfig,
  mixtureConfig,
  trainedMixture,
} from '../layouts.js';
import { configOf, gptConfigOf, metadataOf, PLAIN, SHARED, trained } from '../models.js';
import type { RightPair } from '../scenario.js';
import { storedGguf, writeGguf } from '../write.js';

const LENS = { ...gptConfigOf(), act_fn: 'gelu_new', n_ctx: PLAIN.positions, eps: 1e-5 };
/** What the head of GPT-2 is, in networks that have one of their own. */
const tiedHead = (network: SmallTransformer): SmallTransformer => ({
  ...network,
  unembedding: network.embedding,
  unembeddingBias: network.unembeddingBias.map(() => 0),
});

/** From one layout of the field to another. */
export const layoutConversions: readonly RightPair[] = [
  {
    name: 'transformers to Meta',
    story:
      'Rows of queries and keys are put back so that neighbours are a pair, keys by the number of their own heads.',
    logits: 'same',
    async make(root, seed) {
      const network = trained(seed);
      return { reference: await llamaOf(root, network), candidate: metaOf(root, asMeta(network)) };
    },
    expected: { verdict: 'other-layout', layouts: ['names', 'interleaved-pairs'] },
  },
  {
    name: 'Meta to transformers',
    story: 'The conversion script of transformers, with two heads of keys for eight of queries.',
    logits: 'same',
    async make(root, seed) {
      const network = trained(seed);
      return { reference: metaOf(root, asMeta(network)), candidate: await llamaOf(root, network, 'candidate') };
    },
    expected: { verdict: 'other-layout', layouts: ['interleaved-pairs'] },
  },
  {
    name: 'transformers to GGUF',
    story: 'convert_hf_to_gguf with --outtype f32.',
    logits: 'same',
    async make(root, seed) {
      const network = trained(seed);
      return { reference: await llamaOf(root, network), candidate: ggufOf(root, asGguf(network)) };
    },
    expected: { verdict: 'other-layout', layouts: ['interleaved-pairs'] },
  },
  {
    name: 'Meta to GGUF',
    story: 'Both have neighbours as pairs, so that only names differ.',
    logits: 'same',
    async make(root, seed) {
      const network = trained(seed);
      return { reference: metaOf(root, asMeta(network)), candidate: ggufOf(root, asGguf(network)) };
    },
    expected: { verdict: 'other-layout', layouts: ['names'] },
  },
  {
    name: 'transformers to GGUF in half precision',
    story: 'convert_hf_to_gguf with --outtype f16, which leaves vectors in single precision.',
    logits: null,
    async make(root, seed) {
      const network = trained(seed);
      return { reference: await llamaOf(root, network), candidate: ggufOf(root, asGguf(network), 'F16') };
    },
    expected: { verdict: 'rounded', layouts: ['interleaved-pairs'] },
  },
  {
    name: 'Qwen to GGUF in BF16',
    story: 'A network of the other architecture, with biases, whose rows stay where they are.',
    logits: null,
    async make(root, seed) {
      const tensors = asLlama(trained(seed), { biases: true });
      return {
        reference: await folderOf(root, 'qwen', tensors, configOf(SHARED, { model_type: 'qwen2' })),
        candidate: ggufOf(root, asPlainGguf(tensors), 'BF16', metadataOf(SHARED, 'qwen2')),
      };
    },
    expected: { verdict: 'rounded', layouts: ['names'] },
  },
  {
    name: 'Gemma to GGUF',
    story: '1 is added to the gains, which transformers stores from 0 and llama.cpp from 1.',
    // Blocks of other windows than config.json says: not run.
    logits: null,
    async make(root, seed) {
      const tensors = asGemma(trained(seed));
      const metadata = { ...metadataOf(SHARED, 'gemma2'), 'gemma2.attention.layer_norm_rms_epsilon': 1e-6 };
      return {
        reference: await folderOf(root, 'gemma', tensors, gemmaConfig()),
        candidate: ggufOf(root, changed(asPlainGguf(tensors), /norm/, plus(1)), 'F32', {
          ...metadata,
          'gemma2.rope.freq_base': 10_000,
        }),
      };
    },
    expected: { verdict: ['other-layout', 'rounded'], layouts: ['gain-offset'] },
  },
  {
    name: 'Conv1D to Linear',
    story: 'GPT-2 for nanoGPT: matrices of inputs by outputs are transposed.',
    logits: 'same',
    async make(root, seed) {
      const network = trained(seed, PLAIN);
      return {
        reference: await gptOf(root, network, 'conv', true),
        candidate: await gptOf(root, network, 'linear', false),
      };
    },
    expected: { verdict: 'other-layout', layouts: ['transposed'] },
  },
  {
    name: 'GPT-2 to TransformerLens',
    story: 'Every head has matrices of its own, of inputs by outputs, and the head is stored.',
    logits: 'same',
    async make(root, seed) {
      const network = trained(seed, PLAIN);
      return {
        reference: await gptOf(root, network, 'conv', true),
        candidate: await folderOf(root, 'lens', asLens(tiedHead(network), true), { ...LENS, normalization_type: 'LN' }),
      };
    },
    expected: { verdict: 'other-layout', layouts: ['packing', 'tied-head'] },
  },
  {
    name: 'GPT-2 to TransformerLens with folded norms',
    story: 'from_pretrained with fold_ln: gains and shifts go into what reads behind them.',
    logits: null,
    async make(root, seed) {
      const network = trained(seed, PLAIN);
      const tensors = asLens(foldedNorms(tiedHead(network)), false);
      return {
        reference: await gptOf(root, network, 'conv', true),
        candidate: await folderOf(root, 'lens', tensors, { ...LENS, normalization_type: 'LNPre' }),
      };
    },
    expected: { verdict: 'other-layout', layouts: ['norm-folded'] },
  },
  {
    name: 'one matrix of queries, keys and values, one of gate and up',
    story: "Llama's weights under Phi-3's names, as llamafied models the other way round.",
    logits: 'same',
    async make(root, seed) {
      const network = trained(seed);
      return {
        reference: await llamaOf(root, network),
        candidate: await folderOf(root, 'packed', asPhi3(network), configOf(SHARED, { model_type: 'phi3' })),
      };
    },
    expected: { verdict: 'other-layout', layouts: ['packing'] },
  },
  {
    name: 'packed matrices taken apart',
    story: 'Phi-3 as Llama, so that adapters find their modules.',
    logits: 'same',
    async make(root, seed) {
      const network = trained(seed);
      return {
        reference: await folderOf(root, 'packed', asPhi3(network), configOf(SHARED, { model_type: 'phi3' })),
        candidate: await llamaOf(root, network, 'candidate'),
      };
    },
    expected: { verdict: 'other-layout', layouts: ['packing'] },
  },
  {
    name: 'GPT-NeoX to GGUF',
    story: 'Rows that lie head by head are put in blocks of queries, keys and values.',
    logits: null,
    async make(root, seed) {
      const network = trained(seed, PLAIN);
      const metadata = {
        ...metadataOf(PLAIN, 'gptneox'),
        ...{ 'gptneox.rope.dimension_count': PLAIN.width / 2, 'gptneox.rope.freq_base': 10_000 },
        ...{ 'gptneox.use_parallel_residual': 'true', 'gptneox.attention.layer_norm_epsilon': 1e-5 },
        'gptneox.activation': 'gelu',
      };
      return {
        reference: await neoxOf(root, asNeox(network), 'neox'),
        candidate: writeGguf(join(root, 'neox.gguf'), storedGguf(asNeoxGguf(network), 'F32'), metadata),
      };
    },
    expected: { verdict: 'other-layout', layouts: ['packing'] },
  },
  {
    name: 'experts in one tensor',
    story: 'Mixtral as newer versions of transformers store it: gate and up of all experts in one tensor.',
    logits: null,
    async make(root, seed) {
      const mixture = trainedMixture(seed, 4);
      return {
        reference: await folderOf(root, 'separate', asSeparate(mixture), mixtureConfig(mixture)),
        candidate: await folderOf(root, 'fused', asFused(mixture), mixtureConfig(mixture)),
      };
    },
    expected: { verdict: 'other-layout', layouts: ['packing'] },
  },
  {
    name: 'experts taken apart',
    story: 'The same the other way round, as programs that load one expert at a time want it.',
    logits: null,
    async make(root, seed) {
      const mixture = trainedMixture(seed, 4);
      return {
        reference: await folderOf(root, 'fused', asFused(mixture), mixtureConfig(mixture)),
        candidate: await folderOf(root, 'separate', asSeparate(mixture), mixtureConfig(mixture)),
      };
    },
    expected: { verdict: 'other-layout', layouts: ['packing'] },
  },
  {
    name: 'GPT-2 without the prefix of its class',
    story: 'The oldest files of GPT-2 have no transformer. in their names, and buffers of masks.',
    logits: 'same',
    async make(root, seed) {
      const network = trained(seed, PLAIN);
      const bare = Object.fromEntries(
        Object.entries(asGpt2(network, true)).map(([name, given]) => [name.replace('transformer.', ''), given]),
      );
      const mask = Float64Array.from({ length: PLAIN.positions ** 2 }, (_, at) =>
        at % PLAIN.positions <= at / PLAIN.positions ? 1 : 0,
      );
      for (const [number] of network.layers.entries())
        bare[`h.${number}.attn.bias`] = [mask, 1, 1, PLAIN.positions, PLAIN.positions];
      return {
        reference: await gptOf(root, network, 'prefixed', true),
        candidate: await folderOf(root, 'bare', bare, gptConfigOf()),
      };
    },
    expected: { verdict: ['other-layout', 'same-function'] },
  },
];
