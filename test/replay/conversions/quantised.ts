import { join } from 'node:path';
import type { Given } from '../../support/transformers.js';
import { asGguf, asLlama } from '../../support/whole_transformers.js';
import { folderOf, ggufOf } from '../folders.js';
import { configOf, metadataOf, SHARED, type Sizes, trained } from '../models.js';
import {
  AWQ_CONFIG,
  asAwq,
  asFp8,
  asGptq,
  asLlmInt8,
  asMlx,
  asNf4,
  asPacked,
  FP8_CONFIG,
  gptqConfig,
  LLM_INT8_CONFIG,
  MLX_CONFIG,
  NF4_CONFIG,
  PACKED_CONFIG,
} from '../quantisers.js';
import type { RightPair } from '../scenario.js';
import { type AllStored, type Config, type GgufTypes, writeFolder } from '../write.js';

function quantised(
  name: string,
  story: string,
  quantise: (tensors: Given) => AllStored,
  more: Config,
  layouts: RightPair['expected']['layouts'] = [],
): RightPair {
  return {
    ...{ name, story, logits: null, expected: { verdict: 'quantised', layouts } },
    async make(root, seed) {
      const tensors = asLlama(trained(seed));
      const candidate = await writeFolder(join(root, 'quantised'), quantise(tensors), configOf(SHARED, more));
      return { reference: await folderOf(root, 'reference', tensors, configOf()), candidate };
    },
  };
}

function gguf(name: string, story: string, types: GgufTypes, sizes: Sizes = SHARED): RightPair {
  return {
    ...{ name, story, logits: null, expected: { verdict: 'quantised', layouts: ['interleaved-pairs'] } },
    async make(root, seed) {
      const network = trained(seed, sizes);
      return {
        reference: await folderOf(root, 'reference', asLlama(network), configOf(sizes)),
        candidate: ggufOf(root, asGguf(network), types, metadataOf(sizes)),
      };
    },
  };
}

/** The scale that feature or unit i is made larger by. */
const scaleOf = (i: number): number => 2 ** (((i * 7) % 5) / 2 - 1);

/** The same function with larger columns behind norms and behind the up branch, as AWQ has it before it rounds. */
function smoothed(tensors: Given): Given {
  const byColumn = (data: Float64Array, columns: number, power: 1 | -1) =>
    data.map((value, at) => value * scaleOf(at % columns) ** power);
  const byRow = (data: Float64Array, columns: number) =>
    data.map((value, at) => value / scaleOf(Math.floor(at / columns)));
  return Object.fromEntries(
    Object.entries(tensors).map(([name, [data, ...shape]]): [string, Given[string]] => {
      const [rows, columns = 1] = shape;
      const change = (values: Float64Array): Float64Array => {
        if (/(?:input|attention)_layernorm/.test(name)) return byColumn(values, rows, -1);
        if (/[qkv]_proj|gate_proj/.test(name)) return byColumn(values, columns, 1);
        if (/up_proj/.test(name)) return byRow(byColumn(values, columns, 1), columns);
        return /down_proj/.test(name) ? byColumn(values, columns, 1) : values;
      };
      return [name, [change(data), ...shape]];
    }),
  );
}

/** Rows are whole blocks of 256: one layer of it has as many numbers as the others have in three. */
const LARGE: Sizes = { ...SHARED, d: 256, width: 32, units: 256, layers: 1 };

/** Quantised as well as rounding to nearest does it. */
export const quantisations: readonly RightPair[] = [
  quantised(
    'GPTQ',
    'Four bits with zero points, of which one less is stored.',
    (all) => asGptq(all, 1),
    gptqConfig('gptq'),
  ),
  quantised(
    'GPTQ of the second version',
    'The same with zero points as they are.',
    (all) => asGptq(all, 0),
    gptqConfig('gptq_v2'),
  ),
  quantised('compressed-tensors', 'Four bits around 8, packed.', asPacked, PACKED_CONFIG),
  quantised('AWQ', 'Four bits for the GEMM kernels, packed along the outputs.', asAwq, AWQ_CONFIG),
  quantised(
    'AWQ with its scales',
    'Columns of what reads are made larger before they are quantised, and gains and rows that give them smaller.',
    (tensors) => asAwq(smoothed(tensors)),
    AWQ_CONFIG,
    ['norm-folded', 'units-rescaled'],
  ),
  quantised('LLM.int8', 'Eight bits, a scale for every row, as bitsandbytes stores it.', asLlmInt8, LLM_INT8_CONFIG),
  quantised('MLX', 'Four bits with a scale and an offset for every group.', asMlx, MLX_CONFIG),
  quantised('nf4', 'As bitsandbytes stores it, without double quantisation.', asNf4, NF4_CONFIG),
  quantised('fp8', 'With a scale for every square block, as DeepSeek has it.', asFp8, FP8_CONFIG),
  gguf('Q8_0', 'Eight bits, from transformers at once: convert_hf_to_gguf with --outtype q8_0.', 'Q8_0'),
  gguf('Q4_0', 'Four bits.', 'Q4_0'),
  gguf(
    'Q4_K_M',
    'As llama-quantize mixes them: some matrices have six bits.',
    (name) => (/ffn_down|attn_v|output|token_embd/.test(name) ? 'Q6_K' : 'Q4_K'),
    LARGE,
  ),
];
