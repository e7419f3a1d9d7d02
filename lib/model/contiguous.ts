import { TensimError } from '../errors.js';
import { RowMajorWalk } from '../tensor/row_major_walk.js';
import { extentsText, numbersOf, sizeOf, type Tensor, type TensorData, tensor } from '../tensor/tensor.js';

/**
 * A frozen, contiguous tensor with the elements of `given`; a tensor without strides keeps its data, another is copied.
 * @throws TensimError `INVALID_ARGUMENT` or `SHAPE_MISMATCH` naming the tensor.
 */
export function contiguous(given: Tensor, name: string): Tensor {
  const { data, shape, strides }: Partial<Tensor> = Object(given);
  if (data === undefined || !Array.isArray(shape))
    throw new TensimError('INVALID_ARGUMENT', 'is not a tensor { data, shape }', { tensor: name });
  try {
    return Object.freeze(strides === undefined ? tensor(data, shape) : pack(data, shape, strides));
  } catch (error) {
    if (!(error instanceof TensimError)) throw error;
    throw new TensimError(error.code, error.message, { tensor: name, cause: error });
  }
}

/** Copies a strided tensor in row-major order. */
function pack(given: TensorData, shape: readonly number[], strides: readonly number[]): Tensor {
  const data = numbersOf(given);
  checkReach(data.length, shape, strides);
  const size = sizeOf(shape);
  const packed = data instanceof Float32Array ? new Float32Array(size) : new Float64Array(size);
  new RowMajorWalk(data, shape, strides).fill(packed);
  return tensor(packed, shape);
}

/** The strides must fit the shape and stay within the data. */
function checkReach(length: number, shape: readonly number[], strides: readonly number[]): void {
  const counts = (values: readonly number[]) =>
    Array.isArray(values) && values.every((value) => Number.isSafeInteger(value) && value >= 0);
  if (!counts(shape) || !counts(strides) || shape.length !== strides.length) {
    throw new TensimError('SHAPE_MISMATCH', `strides ${extentsText(strides)} do not fit shape ${extentsText(shape)}`, {
      hint: 'There is one stride per axis, and all are non-negative integers',
    });
  }
  const last = shape.reduce((offset, extent, axis) => offset + (extent - 1) * strides[axis], 0);
  if (sizeOf(shape) > 0 && last >= length)
    throw new TensimError('SHAPE_MISMATCH', `the strides reach element ${last} of data of length ${length}`);
}
