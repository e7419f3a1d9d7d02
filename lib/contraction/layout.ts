import { TensimError } from '../errors.js';
import type { Tensor } from '../tensor/tensor.js';
import type { OperandLayout } from './plan.js';

/** Strides of a contiguous row-major tensor. */
export function contiguousStrides(shape: readonly number[]): number[] {
  const strides: number[] = [];
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = step;
    step *= shape[axis];
  }
  return strides;
}

export function contiguousLayout(shape: readonly number[]): OperandLayout {
  return stridedLayout(shape, contiguousStrides(shape));
}

/**
 * The layout of a strided view. It begins at the lowest element it touches: with a negative stride, index 0 of that
 * axis is the last element along it, so `{ data, shape: [n], strides: [-1] }` is `data` reversed. Stride 0 repeats an
 * axis.
 */
export function stridedLayout(shape: readonly number[], strides: readonly number[]): OperandLayout {
  let offset = 0;
  let highest = 0;
  for (const [axis, extent] of shape.entries()) {
    const reach = strides[axis] * Math.max(0, extent - 1);
    if (reach < 0) offset -= reach;
    else highest += reach;
  }
  return { shape, strides, offset, elements: shape.includes(0) ? 0 : offset + highest + 1 };
}

/**
 * The layout of an operand, checked against its data.
 * @throws TensimError `INVALID_ARGUMENT` for something that is not a tensor, `SHAPE_MISMATCH` for a shape, strides and
 *   data that do not belong together.
 */
export function layoutOf(operand: Tensor, index: number): OperandLayout {
  const where = `operand ${index}`;
  const { data, shape, strides } = operand ?? {};
  if (!(data instanceof Float64Array) && !(data instanceof Float32Array)) {
    throw new TensimError('INVALID_ARGUMENT', `${where} is not a tensor { data, shape, strides? } over a float array`, {
      hint: 'The data must be a Float64Array or a Float32Array',
    });
  }
  checkShape(shape, where);
  const text = `shape [${shape.join(', ')}]`;
  if (strides === undefined) {
    const layout = contiguousLayout(shape);
    if (layout.elements !== data.length) {
      throw new TensimError(
        'SHAPE_MISMATCH',
        `${where}: ${text} has ${layout.elements} elements, the data ${data.length}`,
      );
    }
    return layout;
  }
  if (!Array.isArray(strides) || strides.length !== shape.length || !strides.every(Number.isSafeInteger)) {
    throw new TensimError(
      'SHAPE_MISMATCH',
      `${where}: the strides must be ${shape.length} integers, one per axis of ${text}`,
    );
  }
  const layout = stridedLayout(shape, strides);
  if (!(layout.elements <= data.length)) {
    throw new TensimError(
      'SHAPE_MISMATCH',
      `${where}: ${text} with strides [${strides.join(', ')}] reaches ${layout.elements} elements, the data has ${data.length}`,
    );
  }
  return layout;
}

/** @throws TensimError `SHAPE_MISMATCH` unless the shape is a list of non-negative integers. */
export function checkShape(shape: readonly number[], where: string): void {
  if (!Array.isArray(shape) || !shape.every((extent) => Number.isSafeInteger(extent) && extent >= 0)) {
    throw new TensimError('SHAPE_MISMATCH', `${where}: its shape must be a list of non-negative integers`);
  }
}
