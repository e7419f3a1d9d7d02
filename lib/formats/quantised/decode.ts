import { isFloatFormat } from '../../tensor/convert.js';
import type { StampedCheckpoint } from '../checkpoint.js';
import type { Told } from './stored.js';

/** Of bitsandbytes even types of floating point can hold what is packed. */
const PACKED_FLOATS = /\.quant_state\.bitsandbytes__/;

/**
 * The checkpoint with its quantised weights decoded where they are read; the same where it has none. What is damaged of
 * them is told by `spoilt`, and is as it is stored.
 * @param told what is said beside the tensors of how they are stored; asked for only where there are such
 * @throws TensimError `FILE_CHANGED`
 */
export async function decoded(
  checkpoint: StampedCheckpoint,
  told: () => Promise<Told>,
  signal?: AbortSignal,
): Promise<StampedCheckpoint> {
  const tensors = [...checkpoint.tensors.values()];
  const suspects = tensors.some(({ name }) => PACKED_FLOATS.test(name))
    ? tensors
    : tensors.filter(({ dtype }) => !isFloatFormat(dtype));
  if (suspects.length === 0) return checkpoint;
  // Most files have no such weights, and it takes many ways of storing them to find those of the others.
  const { decodedAmong } = await import('./find.js');
  return decodedAmong(suspects, checkpoint, told, signal);
}
