import type { Pacer } from '../../cooperate.js';
import type { DType, TensorData } from '../../tensor/tensor.js';

/** The numbers in the dtype: rounded to single precision in an array of their own, or as they are. */
export async function convert(data: Float64Array, dtype: DType, pacer: Pacer): Promise<TensorData> {
  if (dtype === 'float64') return data;
  const rounded = new Float32Array(data.length);
  await copyInto(rounded, data, pacer);
  return rounded;
}

/** Elements copied between two chances to yield. */
const COPY_CHUNK = 1 << 17;

/** Copies numbers into an array of either type and at least the same length. */
export async function copyInto(target: TensorData, source: TensorData, pacer: Pacer): Promise<void> {
  for (let at = 0; at < source.length; at += COPY_CHUNK) {
    target.set(source.subarray(at, at + COPY_CHUNK), at);
    if (pacer.due(COPY_CHUNK)) await pacer.pause();
  }
}
