import { encodeFloats } from '../../lib/tensor/convert.js';
import { awq, llmInt8, mlx, packedIntegers, type Quantiser } from '../support/quantisers.js';
import type { Given } from '../support/transformers.js';
import { type AllStored, type Config, type Stored, stored } from './write.js';

/* Quantisers that round to the nearest level, and store what they give as the programs of the field do. */

export const GROUP = 32;
const LINEAR = /_proj\.weight$/;

const half = (values: Float64Array): Float64Array => {
  const bytes = encodeFloats(values, 'F16');
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return values.map((_, at) => fromHalf(view.getUint16(2 * at, true)));
};
function fromHalf(bits: number): number {
  const [exponent, mantissa] = [(bits >> 10) & 31, bits & 1023];
  const size = exponent === 0 ? mantissa * 2 ** -24 : (1024 + mantissa) * 2 ** (exponent - 25);
  return bits & 0x8000 ? -size : size;
}
const floats = (values: Float64Array, shape: readonly number[], dtype: 'F16' | 'F32' = 'F32'): Stored => ({
  ...{ dtype, shape, bytes: encodeFloats(values, dtype) },
});
const words = (values: Int32Array, shape: readonly number[]): Stored => ({
  ...{ dtype: 'I32', shape, bytes: new Uint8Array(values.buffer) },
});
/** The largest of so many numbers after another, without their signs. */
const largest = (data: Float64Array, from: number, count: number): number =>
  data.subarray(from, from + count).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
const clamped = (value: number, low: number, high: number) => Math.min(high, Math.max(low, value));

/** Every matrix of a projection is stored by `quantise`, under names behind that of its module; all else as it is. */
function quantised(
  tensors: Given,
  quantise: (data: Float64Array, rows: number, columns: number) => Readonly<Record<string, Stored>>,
): AllStored {
  const all: Record<string, Stored> = {};
  for (const [name, given] of Object.entries(tensors)) {
    const [data, rows, columns] = given;
    if (!LINEAR.test(name)) all[name] = stored({ [name]: given })[name];
    else {
      const module = name.replace(/\.weight$/, '');
      for (const [end, part] of Object.entries(quantise(data, rows, columns))) all[`${module}.${end}`] = part;
    }
  }
  return all;
}

/**
 * GPTQ of four bits with zero points, packed along the inputs.
 * @param less what is stored of a zero point z is z less this: 1 in the first version of the format, 0 in the second
 */
export const asGptq = (tensors: Given, less: 0 | 1): AllStored =>
  quantised(tensors, (data, rows, columns) => {
    const groups = columns / GROUP;
    const scales = new Float64Array(groups * rows);
    const points = new Uint8Array(groups * rows);
    for (let row = 0; row < rows; row++)
      for (let group = 0; group < groups; group++) {
        const own = data.subarray(row * columns + group * GROUP, row * columns + (group + 1) * GROUP);
        const [low, high] = [Math.min(0, ...own), Math.max(0, ...own)];
        scales[group * rows + row] = (high - low) / 15;
        points[group * rows + row] = clamped(Math.round((-15 * low) / (high - low)), 1, 15);
      }
    const rounded = half(scales);
    const weight = new Int32Array((columns / 8) * rows);
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++) {
        const at = Math.floor(column / GROUP) * rows + row;
        const level = clamped(Math.round(data[row * columns + column] / rounded[at]) + points[at], 0, 15);
        weight[Math.floor(column / 8) * rows + row] |= level << (4 * (column % 8));
      }
    const zeros = new Int32Array((groups * rows) / 8);
    for (const [at, point] of points.entries()) zeros[at >> 3] |= (point - less) << (4 * (at & 7));
    return {
      qweight: words(weight, [columns / 8, rows]),
      qzeros: words(zeros, [groups, rows / 8]),
      scales: floats(scales, [groups, rows], 'F16'),
      g_idx: words(
        Int32Array.from({ length: columns }, (_, column) => Math.floor(column / GROUP)),
        [columns],
      ),
    };
  });

export const gptqConfig = (format: 'gptq' | 'gptq_v2'): Config => ({
  quantization_config: {
    ...{ quant_method: 'gptq', bits: 4, group_size: GROUP, desc_act: false, sym: false, checkpoint_format: format },
  },
});

/** As a quantiser of the readers' own tests stores a matrix. */
const by =
  (quantiser: Quantiser) =>
  (tensors: Given): AllStored =>
    quantised(tensors, (data, rows, columns) => quantiser(data, rows, columns).stored);

/** What compressed-tensors calls pack-quantized: four bits around 8, the lowest first, along the inputs. */
export const asPacked = by(packedIntegers(4));
export const asAwq = by(awq);
export const asLlmInt8 = by(llmInt8);
export const asMlx = by(mlx);

export const AWQ_CONFIG: Config = {
  quantization_config: { quant_method: 'awq', bits: 4, group_size: 16, zero_point: true, version: 'gemm' },
};
export const LLM_INT8_CONFIG: Config = { quantization_config: { quant_method: 'bitsandbytes', load_in_8bit: true } };
export const MLX_CONFIG: Config = { quantization: { group_size: 16, bits: 4 } };

export const PACKED_CONFIG: Config = {
  quantization_config: {
    ...{ quant_method: 'compressed-tensors', format: 'pack-quantized', quantization_status: 'compressed' },
    config_groups: {
      group_0: {
        targets: ['Linear'],
        weights: { num_bits: 4, type: 'int', symmetric: true, strategy: 'group', group_size: 16 },
      },
    },
    ignore: ['lm_head'],
  },
};

/** The levels of NormalFloat with four bits, as its paper has them. */
const NF4 = Float64Array.of(
  ...[-1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635],
  ...[-0.18477343022823334, -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725],
  ...[0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1],
);
/** The place of the level that is nearest, of ascending ones. */
function nearest(levels: Float64Array, value: number): number {
  let [low, high] = [0, levels.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (levels[middle] <= value) low = middle;
    else high = middle;
  }
  return value - levels[low] < levels[high] - value ? low : high;
}

/** What bitsandbytes stores: 64 numbers with a scale, two in a byte, the first in its upper half. */
export const asNf4 = (tensors: Given): AllStored =>
  quantised(tensors, (data, rows, columns) => {
    const each = 64;
    const scales = Float64Array.from({ length: data.length / each }, (_, at) => largest(data, at * each, each));
    const bytes = new Uint8Array(data.length / 2);
    for (const [at, value] of data.entries())
      bytes[at >> 1] |= nearest(NF4, value / scales[Math.floor(at / each)]) << (at % 2 === 0 ? 4 : 0);
    const state = Buffer.from(
      JSON.stringify({ quant_type: 'nf4', blocksize: each, dtype: 'float32', shape: [rows, columns] }),
    );
    return {
      weight: { dtype: 'U8', shape: [bytes.length, 1], bytes },
      'weight.absmax': floats(scales, [scales.length]),
      'weight.quant_map': floats(NF4, [16]),
      'weight.quant_state.bitsandbytes__nf4': { dtype: 'U8', shape: [state.length], bytes: state },
    };
  });

export const NF4_CONFIG: Config = {
  quantization_config: {
    ...{ quant_method: 'bitsandbytes', load_in_4bit: true, bnb_4bit_quant_type: 'nf4' },
    bnb_4bit_use_double_quant: false,
  },
};

/** All that FP8 with four bits of exponent has, by its bytes from 0; the last is NaN. */
const E4M3 = Float64Array.from({ length: 127 }, (_, bits) => {
  const [exponent, mantissa] = [bits >> 3, bits & 7];
  return exponent === 0 ? mantissa * 2 ** -9 : (8 + mantissa) * 2 ** (exponent - 10);
});

/** FP8 with a scale for every square block, as DeepSeek has it. */
export const asFp8 = (tensors: Given): AllStored =>
  quantised(tensors, (data, rows, columns) => {
    const [down, across] = [Math.ceil(rows / GROUP), Math.ceil(columns / GROUP)];
    const scales = new Float64Array(down * across);
    const blockOf = (at: number) =>
      Math.floor(Math.floor(at / columns) / GROUP) * across + Math.floor((at % columns) / GROUP);
    for (const [at, value] of data.entries()) scales[blockOf(at)] = Math.max(scales[blockOf(at)], Math.abs(value));
    for (const [at, most] of scales.entries()) scales[at] = Math.fround(most / 448);
    const bytes = Uint8Array.from(data, (value, at) => {
      const bits = nearest(E4M3, Math.abs(value) / scales[blockOf(at)]);
      return value < 0 ? bits | 0x80 : bits;
    });
    return {
      weight: { dtype: 'F8_E4M3', shape: [rows, columns], bytes },
      weight_scale_inv: floats(scales, [down, across]),
    };
  });

export const FP8_CONFIG: Config = {
  quantization_config: {
    ...{ quant_method: 'fp8', fmt: 'e4m3', activation_scheme: 'dynamic', weight_block_size: [GROUP, GROUP] },
  },
};
