import { encodeFloats } from '../../lib/tensor/convert.js';
import type { RawTensor } from './stored_tensors.js';

/* Quantisers for tests: as each format is written, rounded to the nearest, with what the weight becomes by that. */

/** A weight that was quantised. */
export interface Made {
  /** By what follows the name of its module. */
  readonly stored: Readonly<Record<string, RawTensor>>;
  /** What it is now, (out, in). */
  readonly values: Float32Array;
}

/** Quantises a matrix of so many outputs and inputs. */
export type Quantiser = (weight: Float64Array, outputs: number, inputs: number) => Made;

const raw = (dtype: string, shape: readonly number[], data: ArrayBufferView): RawTensor => ({
  dtype,
  shape,
  bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
});

const halves = (values: Float32Array) => encodeFloats(values, 'F16');

/** A number that a half can hold. */
const asHalf = (value: number) => {
  const step = 2 ** (Math.floor(Math.log2(value)) - 10);
  return Math.round(value / step) * step;
};

/** Numbers of so many bits, one after the other, the lowest bits first. */
function packed(numbers: readonly number[], bits: number): Int32Array {
  const words = new Int32Array(Math.ceil((numbers.length * bits) / 32));
  for (const [i, number] of numbers.entries())
    for (let bit = 0; bit < bits; bit++)
      if ((number >> bit) & 1) words[(i * bits + bit) >> 5] |= 1 << ((i * bits + bit) & 31);
  return words;
}

/** Groups of a row: the scale that takes the largest to the last step, and the numbers. */
function grouped(weight: Float64Array, rows: number, columns: number, group: number, top: number) {
  const scales = new Float32Array((rows * columns) / group);
  const numbers = new Int32Array(weight.length);
  const values = new Float32Array(weight.length);
  for (let i = 0; i < scales.length; i++) {
    const own = weight.subarray(i * group, (i + 1) * group);
    scales[i] = asHalf(own.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / top);
    for (let j = 0; j < group; j++) {
      const number = Math.max(-top, Math.min(top, Math.round(own[j] / scales[i]))) + 0;
      numbers[i * group + j] = number;
      values[i * group + j] = number * scales[i];
    }
  }
  return { scales, numbers, values };
}

const turned = <T>(data: ArrayLike<T>, rows: number, columns: number): T[] =>
  Array.from({ length: data.length }, (_, at) => data[(at % rows) * columns + Math.floor(at / rows)]);

const GROUP = 16;

/** GPTQ of the first version, symmetric, in 4 bits; columns of groups far from each other where they are ordered so. */
export const gptq =
  (ordered: boolean): Quantiser =>
  (weight, outputs, inputs) => {
    const count = inputs / GROUP;
    // Column i is in group i mod count: they are brought together, quantised, and put back.
    const order = Array.from({ length: inputs }, (_, i) => (ordered ? (i % GROUP) * count + Math.floor(i / GROUP) : i));
    const sorted = Float64Array.from({ length: weight.length }, (_, at) => {
      return weight[at - (at % inputs) + order[at % inputs]];
    });
    const { scales, numbers, values } = grouped(sorted, outputs, inputs, GROUP, 7);
    const back = Array.from({ length: inputs }, (_, i) => order.indexOf(i));
    const restored = <T>(data: ArrayLike<T>) =>
      Array.from({ length: data.length }, (_, at) => data[at - (at % inputs) + back[at % inputs]]);
    const columns = restored(numbers);
    const words = new Int32Array((inputs / 8) * outputs);
    for (let output = 0; output < outputs; output++) {
      const own = packed(
        columns.slice(output * inputs, (output + 1) * inputs).map((number) => number + 8),
        4,
      );
      own.forEach((word, i) => {
        words[i * outputs + output] = word;
      });
    }
    const zeros = new Int32Array((count * outputs) / 8).fill(0x77777777);
    const groups = Int32Array.from({ length: inputs }, (_, i) => Math.floor(back[i] / GROUP));
    return {
      stored: {
        qweight: raw('I32', [inputs / 8, outputs], words),
        qzeros: raw('I32', [count, outputs / 8], zeros),
        scales: raw('F16', [count, outputs], halves(Float32Array.from(turned(scales, outputs, count)))),
        g_idx: raw('I32', [inputs], groups),
      },
      values: Float32Array.from(restored(values)),
    };
  };

/** AWQ for its GEMM kernels. */
export const awq: Quantiser = (weight, outputs, inputs) => {
  const count = inputs / GROUP;
  const { scales, numbers, values } = grouped(weight, outputs, inputs, GROUP, 7);
  const inOrder = (row: readonly number[]) => row.map((_, i) => row[i - (i % 8) + [0, 2, 4, 6, 1, 3, 5, 7][i % 8]]);
  const words = packed(
    Array.from({ length: inputs }, (_, input) =>
      inOrder(Array.from({ length: outputs }, (_, output) => numbers[output * inputs + input] + 8)),
    ).flat(),
    4,
  );
  return {
    stored: {
      qweight: raw('I32', [inputs, outputs / 8], words),
      qzeros: raw('I32', [count, outputs / 8], new Int32Array((count * outputs) / 8).fill(0x88888888 | 0)),
      scales: raw('F16', [count, outputs], halves(Float32Array.from(turned(scales, outputs, count)))),
    },
    values,
  };
};

/** compressed-tensors, in so many bits, in groups. */
export const packedIntegers =
  (bits: number): Quantiser =>
  (weight, outputs, inputs) => {
    const { scales, numbers, values } = grouped(weight, outputs, inputs, GROUP, 2 ** (bits - 1) - 1);
    const middle = 2 ** (bits - 1);
    const words = packed(
      [...numbers].map((number) => number + middle),
      bits,
    );
    return {
      stored: {
        weight_packed: raw('I32', [outputs, (inputs * bits) / 32], words),
        weight_scale: raw('F16', [outputs, inputs / GROUP], halves(scales)),
        weight_shape: raw('I64', [2], BigInt64Array.of(BigInt(outputs), BigInt(inputs))),
      },
      values,
    };
  };

/** INT8 of compressed-tensors, a scale for each row. */
export const int8: Quantiser = (weight, outputs, inputs) => {
  const { scales, numbers, values } = grouped(weight, outputs, inputs, inputs, 127);
  return {
    stored: {
      weight: raw('I8', [outputs, inputs], Int8Array.from(numbers)),
      weight_scale: raw('F16', [outputs, 1], halves(scales)),
    },
    values,
  };
};

/** LLM.int8 of bitsandbytes. */
export const llmInt8: Quantiser = (weight, outputs, inputs) => {
  const { scales, numbers } = grouped(weight, outputs, inputs, inputs, 127);
  const largest = scales.map((scale) => scale * 127);
  const step = Math.fround(1 / 127);
  return {
    stored: {
      weight: raw('I8', [outputs, inputs], Int8Array.from(numbers)),
      SCB: raw('F32', [outputs], largest),
      weight_format: raw('U8', [], Uint8Array.of(0)),
    },
    values: Float32Array.from(numbers, (number, at) => Math.fround(number * largest[Math.floor(at / inputs)]) * step),
  };
};

/** The eight numbers of E2M1, without their signs. */
const E2M1 = [0, 0.5, 1, 1.5, 2, 3, 4, 6];

const nearest = (table: readonly number[], value: number): number =>
  table.reduce((best, one, i) => (Math.abs(one - value) < Math.abs(table[best] - value) ? i : best), 0);

/** Four bits of bitsandbytes, of a table that is as good as any: the file has it beside the weight. */
export const fourBits: Quantiser = (weight, outputs, inputs) => {
  const table = Array.from({ length: 16 }, (_, i) => Math.fround((i - 7.5) / 7.5));
  const blocks = weight.length / 64;
  const largest = Float32Array.from({ length: blocks }, (_, block) =>
    weight.subarray(block * 64, (block + 1) * 64).reduce((most, value) => Math.max(most, Math.abs(value)), 0),
  );
  const numbers = Array.from(weight, (value, at) => nearest(table, value / largest[Math.floor(at / 64)]));
  const bytes = Uint8Array.from({ length: weight.length / 2 }, (_, i) => (numbers[2 * i] << 4) | numbers[2 * i + 1]);
  const state = { quant_type: 'nf4', blocksize: 64, dtype: 'float16', shape: [outputs, inputs] };
  return {
    stored: {
      weight: raw('U8', [bytes.length, 1], bytes),
      'weight.absmax': raw('F32', [blocks], largest),
      'weight.quant_map': raw('F32', [16], Float32Array.from(table)),
      'weight.quant_state.bitsandbytes__nf4': raw(
        'U8',
        [JSON.stringify(state).length],
        Buffer.from(JSON.stringify(state)),
      ),
    },
    values: Float32Array.from(numbers, (number, at) => table[number] * largest[Math.floor(at / 64)]),
  };
};

/** FP8 of the numbers of E2M1 alone, in blocks of 8 by 16. */
export const fp8: Quantiser = (weight, outputs, inputs) => {
  const scales = Float32Array.from({ length: (outputs / 8) * (inputs / 16) }, (_, i) => 0.03 + 0.001 * i);
  const scaleAt = (at: number) => scales[Math.floor(at / inputs / 8) * (inputs / 16) + Math.floor((at % inputs) / 16)];
  // Patterns of E4M3: an exponent from 7 on for numbers from 1 on.
  const patterns = [0, 0x30, 0x38, 0x3c, 0x40, 0x44, 0x48, 0x4c];
  const numbers = Array.from(weight, (value, at) => nearest(E2M1, Math.abs(value) / scaleAt(at)));
  return {
    stored: {
      weight: raw(
        'F8_E4M3',
        [outputs, inputs],
        Uint8Array.from(numbers, (n, at) => patterns[n] | (weight[at] < 0 ? 0x80 : 0)),
      ),
      weight_scale_inv: raw('F32', [outputs / 8, inputs / 16], scales),
    },
    values: Float32Array.from(numbers, (n, at) => Math.sign(weight[at]) * E2M1[n] * scaleAt(at)),
  };
};

/** FP8 as torchao flattens it, a scale for each row; names are those in place of a module's. */
export const torchao: Quantiser = (weight, outputs, inputs) => {
  const { stored, values } = fp8(
    weight.map((value) => value / 0.05),
    outputs,
    inputs,
  );
  const scales = Float32Array.from({ length: outputs }, (_, row) => 0.02 + 0.001 * row);
  const factors = stored.weight_scale_inv.bytes;
  const blocks = new Float32Array(factors.buffer, factors.byteOffset, factors.length / 4);
  const unit = (at: number) => blocks[Math.floor(at / inputs / 8) * (inputs / 16) + Math.floor((at % inputs) / 16)];
  return {
    stored: {
      _weight_qdata: stored.weight,
      _weight_scale: raw('F32', [outputs, 1], scales),
    },
    values: values.map((value, at) => (Math.round((2 * value) / unit(at)) / 2) * scales[Math.floor(at / inputs)]),
  };
};

/** MLX in 4 bits. */
export const mlx: Quantiser = (weight, outputs, inputs) => {
  const { scales, numbers, values } = grouped(weight, outputs, inputs, GROUP, 7);
  const biases = scales.map((scale) => -8 * scale);
  return {
    stored: {
      weight: raw(
        'U32',
        [outputs, inputs / 8],
        packed(
          [...numbers].map((number) => number + 8),
          4,
        ),
      ),
      scales: raw('F16', [outputs, inputs / GROUP], halves(scales)),
      biases: raw('F16', [outputs, inputs / GROUP], halves(biases)),
    },
    values,
  };
};

/** MXFP4 of gpt-oss, of a stack of matrices one below the other: by what follows the name of the weight. */
export const mxfp4 = (
  weight: Float64Array,
  shape: readonly [experts: number, outputs: number, inputs: number],
): Made => {
  const blocks = weight.length / 32;
  const [experts, outputs, inputs] = shape;
  const exponents = Uint8Array.from({ length: blocks }, (_, block) => {
    const own = weight.subarray(32 * block, 32 * (block + 1));
    return 127 + Math.ceil(Math.log2(own.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 6));
  });
  const scaleAt = (at: number) => 2 ** (exponents[at >> 5] - 127);
  const numbers = Array.from(weight, (value, at) => nearest(E2M1, Math.abs(value) / scaleAt(at)));
  const nibble = (at: number) => numbers[at] | (weight[at] < 0 ? 8 : 0);
  const bytes = Uint8Array.from({ length: weight.length / 2 }, (_, i) => nibble(2 * i) | (nibble(2 * i + 1) << 4));
  return {
    stored: {
      _blocks: raw('U8', [experts, outputs, inputs / 32, 16], bytes),
      _scales: raw('U8', [experts, outputs, inputs / 32], exponents),
    },
    values: Float32Array.from(numbers, (number, at) => Math.sign(weight[at]) * E2M1[number] * scaleAt(at)),
  };
};
