import { expect } from 'vitest';
import { evaluate } from '../../lib/evaluation/evaluate.js';
import type { Model } from '../../lib/model/model.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { availableBackends } from './backends.js';
import { randomTensor } from './models.js';
import type { Random } from './random.js';

/** The largest difference relative to the largest value. */
export function difference(found: ArrayLike<number>, expected: readonly number[]): number {
  const scale = Math.max(...expected.map(Math.abs), Number.MIN_VALUE);
  return Math.max(...expected.map((value, i) => Math.abs(value - found[i]) / scale));
}

/**
 * Compares the outputs of a model, on every backend and in both types, with what a plain function of one input says,
 * and makes sure that neither threads nor the rest of a batch change a bit.
 * @param expected from the rows of an input, one for each position, to those of the output.
 */
export async function expectForward(
  model: Model,
  draw: Random,
  expected: (rows: number[][]) => number[][],
  { batch = 5, epsilon = 1e-13 } = {},
): Promise<void> {
  const [n, d] = model.inputShape;
  const inputs = randomTensor(draw, batch, n, d);
  inputs.data.forEach((value, i) => {
    inputs.data[i] = value * Math.sqrt(d);
  });
  const all = Array.from({ length: batch }, (_, b) => expected(rowsOf(inputs, b * n, n, d)).flat()).flat();
  for (const backend of availableBackends) {
    const found = await evaluate(model, inputs, { backend, threads: 2 });
    expect(found.shape).toEqual([batch, ...model.outputShape]);
    expect(difference(found.data, all)).toBeLessThan(epsilon);
    expect((await evaluate(model, inputs, { backend, threads: 1 })).data).toEqual(found.data);
    const last = { data: inputs.data.slice((batch - 1) * n * d), shape: [1, n, d] };
    const size = found.data.length / batch;
    expect((await evaluate(model, last, { backend })).data).toEqual(found.data.slice((batch - 1) * size));
    const single = await evaluate(model, inputs, { backend, dtype: 'float32' });
    expect(single.data).toBeInstanceOf(Float32Array);
    expect(difference(single.data, all)).toBeLessThan(1e-5);
  }
}

function rowsOf({ data }: Tensor, first: number, count: number, width: number): number[][] {
  return Array.from({ length: count }, (_, i) =>
    Array.from(data.slice((first + i) * width, (first + i + 1) * width) as Float64Array),
  );
}
