import { TensimError } from '../errors.js';
import { valueText } from '../words/quoting.js';

/** The compute types. Weights of any floating-point type are read into one of them. */
export type DType = 'float64' | 'float32';
/** The elements of a tensor; its type is the compute type. */
export type TensorData = Float64Array | Float32Array;

/** How exact products are: like numbers of their compute type, or of factors rounded to the 11 bits of TF32. */
export type Precision = DType | 'tf32';

/** The distance from 1 to the next number. */
export const EPSILON: Readonly<Record<Precision, number>> = { float64: 2 ** -52, float32: 2 ** -23, tf32: 2 ** -10 };

/** Of products in a compute type; `tf32`: where products of floats are one pass of TF32. */
export const precisionOf = (dtype: DType, { tf32 }: { readonly tf32?: boolean | undefined }): Precision =>
  tf32 === true && dtype === 'float32' ? 'tf32' : dtype;

/**
 * A dense tensor: `shape[i]` elements along axis i, `strides[i]` elements (not bytes) from one to the next.
 * Without `strides` it is contiguous in row-major (C) order. A scalar has shape `[]`.
 */
export interface Tensor {
  /** The elements, and perhaps others between them where there are strides. */
  readonly data: TensorData;
  /** Extents of its axes. */
  readonly shape: readonly number[];
  /** Elements from one to the next along every axis; absent: row-major. */
  readonly strides?: readonly number[];
}

/** A tensor whose values are data · 2^exponent; the largest magnitude in the data is in [0.5, 1), unless all are 0. */
export interface ScaledTensor extends Tensor {
  /** The power of two that the data are to be multiplied by. */
  readonly exponent: number;
}

/** The number of elements of a shape; 1 for a scalar. */
export function sizeOf(shape: readonly number[]): number {
  let size = 1;
  for (const extent of shape) size *= extent;
  return size;
}

export function dtypeOf(data: TensorData): DType {
  return data instanceof Float64Array ? 'float64' : 'float32';
}

/**
 * A checked contiguous tensor over `data` (not copied; a plain array becomes float64).
 *
 *     tensor([1, 2, 3, 4, 5, 6], [2, 3]);
 *
 * @throws TensimError `SHAPE_MISMATCH` if the shape is not made of non-negative integers or its size is not
 * `data.length`, `INVALID_ARGUMENT` for data that are no numbers.
 */
export function tensor(data: TensorData | readonly number[], shape: readonly number[]): Tensor {
  const values = numbersOf(data);
  if (!Array.isArray(shape)) throw new TensimError('INVALID_ARGUMENT', 'the shape of a tensor must be an array');
  const extents: readonly number[] = Object.freeze([...shape]);
  for (const extent of extents) {
    if (!Number.isSafeInteger(extent) || extent < 0)
      throw new TensimError('SHAPE_MISMATCH', `shape ${extentsText(extents)} must consist of non-negative integers`);
  }
  if (sizeOf(extents) !== values.length) {
    throw new TensimError(
      'SHAPE_MISMATCH',
      `shape ${extentsText(extents)} has ${sizeOf(extents)} elements, the data ${values.length}`,
    );
  }
  return { data: values, shape: extents };
}

/**
 * The data of a tensor, a plain array as float64.
 * @throws TensimError `INVALID_ARGUMENT` for what are no numbers
 */
export function numbersOf(data: TensorData | readonly number[]): TensorData {
  if (data instanceof Float64Array || data instanceof Float32Array) return data;
  if (Array.isArray(data) && data.every((value) => typeof value === 'number')) return Float64Array.from(data);
  throw new TensimError(
    'INVALID_ARGUMENT',
    'tensor data must be a Float64Array, a Float32Array or an array of numbers',
  );
}

/** `[2, 3]`, also of what are no extents, in messages. */
export function extentsText(extents: unknown): string {
  if (!Array.isArray(extents)) return valueText(extents);
  return `[${extents.map((extent) => (typeof extent === 'number' ? extent : valueText(extent))).join(', ')}]`;
}
