import { join } from 'node:path';
import type { Given } from '../../support/transformers.js';
import { asLlama } from '../../support/whole_transformers.js';
import { folderOf } from '../folders.js';
import { configOf, SHARED, trained } from '../models.js';
import { asFp8, asGptq, asPacked, FP8_CONFIG, gptqConfig, PACKED_CONFIG } from '../quantisers.js';
import type { ExpectedFault, FaultyPair } from '../scenario.js';
import { type AllStored, type Config, type Stored, writeFolder } from '../write.js';

function quantised(
  name: string,
  story: string,
  expected: ExpectedFault,
  quantise: (tensors: Given) => AllStored,
  more: Config,
): FaultyPair {
  return {
    ...{ name, story, expected, logits: null },
    async make(root, seed) {
      const tensors = asLlama(trained(seed));
      const candidate = await writeFolder(join(root, 'quantised'), quantise(tensors), configOf(SHARED, more));
      return { reference: await folderOf(root, 'reference', tensors, configOf()), candidate };
    },
  };
}

const withPart = (all: AllStored, name: string, change: (part: Stored) => Uint8Array): AllStored => ({
  ...all,
  [name]: { ...all[name], bytes: change(all[name]) },
});
const DOWN = 'model.layers.1.mlp.down_proj';

/** Quantised weights that are worse than their format makes them. */
export const quantisedFaults: readonly FaultyPair[] = [
  quantised(
    'a packed layer that collapsed',
    'Every byte of a layer of four bits is 0x88: it was packed from zeros, since its weights were on the meta device.',
    { cause: 'collapsed', tensor: new RegExp(`^${DOWN}`) },
    (tensors) => withPart(asPacked(tensors), `${DOWN}.weight_packed`, ({ bytes }) => bytes.map(() => 0x88)),
    PACKED_CONFIG,
  ),
  quantised(
    'zero points of GPTQ off by one',
    'Stored as the second version has them and read as the first, which adds one to each.',
    { cause: ['coarse', 'perturbed'], tensor: /^model\.layers\.0\.self_attn\.q_proj/ },
    (tensors) => asGptq(tensors, 0),
    gptqConfig('gptq'),
  ),
  quantised(
    'halves of the bytes exchanged',
    'Two numbers lie in every byte, and a kernel reads the upper one first.',
    { cause: ['coarse', 'numbers-moved', 'replaced'], tensor: /^model\.layers\.0\.self_attn\.q_proj/ },
    (tensors) =>
      Object.fromEntries(
        Object.entries(asPacked(tensors)).map(([name, part]) => [
          name,
          name.endsWith('weight_packed')
            ? { ...part, bytes: part.bytes.map((byte) => (byte >> 4) | ((byte & 15) << 4)) }
            : part,
        ]),
      ),
    PACKED_CONFIG,
  ),
  quantised(
    'scales of another layer',
    'Scales were saved under the names of the layer before.',
    { cause: ['coarse', 'perturbed'], tensor: new RegExp(`^${DOWN}`) },
    (tensors) => {
      const all = asFp8(tensors);
      return withPart(all, `${DOWN}.weight_scale_inv`, () => all[`${DOWN.replace('1', '0')}.weight_scale_inv`].bytes);
    },
    FP8_CONFIG,
  ),
];
