import type { Tensor } from '../../../lib/tensor/tensor.js';
import { type Case, sizesOf } from './random_equations.js';

export interface NaiveResult {
  readonly values: Float64Array;
  /** The same contraction of the absolute values: the scale of rounding errors. */
  readonly magnitudes: Float64Array;
  readonly shape: number[];
  /** K: terms summed per element. */
  readonly terms: number;
}

/** One nest of loops over all labels, with compensated sums: slow, and right to the last bit or so. */
export function naiveContraction({ inputs, output, operands }: Omit<Case, 'equation'>): NaiveResult {
  const sizes = sizesOf(
    inputs,
    operands.map(({ shape }) => shape),
  );
  const summed = [...sizes.keys()].filter((label) => !output.includes(label));
  const labels = [...output, ...summed];
  const extents = labels.map((label) => sizes.get(label)!);
  const views = operands.map((operand, i) => viewOf(operand, inputs[i], labels));
  const shape = output.map((label) => sizes.get(label)!);
  const elements = shape.reduce((a, b) => a * b, 1);
  const terms = summed.reduce((product, label) => product * sizes.get(label)!, 1);
  const values = new Float64Array(elements);
  const magnitudes = new Float64Array(elements);
  const index = labels.map(() => 0);
  for (let element = 0; element < elements; element++) {
    let sum = 0;
    let lost = 0;
    for (let term = 0; term < terms; term++) {
      let product = 1;
      for (const { data, offset, strides } of views) {
        let at = offset;
        for (let l = 0; l < labels.length; l++) at += strides[l] * index[l];
        product *= data[at];
      }
      const next = sum + product;
      lost += Math.abs(sum) >= Math.abs(product) ? sum - next + product : product - next + sum;
      sum = next;
      magnitudes[element] += Math.abs(product);
      for (let l = labels.length - 1; l >= 0; l--) {
        if (++index[l] < extents[l]) break;
        index[l] = 0;
      }
    }
    values[element] = sum + lost;
  }
  return { values, magnitudes, shape, terms };
}

function viewOf({ data, shape, strides }: Tensor, axes: readonly number[], labels: readonly number[]) {
  const steps = strides ?? shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  let offset = 0;
  const along = labels.map(() => 0);
  for (const [axis, label] of axes.entries()) {
    if (steps[axis] < 0) offset -= steps[axis] * Math.max(0, shape[axis] - 1);
    if (shape[axis] !== 1) along[labels.indexOf(label)] += steps[axis];
  }
  return { data, offset, strides: along };
}

/**
 * The largest error of a result in units of its bound (K + max(1, n − 1)) · ε · |A|·|B|·…: at most 1 if it is right.
 * For two operands this is the (K + 1) · ε · |A| · |B| of a dot product; every further operand is one more rounding.
 */
export function errorInBounds(result: Tensor, expected: NaiveResult, operands: number, exponent = 0): number {
  const epsilon = result.data instanceof Float32Array ? 2 ** -23 : 2 ** -52;
  const unit = (expected.terms + Math.max(1, operands - 1)) * epsilon;
  if (result.data.length !== expected.values.length) return Number.POSITIVE_INFINITY;
  let worst = 0;
  for (const [i, value] of expected.values.entries()) {
    const error = Math.abs(result.data[i] * 2 ** exponent - value);
    if (Number.isNaN(error)) return Number.POSITIVE_INFINITY;
    if (error > 0) worst = Math.max(worst, error / (unit * expected.magnitudes[i]));
  }
  return worst;
}
