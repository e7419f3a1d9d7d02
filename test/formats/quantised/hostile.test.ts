import { truncateSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { similarityOfBlocks } from '../../../lib/blocks/similarity_of_blocks.js';
import { inspect } from '../../../lib/model/reading/inspect.js';
import { withCheckpoint } from '../../../lib/model/reading/model_file.js';
import {
  awq,
  fourBits,
  fp8,
  gptq,
  llmInt8,
  mlx,
  packedIntegers,
  type Quantiser,
  torchao,
} from '../../support/quantisers.js';
import { random } from '../../support/random.js';
import { type RawTensor, writeRaw } from '../../support/stored_tensors.js';
import { rejection, temporaryFolder } from '../safetensors/helpers.js';

const root = temporaryFolder();
const integers = packedIntegers(4);
const MODULE = 'model.layers.0.self_attn.q_proj';

/** What is done to the tensors of one quantised weight, by what follows the name of its module. */
type Change = (parts: Record<string, RawTensor>) => Record<string, unknown> | undefined;

const without =
  (...names: string[]): Change =>
  (parts) => {
    for (const name of names) delete parts[name];
    return undefined;
  };
const shaped =
  (name: string, ...shape: number[]): Change =>
  (parts) => {
    parts[name] = { ...parts[name], shape };
    return undefined;
  };
/** Cuts a tensor short, with its data. */
const cut =
  (name: string, ...shape: number[]): Change =>
  (parts) => {
    const { bytes, shape: old } = parts[name];
    const size = (extents: readonly number[]) => extents.reduce((product, extent) => product * extent, 1);
    parts[name] = { ...parts[name], shape, bytes: bytes.subarray(0, (bytes.length / size(old)) * size(shape)) };
    return undefined;
  };
const filled =
  (name: string, dtype: string, data: ArrayBufferView, ...shape: number[]): Change =>
  (parts) => {
    parts[name] = { dtype, shape, bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
    return undefined;
  };
const all =
  (...changes: readonly Change[]): Change =>
  (parts) => {
    for (const change of changes) change(parts);
    return undefined;
  };
const told =
  (config: Record<string, unknown>): Change =>
  () =>
    config;
const state = (fields: Record<string, unknown> | string): Change => {
  const text = typeof fields === 'string' ? fields : JSON.stringify(fields);
  return filled('weight.quant_state.bitsandbytes__nf4', 'U8', Buffer.from(text), text.length);
};

const indices = (first: number) => Int32Array.from({ length: 32 }, (_, i) => (i === 5 ? first : i >> 4));

const CASES: readonly (readonly [name: string, Quantiser, Change, code: string, message: RegExp])[] = [
  [
    'GPTQ without scales',
    gptq(false),
    without('scales'),
    'INVALID_FILE',
    /q_proj\.qweight": .*q_proj\.scales" is missing/,
  ],
  ['GPTQ without zero points', gptq(false), without('qzeros'), 'INVALID_FILE', /q_proj\.qzeros" is missing/],
  [
    'GPTQ with scales of fewer outputs',
    gptq(false),
    cut('scales', 2, 24),
    'SHAPE_MISMATCH',
    /q_proj\.scales": has the shape \[2, 24\]/,
  ],
  ['GPTQ with scales turned around', gptq(false), shaped('scales', 32, 2), 'SHAPE_MISMATCH', /scales/],
  ['GPTQ with one number of scales', gptq(false), cut('scales', 2), 'SHAPE_MISMATCH', /groups by outputs/],
  ['GPTQ with no groups', gptq(false), cut('scales', 0, 32), 'SHAPE_MISMATCH', /one group at least/],
  ['GPTQ with fewer zero points', gptq(false), cut('qzeros', 1, 4), 'SHAPE_MISMATCH', /qzeros/],
  [
    'GPTQ with groups that there are not',
    gptq(false),
    filled('g_idx', 'I32', indices(2), 32),
    'INVALID_FILE',
    /column 5 is in group 2, and there are 2/,
  ],
  [
    'GPTQ with negative groups',
    gptq(false),
    filled('g_idx', 'I32', indices(-7), 32),
    'INVALID_FILE',
    /column 5 is in group -7/,
  ],
  ['GPTQ with an order of fewer columns', gptq(false), cut('g_idx', 16), 'SHAPE_MISMATCH', /q_proj/],
  [
    'GPTQ in groups that inputs are no multiple of',
    gptq(false),
    all(
      without('g_idx'),
      filled('scales', 'F16', new Uint8Array(2 * 3 * 32).fill(0x3c), 3, 32),
      filled('qzeros', 'I32', new Int32Array(12), 3, 4),
    ),
    'SHAPE_MISMATCH',
    /no such groups/,
  ],
  [
    'GPTQ with scales that are integers',
    gptq(false),
    filled('scales', 'I16', new Int16Array(64), 2, 32),
    'UNSUPPORTED_DTYPE',
    /scales weights, and its elements are of type I16/,
  ],
  [
    'GPTQ of another packing',
    gptq(false),
    told({ quantization_config: { checkpoint_format: 'marlin' } }),
    'UNSUPPORTED_DTYPE',
    /quantised \(GPTQ or AWQ/,
  ],
  ['AWQ without zero points', awq, without('qzeros'), 'INVALID_FILE', /q_proj\.qzeros" is missing/],
  ['AWQ with fewer zero points', awq, cut('qzeros', 1, 4), 'SHAPE_MISMATCH', /qzeros/],
  [
    'AWQ for GEMV',
    awq,
    told({ quantization_config: { version: 'gemv' } }),
    'UNSUPPORTED_DTYPE',
    /quantised \(GPTQ or AWQ/,
  ],
  ['packed integers without a shape', integers, without('weight_shape'), 'INVALID_FILE', /weight_shape" is missing/],
  [
    'packed integers of a shape that is not theirs',
    integers,
    filled('weight_shape', 'I64', BigInt64Array.of(32n, 64n), 2),
    'SHAPE_MISMATCH',
    /32 by 64 numbers/,
  ],
  [
    'packed integers of an absurd shape',
    integers,
    filled('weight_shape', 'I64', BigInt64Array.of(32n, 2n ** 62n), 2),
    'INVALID_FILE',
    /no shape/,
  ],
  [
    'packed integers of a negative shape',
    integers,
    filled('weight_shape', 'I64', BigInt64Array.of(-1n, 32n), 2),
    'INVALID_FILE',
    /no shape/,
  ],
  ['packed integers without scales', integers, without('weight_scale'), 'INVALID_FILE', /weight_scale" is missing/],
  [
    'packed integers with scales in uneven groups',
    integers,
    filled('weight_scale', 'F16', new Uint8Array(32 * 2 * 5), 32, 5),
    'SHAPE_MISMATCH',
    /weight_scale/,
  ],
  [
    'packed integers with odd zero points',
    integers,
    filled('weight_zero_point', 'I32', new Int32Array(2), 1, 2),
    'SHAPE_MISMATCH',
    /zero points are expected/,
  ],
  [
    'packed integers with an order of nothing',
    integers,
    filled('weight_g_idx', 'I32', indices(9), 32),
    'INVALID_FILE',
    /is in group 9/,
  ],
  ['nf4 without its largest numbers', fourBits, without('weight.absmax'), 'INVALID_FILE', /weight\.absmax" is missing/],
  [
    'nf4 without its state',
    fourBits,
    without('weight.quant_state.bitsandbytes__nf4'),
    'INVALID_FILE',
    /quant_state\.bitsandbytes__nf4" is missing/,
  ],
  ['nf4 without its table', fourBits, without('weight.quant_map'), 'INVALID_FILE', /quant_map" is missing/],
  ['nf4 with a table of fewer', fourBits, cut('weight.quant_map', 8), 'SHAPE_MISMATCH', /16 numbers/],
  ['nf4 with fewer blocks', fourBits, cut('weight.absmax', 3), 'SHAPE_MISMATCH', /there are 16 blocks/],
  ['nf4 with a state that is no JSON', fourBits, state('{"shape": [32,'), 'INVALID_FILE', /is no JSON/],
  ['nf4 with a state of nothing', fourBits, state('null'), 'INVALID_FILE', /no "shape"/],
  ['nf4 of a shape that is none', fourBits, state({ shape: [32, -32], blocksize: 64 }), 'INVALID_FILE', /no "shape"/],
  [
    'nf4 of an absurd shape',
    fourBits,
    state({ shape: [2 ** 40, 2 ** 40], blocksize: 64 }),
    'INVALID_FILE',
    /no "shape"/,
  ],
  [
    'nf4 of a shape that is not its own',
    fourBits,
    state({ shape: [32, 64], blocksize: 64 }),
    'SHAPE_MISMATCH',
    /\[32, 64\] are to be packed/,
  ],
  ['nf4 in blocks of nothing', fourBits, state({ shape: [32, 32], blocksize: 0 }), 'INVALID_FILE', /no "blocksize"/],
  [
    'nf4 in absurd blocks',
    fourBits,
    state({ shape: [32, 32], blocksize: 2 ** 50 }),
    'SHAPE_MISMATCH',
    /there are 1 blocks/,
  ],
  [
    'nf4 with nested scales that nothing is said of',
    fourBits,
    filled('weight.absmax', 'U8', new Uint8Array(16), 16),
    'INVALID_FILE',
    /nested_blocksize/,
  ],
  ['LLM.int8 with fewer scales', llmInt8, cut('SCB', 8), 'SHAPE_MISMATCH', /32 numbers of F32/],
  ['LLM.int8 in tiles', llmInt8, filled('weight_format', 'U8', Uint8Array.of(2)), 'UNSUPPORTED_DTYPE', /lies in tiles/],
  ['FP8 with scales of no blocks', fp8, cut('weight_scale_inv', 3, 2), 'SHAPE_MISMATCH', /weight_scale_inv/],
  ['FP8 with scales of more axes', fp8, shaped('weight_scale_inv', 2, 2, 2), 'SHAPE_MISMATCH', /weight_scale_inv/],
  [
    'FP8 without scales, where others have them',
    fp8,
    without('weight_scale_inv'),
    'INVALID_FILE',
    /no scale of it is in the file/,
  ],
  ['MLX without its offsets', mlx, without('biases'), 'INVALID_FILE', /q_proj\.biases" is missing/],
  ['MLX without its scales', mlx, without('scales'), 'INVALID_FILE', /q_proj\.scales" is missing/],
  ['MLX of which nothing is said', mlx, told({ quantization: undefined }), 'INVALID_FILE', /by how many bits/],
  [
    'MLX in groups of nothing',
    mlx,
    told({ quantization: { bits: 4, group_size: 0 } }),
    'INVALID_FILE',
    /by how many bits/,
  ],
  [
    'MLX in absurd groups',
    mlx,
    told({ quantization: { bits: 4, group_size: 2 ** 40 } }),
    'SHAPE_MISMATCH',
    /in groups of 1099511627776/,
  ],
  ['MLX of no such bits', mlx, told({ quantization: { bits: 7, group_size: 16 } }), 'INVALID_FILE', /by how many bits/],
  ['MLX of other bits', mlx, told({ quantization: { bits: 8, group_size: 16 } }), 'SHAPE_MISMATCH', /words of 8 bits/],
  [
    'MLX in another mode',
    mlx,
    told({ quantization: { bits: 4, group_size: 16, mode: 'mxfp4' } }),
    'UNSUPPORTED_DTYPE',
    /quantised \(MLX/,
  ],
  ['torchao without scales', torchao, without('_weight_scale'), 'INVALID_FILE', /_weight_scale" is missing/],
  [
    'torchao of what is multiplied first',
    torchao,
    filled('_weight_act_pre_scale', 'F32', new Float32Array(32), 32),
    'UNSUPPORTED_DTYPE',
    /quantised \(torchao/,
  ],
  [
    'a weight that is there twice',
    gptq(false),
    filled('weight', 'F32', new Float32Array(1024), 32, 32),
    'INVALID_FILE',
    /is there twice/,
  ],
];

/** A Llama of one layer with one format for all matrices of it, of which one is changed. */
function written(name: string, quantise: Quantiser, change: Change): string {
  const { normal } = random(4);
  const draw = (size: number) => Float64Array.from({ length: size }, normal);
  const vector = (size: number): RawTensor => ({
    dtype: 'F32',
    shape: [size],
    bytes: new Uint8Array(Float32Array.from(draw(size)).buffer),
  });
  const tensors: Record<string, RawTensor> = {
    'model.embed_tokens.weight': { ...vector(8 * 32), shape: [8, 32] },
    'model.norm.weight': vector(32),
    'model.layers.0.input_layernorm.weight': vector(32),
    'model.layers.0.post_attention_layernorm.weight': vector(32),
  };
  let config: Record<string, unknown> = {};
  const modules = ['q_proj', 'k_proj', 'v_proj', 'o_proj'].map((one) => `model.layers.0.self_attn.${one}`);
  for (const module of [
    ...modules,
    ...['gate_proj', 'up_proj', 'down_proj'].map((one) => `model.layers.0.mlp.${one}`),
  ]) {
    const parts = { ...quantise(draw(32 * 32), 32, 32).stored };
    if (module === MODULE) config = change(parts) ?? {};
    for (const [part, tensor] of Object.entries(parts)) tensors[`${module}.${part}`] = tensor;
  }
  const names = Object.keys(tensors).flatMap((one) => /^(.*)\._weight_qdata$/.exec(one)?.[1] ?? []);
  const metadata = Object.fromEntries(names.map((one) => [`${one}.weight`, '{"_type": "Float8Tensor", "_data": {}}']));
  const usual = {
    n_head: 4,
    hidden_act: 'silu',
    ...(quantise === fp8 && { quantization_config: { weight_block_size: [8, 16] } }),
    ...(quantise === integers && { quantization_config: { config_groups: { group_0: { weights: { num_bits: 4 } } } } }),
    ...(quantise === mlx && { quantization: { group_size: 16, bits: 4 } }),
  };
  return writeRaw(join(root, name), tensors, { ...usual, ...config }, metadata);
}

describe('what is damaged of a quantised weight is told', () => {
  test.each(CASES)('%s', async (name, quantise, change, code, message) => {
    const path = written(name, quantise, change);
    const error = await rejection(similarityOfBlocks(path, path));
    expect(error).toMatchObject({ name: 'TensimError', code, message: expect.stringMatching(message) });
    expect(error.file).toMatch(/model\.safetensors$|config\.json$/);
    expect(error.hint).toMatch(/./);
    // It is listed all the same, and said to be no model.
    const { problems, tensors } = await inspect(path);
    expect(problems.map((problem) => problem.code)).toEqual([expect.stringMatching(`${code}|UNSUPPORTED_LAYER`)]);
    expect(tensors.length).toBeGreaterThan(4);
  });
});

const SCALES: readonly (readonly [name: string, Quantiser, part: string, dtype: string])[] = [
  ['GPTQ', gptq(false), 'scales', 'F16'],
  ['AWQ', awq, 'scales', 'F16'],
  ['packed integers', integers, 'weight_scale', 'F16'],
  ['nf4', fourBits, 'weight.absmax', 'F32'],
  ['LLM.int8', llmInt8, 'SCB', 'F32'],
  ['FP8', fp8, 'weight_scale_inv', 'F32'],
  ['MLX', mlx, 'biases', 'F16'],
  ['torchao', torchao, '_weight_scale', 'F32'],
];

test.each(SCALES)('a scale of %s that is no number is told by its name', async (name, quantise, part, dtype) => {
  const path = written(`${name} with NaN`, quantise, (parts) => {
    const bytes = Uint8Array.from(parts[part].bytes);
    // The third: NaN in halves and in singles.
    bytes.set(dtype === 'F16' ? [0, 0x7e] : [0, 0, 0xc0, 0x7f], dtype === 'F16' ? 4 : 8);
    parts[part] = { ...parts[part], bytes };
    return undefined;
  });
  const error = await rejection(similarityOfBlocks(path, path));
  expect(error).toMatchObject({ name: 'TensimError', code: 'NOT_FINITE', tensor: `${MODULE}.${part}` });
  expect(error.message).toMatch(/element 2 is NaN/);
});

test('a file that was cut is refused before anything of it is decoded', async () => {
  const path = written('cut', gptq(false), () => undefined);
  truncateSync(path, 4000);
  expect(await rejection(similarityOfBlocks(path, path))).toMatchObject({ code: 'INVALID_FILE' });
});

test('decoding gives way to an abort', async () => {
  const path = written('aborted', gptq(false), () => undefined);
  await withCheckpoint(dirname(path), {}, async (checkpoint) => {
    const reason = new Error('enough');
    await expect(checkpoint.readBytes(`${MODULE}.weight`, AbortSignal.abort(reason))).rejects.toBe(reason);
    await expect(checkpoint.readIntegers(`${MODULE}.weight`)).rejects.toMatchObject({ code: 'UNSUPPORTED_DTYPE' });
    await expect(checkpoint.read(`${MODULE}.qweight`)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
