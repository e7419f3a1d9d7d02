import { Pacer } from '../../cooperate.js';
import type { Checkpoint } from '../../formats/checkpoint.js';
import { isFloatFormat } from '../../tensor/convert.js';
import { sizeOf } from '../../tensor/tensor.js';
import type { TensorInfo, Tensors } from '../blueprint.js';

/** Where programs that prune a network keep which of its weights are left, under the names of these. */
const MASKS = /^masks?\.(.+)$/;
/** Elements of a mask that is looked into. */
const MOST_ELEMENTS = 1 << 24;
/** Elements between two looks at the clock. */
const RUN = 4096;

/**
 * Whether a tensor is a mask of zeros and ones beside a pruned weight, `masks.L` beside `p.L`, that changes nothing: the
 * weight is zero wherever the mask is. One that would change its weight is none, for nobody says that it is not to.
 */
export async function isMaskOfPruning(
  { name, dtype, shape }: TensorInfo,
  tensors: Tensors,
  checkpoint: Checkpoint,
  signal?: AbortSignal,
): Promise<boolean> {
  const [, own] = MASKS.exec(name) ?? [];
  if (own === undefined || !isFloatFormat(dtype) || sizeOf(shape) > MOST_ELEMENTS) return false;
  const masked = [...tensors.values()].filter(
    (other) => other.name !== name && (other.name === own || other.name.split('.').slice(1).join('.') === own),
  );
  const [weight, ...others] = masked;
  if (weight === undefined || others.length > 0 || String(weight.shape) !== String(shape)) return false;
  if (!isFloatFormat(weight.dtype)) return false;
  const { data: mask } = await checkpoint.read(name, signal);
  const { data } = await checkpoint.read(weight.name, signal);
  const pacer = new Pacer(signal);
  for (let at = 0; at < mask.length; at++) {
    if (mask[at] !== 1 && (mask[at] !== 0 || data[at] !== 0)) return false;
    if (at % RUN === 0 && pacer.due(RUN)) await pacer.pause();
  }
  return true;
}
