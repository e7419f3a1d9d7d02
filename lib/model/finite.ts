import { setImmediate as nextTurn } from 'node:timers/promises';
import { TensimError } from '../errors.js';
import type { Tensor, TensorData } from '../tensor/tensor.js';

/** Elements checked before the event loop gets its turn: about a millisecond. */
const CHUNK = 1 << 20;

/**
 * Checks that every element of a contiguous tensor is a finite number, synchronously.
 * @throws TensimError `NOT_FINITE` naming the tensor and the first element that is not.
 */
export function checkFinite(name: string, tensor: Tensor, file?: string): void {
  const index = firstNonFinite(tensor.data, 0, tensor.data.length);
  if (index >= 0) throw notFinite(name, tensor, index, file);
}

/** The same for a tensor of any size without holding up the event loop; rejects with `signal.reason` when aborted. */
export async function checkFiniteInTurns(
  name: string,
  tensor: Tensor,
  file: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { data } = tensor;
  for (let start = 0; start < data.length; start += CHUNK) {
    signal?.throwIfAborted();
    const index = firstNonFinite(data, start, Math.min(start + CHUNK, data.length));
    if (index >= 0) throw notFinite(name, tensor, index, file);
    if (start + CHUNK < data.length) await nextTurn();
  }
}

function firstNonFinite(data: TensorData, start: number, end: number): number {
  for (let index = start; index < end; index++) if (!Number.isFinite(data[index])) return index;
  return -1;
}

function notFinite(name: string, { data, shape }: Tensor, index: number, file: string | undefined): TensimError {
  const place: number[] = [];
  let rest = index;
  for (const extent of [...shape].reverse()) {
    place.unshift(rest % extent);
    rest = Math.floor(rest / extent);
  }
  return new TensimError('NOT_FINITE', `element [${place.join(', ')}] is ${data[index]}`, {
    ...(file === undefined ? {} : { file }),
    tensor: name,
    hint: 'A model with NaN or infinite weights has no similarity to anything: its training has diverged or the file is damaged. Leave it out to compare the others',
  });
}
