import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { asLlama } from '../../support/whole_transformers.js';
import { renamed, without } from '../edit.js';
import { folderOf, llamaOf } from '../folders.js';
import { configOf, SHARED, trained } from '../models.js';
import type { RightPair } from '../scenario.js';
import { stored, writeArchive, writeFolder, writeShards, writeTorch } from '../write.js';

/** The same weights in other files, and in other types of elements. */
export const containers: readonly RightPair[] = [
  {
    name: 'a copy',
    story: 'What was downloaded, and what was uploaded again.',
    logits: 'same',
    async make(root, seed) {
      const reference = await llamaOf(root, trained(seed));
      cpSync(reference, join(root, 'copy'), { recursive: true });
      return { reference, candidate: join(root, 'copy') };
    },
    expected: { verdict: 'same-bytes' },
  },
  {
    name: 'shards',
    story: 'save_pretrained with max_shard_size.',
    logits: 'same',
    async make(root, seed) {
      const network = trained(seed);
      const candidate = await writeShards(join(root, 'shards'), stored(asLlama(network)), configOf(), 7);
      return { reference: await llamaOf(root, network), candidate };
    },
    expected: { verdict: 'same-function', layouts: [] },
  },
  {
    name: 'safetensors to .bin',
    story: 'pytorch_model.bin, for programs that read nothing else.',
    logits: 'same',
    async make(root, seed) {
      const network = trained(seed);
      const candidate = writeTorch(join(root, 'bin', 'pytorch_model.bin'), stored(asLlama(network)), configOf());
      return { reference: await llamaOf(root, network), candidate };
    },
    expected: { verdict: 'same-function' },
  },
  {
    name: 'a training checkpoint to safetensors',
    story: 'A file of a trainer with the weights under "model", wrapped by torch.compile and DistributedDataParallel.',
    logits: null,
    async make(root, seed) {
      const network = trained(seed);
      const wrapped = renamed(asLlama(network), (name) => `module._orig_mod.${name}`);
      return {
        reference: writeTorch(join(root, 'run', 'ckpt.pt'), stored(wrapped), configOf(), 'model'),
        candidate: await llamaOf(root, network, 'candidate'),
      };
    },
    expected: { verdict: ['same-function', 'other-layout'] },
  },
  {
    name: 'a step under the name of another',
    story:
      'Two steps of a run are told to differ, and one was written twice: that nothing changed is what is to be told.',
    logits: 'same',
    async make(root, seed) {
      const tensors = stored(asLlama(trained(seed)));
      return {
        reference: await writeFolder(join(root, 'step_1000'), tensors, configOf()),
        candidate: writeTorch(join(root, 'step_2000', 'pytorch_model.bin'), tensors, configOf()),
      };
    },
    expected: { verdict: 'same-function' },
  },
  {
    name: 'names behind module.',
    story: 'A state dict that was saved from DistributedDataParallel, in safetensors.',
    logits: null,
    async make(root, seed) {
      const tensors = asLlama(trained(seed));
      return {
        reference: await folderOf(root, 'reference', tensors, configOf()),
        candidate: await folderOf(
          root,
          'wrapped',
          renamed(tensors, (name) => `module.${name}`),
          configOf(),
        ),
      };
    },
    expected: { verdict: ['same-function', 'other-layout'] },
  },
  {
    name: 'safetensors to .npz',
    story: 'The arrays of numpy.savez, for a notebook.',
    logits: 'same',
    async make(root, seed) {
      const network = trained(seed);
      const candidate = await writeArchive(join(root, 'npz', 'model.npz'), stored(asLlama(network)), configOf());
      return { reference: await llamaOf(root, network), candidate };
    },
    expected: { verdict: 'same-function' },
  },
  {
    name: 'more digits',
    story: 'BF16 as single precision, for a processor that has no other, loses nothing.',
    logits: 'same',
    async make(root, seed) {
      const tensors = asLlama(trained(seed));
      const narrow = stored(tensors, 'BF16');
      const wide = Object.fromEntries(
        Object.entries(narrow).map(([name, { shape, bytes }]) => {
          const widened = new Uint8Array(2 * bytes.length);
          for (let at = 0; at < bytes.length; at++) widened[2 * at + 2 - (at % 2)] = bytes[at];
          return [name, { dtype: 'F32', shape, bytes: widened }];
        }),
      );
      return {
        reference: await writeFolder(join(root, 'narrow'), narrow, configOf()),
        candidate: await writeFolder(join(root, 'wide'), wide, configOf()),
      };
    },
    expected: { verdict: 'same-function' },
  },
  {
    name: 'BF16',
    story: 'Rounded to nearest, as torch does it.',
    logits: null,
    async make(root, seed) {
      const tensors = asLlama(trained(seed));
      return {
        reference: await folderOf(root, 'reference', tensors, configOf()),
        candidate: await folderOf(root, 'rounded', tensors, configOf(), 'BF16'),
      };
    },
    expected: { verdict: 'rounded' },
  },
  {
    name: 'a tied head that is stored as well',
    story: 'The embedding serves for the head, and one of the programs writes it under both names.',
    logits: 'same',
    async make(root, seed) {
      const network = trained(seed);
      const config = configOf(SHARED, { tie_word_embeddings: true });
      const twice = asLlama({ ...network, unembedding: network.embedding });
      return {
        reference: await folderOf(root, 'once', without(twice, /lm_head/), config),
        candidate: await folderOf(root, 'twice', twice, config),
      };
    },
    expected: { verdict: ['other-layout', 'same-function'], layouts: ['tied-head'] },
  },
  {
    name: 'a tied head that is no longer stored',
    story: 'The same the other way round.',
    logits: 'same',
    async make(root, seed) {
      const network = trained(seed);
      const config = configOf(SHARED, { tie_word_embeddings: true });
      const twice = asLlama({ ...network, unembedding: network.embedding });
      return {
        reference: await folderOf(root, 'twice', twice, config),
        candidate: await folderOf(root, 'once', without(twice, /lm_head/), config),
      };
    },
    expected: { verdict: ['other-layout', 'same-function'], layouts: ['tied-head'] },
  },
  {
    name: 'another spelling of the settings',
    story: 'A config.json of another version of the library, which nests the rotary embedding and leaves defaults out.',
    logits: 'same',
    async make(root, seed) {
      const tensors = asLlama(trained(seed));
      const { rope_theta, attention_bias: _, ...config } = configOf();
      const nested = { ...config, rope_parameters: { rope_type: 'default', rope_theta } };
      return {
        reference: await folderOf(root, 'old', tensors, configOf()),
        candidate: await folderOf(root, 'new', tensors, nested),
      };
    },
    // The tensors are the same to the byte.
    expected: { verdict: ['same-bytes', 'same-function'] },
  },
];
