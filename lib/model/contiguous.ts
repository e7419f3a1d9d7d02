import { TensimError } from '../errors.js';
import { sizeOf, type Tensor, tensor } from '../tensor/tensor.js';

/**
 * A frozen, contiguous tensor with the elements of `given`; a tensor without strides keeps its data, another is copied.
 * @throws TensimError `INVALID_ARGUMENT` or `SHAPE_MISMATCH` naming the tensor.
 */
export function contiguous(given: Tensor, name: string): Tensor {
  if (typeof given !== 'object' || given === null || !Array.isArray(given.shape))
    throw new TensimError('INVALID_ARGUMENT', 'is not a tensor { data, shape }', { tensor: name });
  try {
    return Object.freeze(given.strides === undefined ? tensor(given.data, given.shape) : pack(given, given.strides));
  } catch (error) {
    if (!(error instanceof TensimError)) throw error;
    throw new TensimError(error.code, error.message, { tensor: name, cause: error });
  }
}

/** Copies a strided tensor in row-major order, walking both with an odometer. */
function pack({ data, shape }: Tensor, strides: readonly number[]): Tensor {
  checkReach(data.length, shape, strides);
  const size = sizeOf(shape);
  const packed = data instanceof Float32Array ? new Float32Array(size) : new Float64Array(size);
  const place = new Array<number>(shape.length).fill(0);
  let offset = 0;
  for (let index = 0; index < size; index++) {
    packed[index] = data[offset] as number;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const stride = strides[axis] as number;
      const extent = shape[axis] as number;
      const next = (place[axis] as number) + 1;
      if (next < extent) {
        place[axis] = next;
        offset += stride;
        break;
      }
      place[axis] = 0;
      offset -= stride * (extent - 1);
    }
  }
  return tensor(packed, shape);
}

/** The strides must fit the shape and stay within the data. */
function checkReach(length: number, shape: readonly number[], strides: readonly number[]): void {
  const counts = (values: readonly number[]) => values.every((value) => Number.isSafeInteger(value) && value >= 0);
  if (!counts(shape) || !counts(strides) || shape.length !== strides.length) {
    throw new TensimError('SHAPE_MISMATCH', `strides [${strides.join(', ')}] do not fit shape [${shape.join(', ')}]`, {
      hint: 'There is one stride per axis, and all are non-negative integers',
    });
  }
  const last = shape.reduce((offset, extent, axis) => offset + (extent - 1) * (strides[axis] as number), 0);
  if (sizeOf(shape) > 0 && last >= length)
    throw new TensimError('SHAPE_MISMATCH', `the strides reach element ${last} of data of length ${length}`);
}
