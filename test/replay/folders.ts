import { join } from 'node:path';
import type { FloatFormat } from '../../lib/tensor/convert.js';
import type { Given } from '../support/transformers.js';
import { asGpt2, asLlama, type SmallTransformer } from '../support/whole_transformers.js';
import { configOf, gptConfigOf, metadataOf, neoxConfigOf, PLAIN, SHARED } from './models.js';
import { type Config, type GgufTypes, stored, storedGguf, writeFolder, writeGguf, writeTorch } from './write.js';

/* The files that scenarios ask about most. */

/** A folder of transformers. */
export const folderOf = (root: string, name: string, tensors: Given, config: Config, dtype: FloatFormat = 'F32') =>
  writeFolder(join(root, name), stored(tensors, dtype), config);

/** Llama as transformers has it. */
export const llamaOf = (root: string, network: SmallTransformer, name = 'reference', more: Config = {}) =>
  folderOf(root, name, asLlama(network), configOf(SHARED, more));

export const META = {
  ...{ dim: SHARED.d, n_layers: SHARED.layers, n_heads: SHARED.heads, n_kv_heads: SHARED.groups },
  ...{ norm_eps: 1e-5, rope_theta: 500_000, vocab_size: SHARED.tokens },
};

/** Llama as Meta has it. */
export const metaOf = (root: string, tensors: Given, name = 'meta') =>
  writeTorch(join(root, name, 'consolidated.00.pth'), stored(tensors), META);

/** Llama as llama.cpp has it. */
export const ggufOf = (root: string, tensors: Given, dtype: GgufTypes = 'F32', metadata = metadataOf()) =>
  writeGguf(join(root, 'gguf', 'model.gguf'), storedGguf(tensors, dtype), metadata);

/** GPT-2, inputs by outputs or outputs by inputs. */
export const gptOf = (root: string, network: SmallTransformer, name: string, conv: boolean) =>
  folderOf(root, name, asGpt2(network, conv), gptConfigOf());

export const neoxOf = (root: string, tensors: Given, name: string) =>
  folderOf(root, name, tensors, neoxConfigOf(PLAIN));
