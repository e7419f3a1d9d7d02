import type { Pacer } from '../../cooperate.js';
import type { LinearLayer } from '../../model/model.js';
import { matrixOf, rowMajor, transpose, vectorOf } from '../../tensor/matrix.js';
import { multiply } from '../gemm/gemm.js';

/** Vectors of one width, one after the other: a row per position of every input. */
export interface Rows {
  readonly data: Float64Array;
  readonly count: number;
  readonly width: number;
}

/** Adds a bias to every row. */
export function addBias({ data, width }: Rows, bias: Float64Array): void {
  for (let start = 0; start < data.length; start += width) for (let i = 0; i < width; i++) data[start + i] += bias[i];
}

/** α x + β y, written over y. Without a residual, α = 0, x may have another width. */
export function addResidual(
  y: Rows,
  x: Rows,
  { alpha, beta }: { readonly alpha: number; readonly beta: number },
): Rows {
  const { data } = y;
  if (alpha === 0) {
    if (beta !== 1) for (let i = 0; i < data.length; i++) data[i] *= beta;
    return y;
  }
  for (let i = 0; i < data.length; i++) data[i] = alpha * x.data[i] + beta * data[i];
  return y;
}

/** W x + b for every row x. */
export async function project(
  x: Rows,
  weight: LinearLayer['weight'],
  bias: LinearLayer['bias'],
  pacer: Pacer,
): Promise<Rows> {
  const width = weight.shape[0];
  const data = await multiply(rowMajor(x.data, x.count, x.width), transpose(matrixOf(weight)), pacer);
  const rows = { data, count: x.count, width };
  if (bias !== undefined) addBias(rows, vectorOf(bias, width));
  return rows;
}
