import { TensimError } from '../../errors.js';
import type { Checkpoint } from '../../formats/checkpoint.js';
import { isIntegerFormat } from '../../tensor/integers.js';
import { sizeOf } from '../../tensor/tensor.js';
import { matchesAny } from '../../words/pattern.js';
import { isStepName } from '../../words/steps.js';
import type { TensorInfo, Tensors } from '../blueprint.js';
import { isCausalMask, knownBuffer, type Reason } from './buffers.js';
import { isMaskOfPruning } from './pruning.js';

/** A tensor of a checkpoint that is left out of the network. */
export interface SetAside {
  /** As it stands in the file. */
  readonly name: string;
  /** Why, in words. */
  readonly reason: Reason;
}

/** What of a checkpoint makes the network. */
export interface Contents {
  readonly tensors: Tensors;
  readonly setAside: readonly SetAside[];
  /** Names of weights that are stored once, under another name: that other name by each. */
  readonly tied: Readonly<Record<string, string>>;
}

/**
 * Everything but what the caller wants to be ignored.
 * @throws TensimError `INVALID_ARGUMENT` for patterns that are none.
 */
export function withoutIgnored({ tensors }: Checkpoint, patterns: readonly string[] = []): Contents {
  if (!Array.isArray(patterns) || !patterns.every((pattern) => typeof pattern === 'string'))
    throw new TensimError('INVALID_ARGUMENT', 'the option "ignore" must be a list of patterns', {
      hint: 'They are names of tensors in which * stands for anything: { ignore: ["*.mask"] }',
    });
  const [kept, setAside]: [[string, TensorInfo][], SetAside[]] = [[], []];
  for (const [name, info] of tensors)
    if (matchesAny(name, patterns)) setAside.push({ name, reason: 'ignored as asked' });
    else kept.push([name, info]);
  return { tensors: setAside.length === 0 ? tensors : new Map(kept), setAside, tied: {} };
}

/** The same without what is known to be no weight. */
export async function sorted(contents: Contents, checkpoint: Checkpoint, signal?: AbortSignal): Promise<Contents> {
  const { metadata, format } = checkpoint;
  // What numpy.savez was given beside the weights, labels say, or what shapes of ONNX are; in other formats integers can
  // be packed weights.
  const isArchive = format === 'npz' || format === 'onnx';
  const kept = new Map<string, TensorInfo>();
  const setAside = [...contents.setAside];
  for (const [name, info] of contents.tensors) {
    const single = sizeOf(info.shape) === 1 && (isStepName(name) || info.shape.length === 0);
    const reason =
      (single && Object.hasOwn(metadata, name) ? 'a value beside the weights, told in the metadata' : undefined) ??
      knownBuffer(info) ??
      (isArchive && isIntegerFormat(info.dtype) ? 'whole numbers beside the weights' : undefined) ??
      ((await isCausalMask(info, checkpoint, signal)) ? 'a causal mask' : undefined) ??
      ((await isMaskOfPruning(info, contents.tensors, checkpoint, signal))
        ? 'zeros that a weight has already'
        : undefined);
    if (reason === undefined) kept.set(name, info);
    else setAside.push({ name, reason });
  }
  return { tensors: kept, setAside, tied: {} };
}

/**
 * The same with the weights that are stored once, under another name, as the metadata of safetensors' `save_model` tell
 * them: name by stored name. The same object if there are none.
 */
export function withTied(contents: Contents, { metadata }: Checkpoint): Contents {
  const ignored = new Set(contents.setAside.map(({ name }) => name));
  const pairs = Object.entries(metadata).filter(
    ([name, stored]) => contents.tensors.has(stored) && !contents.tensors.has(name) && !ignored.has(name),
  );
  if (pairs.length === 0) return contents;
  const { tensors } = contents;
  const others = pairs.map(([name, stored]): [string, TensorInfo] => [name, tensors.get(stored)!]);
  return { ...contents, tensors: new Map([...tensors, ...others]), tied: Object.fromEntries(pairs) };
}
