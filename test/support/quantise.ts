import { typeOf } from '../../lib/formats/gguf/types.js';
import { encodeFloats } from '../../lib/tensor/convert.js';
import { GGUF_KIND, type GgufFile, type GgufTensor, gguf, ggufFloats } from './gguf.js';

/*
 * Quantisers of our own: every value is put at the level nearest to it, under the scale by which the largest one of its
 * part reaches the last level. They write blocks as llama.cpp has them.
 */

/** Writes a block of values into so many bytes, which are zero before. */
type Encoder = (values: Float64Array, out: Uint8Array) => void;

const clamp = (value: number, from: number, to: number) => Math.min(to, Math.max(from, value));

/** Writes a number as float16, and gives it as it was rounded. */
function half(out: Uint8Array, at: number, value: number): number {
  out.set(encodeFloats(Float64Array.of(value), 'F16'), at);
  const bits = out[at] | (out[at + 1] << 8);
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  const size = exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25);
  return bits & 0x8000 ? -size : size;
}

/** The number of steps that is nearest to a value. */
const steps = (value: number, step: number, from: number, to: number) =>
  step === 0 ? clamp(0, from, to) : clamp(Math.round(value / step), from, to);

const extremeOf = (values: Float64Array) =>
  values.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most), 0);
const rangeOf = (values: Float64Array) => [
  values.reduce((a, b) => Math.min(a, b)),
  values.reduce((a, b) => Math.max(a, b)),
];
const nearestOf = (levels: readonly number[], value: number) =>
  levels.reduce((best, level, i) => (Math.abs(level - value) < Math.abs(levels[best] - value) ? i : best), 0);

/** Two numbers of 4 bits to a byte: of 32, those of the first half are the low ones. */
function nibbles(out: Uint8Array, at: number, numbers: Float64Array): void {
  for (let i = 0; i < 16; i++) out[at + i] = (numbers[i] & 15) | ((numbers[16 + i] & 15) << 4);
}

/** The fifth bits of 32 numbers. */
function fifthBits(out: Uint8Array, at: number, numbers: Float64Array): void {
  for (const [i, number] of numbers.entries()) out[at + (i >> 3)] |= ((number >> 4) & 1) << (i & 7);
}

/** Levels −last − 1 … last, the largest value at the first: Q4_0, Q5_0. */
const signedSmall =
  (last: number): Encoder =>
  (values, out) => {
    const scale = half(out, 0, extremeOf(values) / (-last - 1));
    const numbers = values.map((value) => steps(value, scale, -last - 1, last) + last + 1);
    if (last > 7) fifthBits(out, 2, numbers);
    nibbles(out, last > 7 ? 6 : 2, numbers);
  };

/** Levels 0 … last from the smallest value up: Q4_1, Q5_1. */
const offsetSmall =
  (last: number): Encoder =>
  (values, out) => {
    const [low, high] = rangeOf(values);
    const [scale, offset] = [half(out, 0, (high - low) / last), half(out, 2, low)];
    const numbers = values.map((value) => steps(value - offset, scale, 0, last));
    if (last > 15) fifthBits(out, 4, numbers);
    nibbles(out, last > 15 ? 8 : 4, numbers);
  };

const q80: Encoder = (values, out) => {
  const scale = half(out, 0, Math.abs(extremeOf(values)) / 127);
  for (const [i, value] of values.entries()) out[2 + i] = steps(value, scale, -127, 127);
};

const DOUBLED_E2M1 = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];
const mxfp4: Encoder = (values, out) => {
  const extreme = Math.abs(extremeOf(values));
  out[0] = extreme === 0 ? 0 : clamp(Math.floor(Math.log2(extreme)) - 2 + 127, 0, 254);
  const scale = 2 ** (out[0] - 128);
  nibbles(
    out,
    1,
    values.map((value) => nearestOf(DOUBLED_E2M1, value / scale)),
  );
};

const NON_LINEAR = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
const iq4Nl: Encoder = (values, out) => {
  const scale = half(out, 0, extremeOf(values) / -127);
  nibbles(
    out,
    2,
    values.map((value) => (scale === 0 ? 8 : nearestOf(NON_LINEAR, value / scale))),
  );
};

/** Values of a block in parts of so many. */
const partsOf = (values: Float64Array, size: number) =>
  Array.from({ length: values.length / size }, (_, part) => values.subarray(part * size, (part + 1) * size));

/**
 * Scales of parts, as multiples up to `most` of one that is written as float16 at `at`: multiples, and what they say.
 */
function factors(out: Uint8Array, at: number, scales: readonly number[], most: number) {
  const unit = half(out, at, Math.max(...scales.map(Math.abs)) / most);
  const numbers = scales.map((scale) => steps(scale, unit, -most, most));
  return { numbers, rounded: numbers.map((number) => number * unit) };
}

/** Numbers of 2 bits, four to a byte, those of a half of a block 32 apart. */
function quarters(out: Uint8Array, at: number, numbers: Float64Array): void {
  for (const [i, number] of numbers.entries())
    out[at + 32 * (i >> 7) + (i & 31)] |= (number & 3) << (2 * ((i >> 5) & 3));
}

/** Scales and offsets of parts, each with levels 0 … last from the smallest value, or zero, up. */
function withOffsets(
  values: Float64Array,
  size: number,
  last: number,
  out: Uint8Array,
  { scaleAt, most }: { readonly scaleAt: number; readonly most: number },
) {
  const parts = partsOf(values, size);
  const lows = parts.map((part) => Math.min(0, rangeOf(part)[0]));
  const scales = parts.map((part, i) => (rangeOf(part)[1] - lows[i]) / last).map((scale) => Math.max(0, scale));
  const scale = factors(out, scaleAt, scales, most);
  const offset = factors(
    out,
    scaleAt + 2,
    lows.map((low) => -low),
    most,
  );
  const numbers = values.map((value, i) => {
    const part = Math.floor(i / size);
    return steps(value + offset.rounded[part], scale.rounded[part], 0, last);
  });
  return { numbers, scales: scale.numbers, offsets: offset.numbers };
}

const q2K: Encoder = (values, out) => {
  const { numbers, scales, offsets } = withOffsets(values, 16, 3, out, { scaleAt: 80, most: 15 });
  for (const [part, scale] of scales.entries()) out[part] = scale | (offsets[part] << 4);
  quarters(out, 16, numbers);
};

/** Q4_K, and Q5_K with fifth bits. */
const offsetLarge =
  (last: number): Encoder =>
  (values, out) => {
    const { numbers, scales, offsets } = withOffsets(values, 32, last, out, { scaleAt: 0, most: 63 });
    for (const [part, scale] of scales.entries()) {
      const offset = offsets[part];
      if (part < 4) {
        out[4 + part] |= scale;
        out[8 + part] |= offset;
      } else {
        out[8 + part] = (scale & 15) | ((offset & 15) << 4);
        out[part] |= (scale >> 4) << 6;
        out[4 + part] |= (offset >> 4) << 6;
      }
    }
    const at = last > 15 ? 48 : 16;
    for (const [i, number] of numbers.entries()) {
      out[at + 32 * (i >> 6) + (i & 31)] |= (number & 15) << (4 * ((i >> 5) & 1));
      if (last > 15) out[16 + (i & 31)] |= (number >> 4) << (i >> 5);
    }
  };

/** Parts of 16 with levels −last − 1 … last, the largest value at the first. */
function withoutOffsets(values: Float64Array, last: number, out: Uint8Array, scaleAt: number, most: number) {
  const scales = partsOf(values, 16).map((part) => extremeOf(part) / (-last - 1));
  const { numbers: factorsOf, rounded } = factors(out, scaleAt, scales, most);
  const numbers = values.map((value, i) => steps(value, rounded[i >> 4], -last - 1, last) + last + 1);
  return { numbers, scales: factorsOf };
}

const q3K: Encoder = (values, out) => {
  const { numbers, scales } = withoutOffsets(values, 3, out, 108, 31);
  quarters(out, 32, numbers);
  for (const [i, number] of numbers.entries()) out[i & 31] |= (number >> 2) << (i >> 5);
  for (const [part, scale] of scales.entries()) {
    out[96 + (part & 7)] |= ((scale + 32) & 15) << (4 * (part >> 3));
    out[104 + (part & 3)] |= ((scale + 32) >> 4) << (2 * (part >> 2));
  }
};

const q6K: Encoder = (values, out) => {
  const { numbers, scales } = withoutOffsets(values, 31, out, 208, 127);
  for (const [part, scale] of scales.entries()) out[192 + part] = scale;
  for (const [i, number] of numbers.entries()) {
    const [part, within] = [i >> 7, i & 127];
    out[64 * part + (within & 63)] |= (number & 15) << (4 * (within >> 6));
    out[128 + 32 * part + (within & 31)] |= (number >> 4) << (2 * (within >> 5));
  }
};

const ENCODERS = {
  Q4_0: signedSmall(7),
  Q4_1: offsetSmall(15),
  Q5_0: signedSmall(15),
  Q5_1: offsetSmall(31),
  Q8_0: q80,
  IQ4_NL: iq4Nl,
  MXFP4: mxfp4,
  Q2_K: q2K,
  Q3_K: q3K,
  Q4_K: offsetLarge(15),
  Q5_K: offsetLarge(31),
  Q6_K: q6K,
} satisfies Record<string, Encoder>;

/** The types that are written. */
export type PackedType = keyof typeof ENCODERS;
export const PACKED_TYPES = Object.keys(ENCODERS) as PackedType[];

const numberOf = (dtype: string) => Array.from({ length: 64 }, (_, i) => i).find((i) => typeOf(i)?.dtype === dtype)!;

/** Elements of a block of a type. */
export const blockOf = (dtype: PackedType): number => typeOf(numberOf(dtype))!.elements;

/** Whole blocks of values, as they are stored. */
export function quantise(dtype: PackedType, values: ArrayLike<number>): Uint8Array {
  const { elements, bytes } = typeOf(numberOf(dtype))!;
  const out = new Uint8Array((values.length / elements) * bytes);
  const given = Float64Array.from(values);
  for (let block = 0; block * elements < given.length; block++)
    ENCODERS[dtype](
      given.subarray(block * elements, (block + 1) * elements),
      out.subarray(block * bytes, (block + 1) * bytes),
    );
  return out;
}

/** A row-major matrix as a quantised tensor of GGUF. */
export const ggufQuantised = (
  name: string,
  shape: readonly number[],
  dtype: PackedType,
  values: ArrayLike<number>,
): GgufTensor => ({ name, extents: [...shape].reverse(), type: numberOf(dtype), data: quantise(dtype, values) });

/** Metadata that were read, as they are written: whole numbers, others, and texts. */
export const ggufMetadata = (metadata: Readonly<Record<string, string>>): NonNullable<GgufFile['metadata']> =>
  Object.entries(metadata).map(([key, value]) => {
    const number = Number(value);
    if (value === '' || !Number.isFinite(number)) return [key, [GGUF_KIND.text, value]];
    return [key, [Number.isInteger(number) ? GGUF_KIND.u32 : GGUF_KIND.f32, number]];
  });

/** A tensor by its name: its numbers, and its shape behind them. */
type Named = Readonly<Record<string, readonly [data: ArrayLike<number>, ...shape: number[]]>>;

/**
 * A GGUF file of a network whose matrices are quantised, but for those whose rows are no whole blocks; all else is
 * float32.
 * @param typeOfTensor of which type a matrix is to be; undefined for float32
 */
export function quantisedGguf(
  tensors: Named,
  metadata: Readonly<Record<string, string>>,
  typeOfTensor: (name: string) => PackedType | undefined,
): Buffer {
  const written = Object.entries(tensors).map(([name, [data, ...shape]]) => {
    const dtype = typeOfTensor(name);
    if (dtype === undefined || shape.length < 2 || shape.at(-1)! % blockOf(dtype) !== 0)
      return ggufFloats(name, [...shape].reverse(), Array.from(data));
    return ggufQuantised(name, shape, dtype, data);
  });
  return gguf({ metadata: ggufMetadata(metadata), tensors: written });
}
