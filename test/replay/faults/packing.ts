import { type Given, joined, rowsOf, transposed } from '../../support/transformers.js';
import { asGpt2, asLlama, asNeox, asPhi3 } from '../../support/whole_transformers.js';
import { changed, exchanged } from '../edit.js';
import { folderOf, gptOf, llamaOf, neoxOf } from '../folders.js';
import { asFused, asSeparate, mixtureConfig, trainedDiffusion, trainedMixture } from '../layouts.js';
import { configOf, gptConfigOf, PLAIN, SHARED, trained } from '../models.js';
import type { FaultyPair } from '../scenario.js';
import { stored, writeFolder } from '../write.js';

const PHI3 = configOf(SHARED, { model_type: 'phi3' });
const { units } = SHARED;
/** Rows of two halves, one of each in turn, and back. */
const alternating = (count: number) => Array.from({ length: count }, (_, i) => (i % 2) * (count / 2) + (i >> 1));
const apart = (count: number) => Array.from({ length: count }, (_, i) => (i < count / 2 ? 2 * i : 2 * i + 1 - count));
/** The second half before the first. */
const turnedRound = (data: Float64Array) => joined(data.slice(data.length / 2), data.slice(0, data.length / 2));
/** One expert after the other in the order of their names as texts: 0, 1, 10, 11, 2, … */
const asTexts = (count: number) =>
  Array.from({ length: count }, (_, i) => String(i))
    .sort()
    .map(Number);

/** What lies in one tensor, or in two, put together or taken apart in the wrong way. */
export const packingFaults: readonly FaultyPair[] = [
  {
    name: 'gate and up exchanged',
    story: 'w1 and w3 in the wrong order of a table of names.',
    logits: 'other',
    async make(root, seed) {
      const tensors = asLlama(trained(seed));
      return {
        reference: await folderOf(root, 'reference', tensors, configOf()),
        candidate: await folderOf(root, 'candidate', exchanged(tensors, 'gate_proj', 'up_proj'), configOf()),
      };
    },
    expected: { cause: 'swapped', tensor: 'model.layers.0.mlp.gate_proj.weight' },
  },
  {
    name: 'up packed before gate',
    story: 'gate_up_proj was joined in the order of vLLM of another model.',
    logits: 'other',
    async make(root, seed) {
      const network = trained(seed);
      const wrong = changed(asPhi3(network), /gate_up/, turnedRound);
      return { reference: await llamaOf(root, network), candidate: await folderOf(root, 'packed', wrong, PHI3) };
    },
    expected: { cause: ['swapped', 'packing'], tensor: 'model.layers.0.mlp.gate_up_proj.weight' },
  },
  {
    name: 'gate and up packed row by row',
    story: 'Rows alternate, as gpt-oss has them, where halves are wanted.',
    logits: 'other',
    async make(root, seed) {
      const network = trained(seed);
      const order = alternating(2 * units);
      const wrong = changed(asPhi3(network), /gate_up/, (data) => rowsOf(data, SHARED.d, order));
      return { reference: await llamaOf(root, network), candidate: await folderOf(root, 'packed', wrong, PHI3) };
    },
    expected: { cause: 'packing', tensor: 'model.layers.0.mlp.gate_up_proj.weight' },
  },
  {
    name: 'values packed before keys',
    story: 'qkv_proj was joined as q, v, k.',
    logits: 'other',
    async make(root, seed) {
      const network = trained(seed);
      const layers = network.layers.map((one) => ({ ...one, key: one.value, value: one.key }));
      const wrong = asPhi3({ ...network, layers });
      return { reference: await llamaOf(root, network), candidate: await folderOf(root, 'packed', wrong, PHI3) };
    },
    expected: { cause: ['swapped', 'packing'], tensor: 'model.layers.0.self_attn.qkv_proj.weight' },
  },
  {
    name: 'GPT-NeoX in blocks of queries, keys and values',
    story: 'Rows lie head by head ([H, 3, D]) and were written as [3, H, D].',
    logits: 'other',
    async make(root, seed) {
      const network = trained(seed, PLAIN);
      const wrong = changed(asNeox(network), /query_key_value/, (_, [, inputs], name) => {
        const one = network.layers[Number(/\d+/.exec(name)![0])];
        if (inputs === undefined) return joined(one.queryBias, one.keyBias, one.valueBias);
        return joined(one.query, one.key, one.value);
      });
      return {
        reference: await neoxOf(root, asNeox(network), 'reference'),
        candidate: await neoxOf(root, wrong, 'candidate'),
      };
    },
    expected: { cause: 'packing', tensor: 'gpt_neox.layers.0.attention.query_key_value.weight' },
  },
  {
    name: 'a square Conv1D that was not transposed',
    story: 'c_attn and the MLP were transposed, for their shapes did not fit, and c_proj of attention was not.',
    logits: 'other',
    async make(root, seed) {
      const network = trained(seed, PLAIN);
      const wrong = changed(asGpt2(network, false), /attn\.c_proj\.weight/, (data) =>
        transposed(data, PLAIN.d, PLAIN.d),
      );
      return {
        reference: await gptOf(root, network, 'conv', true),
        candidate: await folderOf(root, 'linear', wrong, gptConfigOf()),
      };
    },
    expected: { cause: 'transposed', tensor: 'transformer.h.0.attn.c_proj.weight' },
  },
  {
    name: 'gate and up of experts taken apart row by row',
    story: 'gate_up_proj of all experts has halves, and was sliced [:, ::2] and [:, 1::2].',
    logits: null,
    async make(root, seed) {
      const mixture = trainedMixture(seed, 4);
      const order = apart(2 * mixture.sizes.units);
      const { d, units: own } = mixture.sizes;
      const experts = mixture.experts.map((all) =>
        all.map(({ gate, up, down }) => {
          const sliced = rowsOf(joined(gate, up), d, order);
          return { gate: sliced.slice(0, own * d), up: sliced.slice(own * d), down };
        }),
      );
      return {
        reference: await folderOf(root, 'fused', asFused(mixture), mixtureConfig(mixture)),
        candidate: await folderOf(root, 'separate', asSeparate({ ...mixture, experts }), mixtureConfig(mixture)),
      };
    },
    expected: { cause: 'packing', tensor: 'model.layers.0.block_sparse_moe.experts.0.w1.weight' },
  },
  {
    name: 'experts in the order of their names as texts',
    story: 'A sorted list of names has expert 10 before expert 2, and the router does not.',
    logits: null,
    async make(root, seed) {
      const mixture = trainedMixture(seed, 12, { ...SHARED, units: 8 });
      const order = asTexts(12);
      const wrong = asSeparate(mixture, (expert) => order[expert]);
      return {
        reference: await folderOf(root, 'reference', asSeparate(mixture), mixtureConfig(mixture)),
        candidate: await folderOf(root, 'candidate', wrong, mixtureConfig(mixture)),
      };
    },
    expected: { cause: 'other-expert', tensor: 'model.layers.0.block_sparse_moe.experts.2.w1.weight', text: /\b10\b/ },
  },
  {
    name: 'one expert for all',
    story: 'A loop over experts that always reads the first: expert axis and layer axis were mixed up.',
    logits: null,
    async make(root, seed) {
      const mixture = trainedMixture(seed, 4);
      return {
        reference: await folderOf(root, 'fused', asFused(mixture), mixtureConfig(mixture)),
        candidate: await folderOf(
          root,
          'separate',
          asSeparate(mixture, () => 0),
          mixtureConfig(mixture),
        ),
      };
    },
    expected: { cause: 'other-expert', tensor: 'model.layers.0.block_sparse_moe.experts.1.w1.weight' },
  },
  {
    name: 'gain and shift of a norm exchanged',
    story: 'Weight and bias of a LayerNorm have the same shape.',
    logits: 'other',
    async make(root, seed) {
      const tensors = asGpt2(trained(seed, PLAIN), true);
      const wrong: Given = {
        ...tensors,
        'transformer.h.1.ln_2.weight': tensors['transformer.h.1.ln_2.bias'],
        'transformer.h.1.ln_2.bias': tensors['transformer.h.1.ln_2.weight'],
      };
      return {
        reference: await folderOf(root, 'reference', tensors, gptConfigOf()),
        candidate: await folderOf(root, 'candidate', wrong, gptConfigOf()),
      };
    },
    expected: { cause: 'swapped', tensor: 'transformer.h.1.ln_2.weight' },
  },
  {
    name: 'scale and shift of a diffusion transformer exchanged',
    story: 'norm_out.linear gives shift and scale in the other order than the original: halves were not turned round.',
    logits: null,
    async make(root, seed) {
      const tensors = trainedDiffusion(seed);
      const wrong = changed(tensors, /norm_out\.linear/, turnedRound);
      return {
        reference: await writeFolder(`${root}/reference`, stored(tensors)),
        candidate: await writeFolder(`${root}/candidate`, stored(wrong)),
      };
    },
    expected: { cause: ['swapped', 'packing'], tensor: 'norm_out.linear.weight' },
  },
];
