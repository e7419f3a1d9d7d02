import { asGguf, asGpt2, asLlama, asNeox } from '../../support/whole_transformers.js';
import { folderOf, ggufOf } from '../folders.js';
import { configOf, gptConfigOf, metadataOf, neoxConfigOf, PLAIN, SHARED, trained } from '../models.js';
import type { FaultyPair } from '../scenario.js';
import type { Config } from '../write.js';

/** Of Llama 3.1. */
const SCALING = {
  ...{ rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4 },
  original_max_position_embeddings: 64,
};

/** Llama with settings, and with others. */
function llama(
  name: string,
  story: string,
  text: RegExp,
  reference: Config,
  candidate: Config,
  logits: FaultyPair['logits'] = 'other',
): FaultyPair {
  return {
    ...{ name, story, logits, expected: { cause: 'setting', tensor: null, text } },
    async make(root, seed) {
      const tensors = asLlama(trained(seed));
      return {
        reference: await folderOf(root, 'reference', tensors, { ...configOf(), ...reference }),
        candidate: await folderOf(root, 'candidate', tensors, { ...configOf(), ...candidate }),
      };
    },
  };
}

const { rope_theta: _, ...withoutBase } = configOf();

/** All numbers are right, and a setting is not. */
export const settingFaults: readonly FaultyPair[] = [
  {
    name: 'the base of the rotary embedding is missing',
    story: 'config.json does not say rope_theta, so that programs take 10,000 for 500,000.',
    logits: 'other',
    async make(root, seed) {
      const tensors = asLlama(trained(seed));
      return {
        reference: await folderOf(root, 'reference', tensors, configOf()),
        candidate: await folderOf(root, 'candidate', tensors, withoutBase),
      };
    },
    expected: { cause: 'setting', tensor: null, text: /10,?000.*500,?000|500,?000.*10,?000/ },
  },
  llama(
    'the scaling of the rotary embedding is missing',
    "Llama 3.1's rope_scaling was dropped by a program that did not know it.",
    /rotary|rope|scal/i,
    { rope_scaling: SCALING },
    {},
    // The model is given eight positions, at which a stretched embedding differs little.
    null,
  ),
  llama(
    'another epsilon',
    'rms_norm_eps is 1e-6 where the network was trained with 1e-5: a default of the library.',
    /epsilon|eps/i,
    {},
    { rms_norm_eps: 1e-6 },
    null,
  ),
  llama(
    'half as many heads',
    'config.json of another size: shapes fit all the same.',
    /heads.*\b(?:4|8)\b/i,
    {},
    { num_attention_heads: 4, num_key_value_heads: 2 },
  ),
  llama(
    'another activation',
    'hidden_act is gelu where the network was trained with silu.',
    /gelu.*silu|silu.*gelu/i,
    {},
    { hidden_act: 'gelu' },
  ),
  {
    name: 'gelu for its approximation',
    story: 'activation_function is gelu where GPT-2 has gelu_new, by tanh.',
    logits: null,
    async make(root, seed) {
      const tensors = asGpt2(trained(seed, PLAIN), true);
      return {
        reference: await folderOf(root, 'reference', tensors, gptConfigOf()),
        candidate: await folderOf(root, 'candidate', tensors, { ...gptConfigOf(), activation_function: 'gelu' }),
      };
    },
    expected: { cause: 'setting', tensor: null, text: /gelu/i },
  },
  {
    name: 'all of a head turns',
    story: 'rotary_pct is missing in a config.json that was written by hand, and is 0.5 of the network.',
    logits: 'other',
    async make(root, seed) {
      const tensors = asNeox(trained(seed, PLAIN));
      return {
        reference: await folderOf(root, 'reference', tensors, neoxConfigOf()),
        candidate: await folderOf(root, 'candidate', tensors, { ...neoxConfigOf(), rotary_pct: 1 }),
      };
    },
    expected: { cause: 'setting', tensor: null, text: /rotary|rope|turn/i },
  },
  {
    name: 'a GGUF without the base of the rotary embedding',
    story: 'A converter that was written before Llama 3 leaves rope.freq_base out.',
    logits: 'other',
    async make(root, seed) {
      const network = trained(seed);
      const { 'llama.rope.freq_base': __, ...metadata } = metadataOf(SHARED);
      return {
        reference: await folderOf(root, 'reference', asLlama(network), configOf()),
        candidate: ggufOf(root, asGguf(network), 'F32', metadata),
      };
    },
    expected: { cause: 'setting', tensor: null, text: /10,?000.*500,?000|500,?000.*10,?000/ },
  },
];
