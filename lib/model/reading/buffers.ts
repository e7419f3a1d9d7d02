import { Pacer } from '../../cooperate.js';
import type { Checkpoint } from '../../formats/checkpoint.js';
import { isFloatFormat } from '../../tensor/convert.js';
import { isIntegerFormat } from '../../tensor/integers.js';
import { sizeOf } from '../../tensor/tensor.js';
import type { TensorInfo } from '../blueprint.js';

/** Why a tensor of a checkpoint is none of the network's weights, in words. */
export type Reason = string;

/** Last parts of names under which modules keep what they compute for themselves, or count. */
const KNOWN: ReadonlyMap<string, Reason> = new Map(
  Object.entries({
    num_batches_tracked: 'counts batches',
    n_averaged: 'counts averaged models',
    _extra_state: 'the state of a module beside its weights',
    inv_freq: 'frequencies of a rotary embedding',
    original_inv_freq: 'frequencies of a rotary embedding',
    rotary_sin: 'a table of a rotary embedding',
    rotary_cos: 'a table of a rotary embedding',
    sin_cached: 'a table of a rotary embedding',
    cos_cached: 'a table of a rotary embedding',
    freqs_cis: 'a table of a rotary embedding',
    freqs_cos: 'a table of a rotary embedding',
    freqs_sin: 'a table of a rotary embedding',
    position_ids: 'numbers of positions',
    masked_bias: 'what a mask puts in the place of a score',
    IGNORE: 'what a mask puts in the place of a score',
    total_ops: 'counted by a profiler',
    total_params: 'counted by a profiler',
  }),
);

/** Last parts of the names of attention masks; `bias` is that of GPT-2, whose attention is no linear layer. */
const MASK = /^(?:bias|tril|triu|causal|mask|(?:attn|attention|causal|self_attn|src|tgt)_mask)$/;

/** NumPy's own names for elements that are no numbers: objects, texts, bytes, times, structures. */
const OTHERS = /^(?:[<>|=]?[OUSVMm]\d*(?:\[|$)|\[)/;

/** Elements of a mask that is looked into: 4,096 positions. */
const MOST_MASK = 1 << 24;

/**
 * Why a tensor cannot be one of a network's weights, by what the listing says of it; undefined where it could be one.
 * Integers in general could: those of quantised networks are.
 */
export function knownBuffer({ name, dtype, shape }: TensorInfo): Reason | undefined {
  const last = lastPart(name);
  const known = KNOWN.get(last);
  if (known !== undefined) return known;
  if (sizeOf(shape) === 0) return 'empty';
  if (dtype === 'BOOL' && (MASK.test(last) || isMaskOfOthers(last))) return 'a mask';
  return OTHERS.test(dtype) ? 'no numbers' : undefined;
}

/**
 * Whether a tensor is a causal mask: under the name of one, square, and with one value up to the diagonal and another
 * beyond it, as masks have them, whatever the element type.
 */
export async function isCausalMask(
  { name, dtype, shape }: TensorInfo,
  checkpoint: Checkpoint,
  signal?: AbortSignal,
): Promise<boolean> {
  const size = shape.at(-1) ?? 0;
  const square = shape.length >= 2 && size >= 2 && shape.at(-2) === size && sizeOf(shape) === size * size;
  if (!square || !MASK.test(lastPart(name)) || size * size > MOST_MASK) return false;
  const pacer = new Pacer(signal);
  if (isFloatFormat(dtype)) return isTriangular((await checkpoint.read(name, signal)).data, size, pacer);
  return isIntegerFormat(dtype) && isTriangular((await checkpoint.readIntegers(name, signal)).data, size, pacer);
}

const lastPart = (name: string): string => name.slice(name.lastIndexOf('.') + 1);

/** `weight_mask` and `bias_mask` are of pruning: they are factors of weights. */
const isMaskOfOthers = (last: string): boolean => /_mask$/.test(last) && !/^(?:weight|bias)\w*_mask$/.test(last);

/** Scores that are as good as −∞ in a mask that is added. */
const MINUS_INFINITE = -1e3;

async function isTriangular(values: ArrayLike<number>, size: number, pacer: Pacer): Promise<boolean> {
  // The diagonal goes with one of the two.
  const [diagonal, above, below] = [values[0], values[1], values[size]];
  const [seen, hidden] = diagonal === above ? [above, below] : [below, above];
  const factors = (seen === 1 && hidden === 0) || (seen === 0 && hidden === 1);
  if (diagonal !== seen || !(factors || (seen === 0 && hidden <= MINUS_INFINITE))) return false;
  for (let i = 0, at = 0; i < size; i++) {
    for (let j = 0; j < size; j++, at++) if (values[at] !== (i === j ? diagonal : i > j ? below : above)) return false;
    if (pacer.due(size)) await pacer.pause();
  }
  return true;
}
