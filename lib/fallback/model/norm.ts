import type { NormOf } from '../../layers/norm.js';
import type { Tensor } from '../../tensor/tensor.js';
import type { Rows } from './rows.js';

/**
 * (w + offset) ⊙ (x − μ) / √(mean (x − μ)² + ε) + b of every row.
 * @param centred whether μ is the mean of the row; else it is 0.
 */
export function normalise(
  { weight, bias, epsilon, offset }: NormOf<Tensor>,
  { data, count, width }: Rows,
  centred: boolean,
): Rows {
  const result = new Float64Array(data.length);
  for (let start = 0; start < data.length; start += width) {
    let mean = 0;
    if (centred) {
      for (let i = 0; i < width; i++) mean += data[start + i];
      mean /= width;
    }
    let square = 0;
    for (let i = 0; i < width; i++) square += (data[start + i] - mean) ** 2;
    const factor = 1 / Math.sqrt(square / width + epsilon);
    for (let i = 0; i < width; i++) {
      const value = (data[start + i] - mean) * factor * (weight === undefined ? 1 : weight.data[i] + offset);
      result[start + i] = bias === undefined ? value : value + bias.data[i];
    }
  }
  return { data: result, count, width };
}
