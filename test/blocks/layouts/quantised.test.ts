import { describe, expect, test } from 'vitest';
import { recogniseBlocks } from '../../../lib/model/transformers/layouts/table.js';
import { BlockSettings } from '../../../lib/model/transformers/settings.js';
import { llamaTensors, smallLayer } from '../../support/transformers.js';

const settings = () =>
  new BlockSettings('model', [
    { name: 'config.json', values: { n_head: 4, num_key_value_heads: 2, hidden_act: 'silu' } },
  ]);
const plain = Object.entries(llamaTensors([smallLayer(1)])).map(([name, [, ...shape]]) => ({
  name,
  shape,
  dtype: 'F32',
}));
type Listed = (typeof plain)[number];

function recognised(listed: readonly Listed[]) {
  return recogniseBlocks(new Map(listed.map((tensor) => [tensor.name, tensor])), settings());
}

/** Every matrix of the layer is another, of another type, with tensors beside it. */
const quantised = (dtype: string, name: string, ...beside: readonly string[]): Listed[] =>
  plain.flatMap((tensor) => {
    const module = /^(model\.layers\..*_proj)\.weight$/.exec(tensor.name)?.[1];
    if (module === undefined) return [tensor];
    return [
      { ...tensor, name: module + name, dtype },
      ...beside.map((own) => ({ name: module + own, shape: [1], dtype: 'F32' })),
    ];
  });

describe('weights that are quantised are refused in words', () => {
  test.each<[string, Listed[], RegExp]>([
    ['MLX', quantised('U32', '.weight', '.scales', '.biases'), /quantised \(MLX: "model\.layers\.0\..*scales"\)/],
    ['GPTQ', quantised('I32', '.qweight', '.qzeros', '.scales', '.g_idx'), /quantised \(GPTQ or AWQ/],
    ['compressed-tensors', quantised('I32', '.weight_packed', '.weight_scale'), /compressed-tensors/],
    ['bitsandbytes', quantised('U8', '.weight', '.weight.absmax', '.weight.quant_map'), /bitsandbytes/],
    ['LLM.int8', quantised('I8', '.weight', '.SCB'), /LLM\.int8/],
    ['FP8', quantised('F8_E4M3', '.weight', '.weight_scale_inv'), /FP8/],
    ['torchao', quantised('F8_E4M3', '.weight:qdata', '.weight:scale'), /torchao/],
    ['GGUF', quantised('Q4_K', '.weight'), /GGUF's Q4_K/],
    ['HQQ', quantised('U8', '.W_q', '.meta'), /HQQ/],
    ['EXL2', quantised('I32', '.q_weight', '.q_scale'), /EXL2/],
    ['EXL3', quantised('I16', '.trellis', '.suh'), /EXL3/],
    ['QuIP#', quantised('I64', '.Qidxs', '.SU'), /QuIP#/],
    ['Quanto', quantised('I8', '.weight._data', '.weight._scale'), /Quanto/],
    ['NVFP4', quantised('U8', '.weight', '.weight_scale_2', '.weight_scale'), /NVFP4/],
  ])('%s', (_, listed, message) => {
    expect(() => recognised(listed)).toThrow(expect.objectContaining({ code: 'UNSUPPORTED_DTYPE' }));
    expect(() => recognised(listed)).toThrow(message);
  });

  test('and weights that are not are read, whatever lies beside them', () => {
    const network = recognised([
      ...plain,
      { name: 'model.layers.0.self_attn.k_scales.scales', shape: [1], dtype: 'F32' },
    ]);
    expect(network).toMatchObject({ layout: 'llama', width: 12 });
  });
});
