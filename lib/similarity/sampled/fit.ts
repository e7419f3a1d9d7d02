import type { BackendWith } from '../../backend/backend.js';
import type { Control } from '../../backend/control.js';
import { Pacer } from '../../cooperate.js';
import type { DType } from '../../tensor/tensor.js';
import { innerProducts } from './inner_products.js';
import type { Head } from './surrogate.js';

/** What is added to the variances of features, in parts of their mean, so that no weight is large by rounding alone. */
const RIDGE: Readonly<Record<DType, number>> = { float64: 1e-9, float32: 1e-6 };

/** What features and outputs are on common inputs: `width` features and then the outputs, each a row of values. */
export interface Observed {
  /** (width + outputs, count), row-major; is centred by the fit. */
  readonly rows: Float64Array;
  readonly width: number;
  readonly outputs: number;
}

/**
 * The head that makes the outputs of the features as well as a linear one can, by least squares, and the share of the
 * variance of the outputs that it is expected to leave on other inputs.
 */
export async function fitHead(
  { rows, width, outputs }: Observed,
  dtype: DType,
  backend: BackendWith<'forward'>,
  control: Control,
): Promise<{ readonly head: Head; readonly left: number }> {
  const pacer = new Pacer(control.signal);
  const all = width + outputs;
  const count = rows.length / all;
  const means = await centre(rows, count, pacer);
  const products = await innerProducts(rows, all, backend, control);
  let spread = 0;
  for (let i = 0; i < width; i++) spread += products[i * (all + 1)] / width;
  const factor = await cholesky(products, all, width, RIDGE[dtype] * spread, pacer);
  const weight = new Float64Array(outputs * width);
  const bias = means.slice(width);
  let [before, after] = [0, 0];
  for (let c = 0; c < outputs; c++) {
    const row = (width + c) * all;
    const own = weight.subarray(c * width, (c + 1) * width);
    own.set(products.subarray(row, row + width));
    if (spread > 0) await solve(factor, width, own, pacer);
    else own.fill(0);
    let explained = 0;
    for (let i = 0; i < width; i++) {
      explained += own[i] * products[row + i];
      bias[c] -= own[i] * means[i];
    }
    before += products[row + width + c];
    after += products[row + width + c] - explained;
  }
  const left = before > 0 ? (Math.max(0, after) / before) * (count / Math.max(1, count - width - 1)) : 0;
  return { head: { weight, bias }, left };
}

/** Takes the mean of every row away; returns the means. */
async function centre(rows: Float64Array, count: number, pacer: Pacer): Promise<Float64Array> {
  const means = new Float64Array(rows.length / count);
  for (let i = 0; i < means.length; i++) {
    const row = rows.subarray(i * count, (i + 1) * count);
    let sum = 0;
    for (const value of row) sum += value;
    means[i] = sum / count;
    for (let s = 0; s < count; s++) row[s] -= means[i];
    if (pacer.due(2 * count)) await pacer.pause();
  }
  return means;
}

/** L of the leading `width` rows and columns plus `ridge` on the diagonal, (width, width). */
async function cholesky(
  products: Float64Array,
  stride: number,
  width: number,
  ridge: number,
  pacer: Pacer,
): Promise<Float64Array> {
  const factor = new Float64Array(width * width);
  for (let i = 0; i < width; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = products[i * stride + j] + (i === j ? ridge : 0);
      for (let k = 0; k < j; k++) sum -= factor[i * width + k] * factor[j * width + k];
      // What rounding makes of less than the ridge.
      factor[i * width + j] = i === j ? Math.sqrt(Math.max(sum, ridge)) : sum / factor[j * (width + 1)];
    }
    if (pacer.due((i * i) / 2)) await pacer.pause();
  }
  return factor;
}

/** x ← (L Lᵀ)⁻¹ x. */
async function solve(factor: Float64Array, width: number, x: Float64Array, pacer: Pacer): Promise<void> {
  for (let i = 0; i < width; i++) {
    for (let k = 0; k < i; k++) x[i] -= factor[i * width + k] * x[k];
    x[i] /= factor[i * (width + 1)];
  }
  for (let i = width - 1; i >= 0; i--) {
    for (let k = i + 1; k < width; k++) x[i] -= factor[k * width + i] * x[k];
    x[i] /= factor[i * (width + 1)];
  }
  if (pacer.due(width * width)) await pacer.pause();
}
