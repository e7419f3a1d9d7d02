import type { WhitenedLaw } from '../../backend/grams.js';
import type { Pacer } from '../../cooperate.js';
import { linearOf } from '../../layers/layer.js';
import type { Layer } from '../../model/model.js';
import { type MatrixView, matrixOf, rowMajor, vectorOf } from '../../tensor/matrix.js';
import { signSource } from './signs.js';

/**
 * What a stream is at some inputs x = μ + C z, (count, width): z of random signs, which has the moments of a normal one.
 * Root mean squares over them are right to a fifth, with the law and all layers in between taken into account.
 */
export interface Probes {
  readonly width: number;
  readonly data: Float64Array;
}

const COUNT = 32;

export async function probesOf({ mean, factor, sigma }: WhitenedLaw, inputs: number, pacer: Pacer): Promise<Probes> {
  const sign = signSource(0);
  const bias = mean ?? new Float64Array(inputs);
  if (factor === undefined) {
    const data = new Float64Array(COUNT * inputs);
    for (let i = 0; i < data.length; i++) data[i] = bias[i % inputs] + sigma * sign();
    return { width: inputs, data };
  }
  const { columns } = factor;
  const z = { width: columns, data: Float64Array.from({ length: COUNT * columns }, sign) };
  return { width: inputs, data: await valuesAt(rowMajor(factor.data, inputs, columns), bias, z, pacer) };
}

/** Behind a layer; null behind one that is not linear. */
export async function probesBehind(layer: Layer, probes: Probes, pacer: Pacer): Promise<Probes | null> {
  const linear = linearOf(layer);
  if (linear === null) return null;
  const weight = matrixOf(linear.weight);
  const data = await valuesAt(weight, vectorOf(linear.bias, weight.rows), probes, pacer);
  return { width: weight.rows, data };
}

/** W x + b at every probe x, (count, rows). */
async function valuesAt(
  { data, rows, columns, rowStride, columnStride }: MatrixView,
  bias: ArrayLike<number>,
  probes: Probes,
  pacer: Pacer,
): Promise<Float64Array> {
  const values = new Float64Array(COUNT * rows);
  for (let i = 0; i < rows; i++) {
    for (let n = 0; n < COUNT; n++) {
      let sum = bias[i];
      for (let j = 0, at = i * rowStride, x = n * columns; j < columns; j++, at += columnStride)
        sum += data[at] * probes.data[x + j];
      values[n * rows + i] = sum;
    }
    if (pacer.due(COUNT * columns)) await pacer.pause();
  }
  return values;
}

/** The root mean square of every row of W x + b. */
export async function sizesOf(
  weight: MatrixView,
  bias: ArrayLike<number>,
  probes: Probes,
  pacer: Pacer,
): Promise<Float64Array> {
  const values = await valuesAt(weight, bias, probes, pacer);
  const sizes = new Float64Array(weight.rows);
  for (const [at, value] of values.entries()) sizes[at % weight.rows] += value * value;
  return sizes.map((sum) => Math.sqrt(sum / COUNT));
}
