import { quote } from '../../words/quoting.js';
import { emptyMetadata } from '../entry.js';
import type { Fail } from './call.js';
import { ARRAY, Dict, PickledTensor, type Value } from './values.js';

/** The names under which training scripts keep the model's state dict, in the order they are looked for. */
export const PLACES = ['model_state_dict', 'state_dict', 'model'] as const;

/** The name of a tensor that was saved by itself. */
const ALONE = 'tensor';

/** The tensors of a model, and what stands beside them. */
export interface StateDict {
  readonly tensors: ReadonlyMap<string, PickledTensor>;
  /** Numbers, texts and truth values beside the state dict: `step`, say. */
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * The state dict of a checkpoint: under one of `PLACES`, else the checkpoint itself. Whatever else is there, an
 * optimizer's state say, is left.
 */
export function findStateDict(root: Value, fail: Fail): StateDict {
  if (root instanceof PickledTensor) return { tensors: new Map([[ALONE, root]]), metadata: emptyMetadata() };
  if (!(root instanceof Dict)) throw fail('holds no dictionary, so no state dict');
  const place = PLACES.find((name) => holdsTensors(root.entries?.get(name)));
  const dict = place === undefined ? root : (root.entries?.get(place) as Dict);
  if (!holdsTensors(dict))
    throw fail(`has no tensors at the top, and none under ${PLACES.map((name) => `"${name}"`).join(', ')}`);
  if (dict.hasNamelessTensors) throw fail('has a tensor in its state dict under a key that is no name');
  const tensors = new Map<string, PickledTensor>();
  for (const [name, value] of dict.entries ?? []) {
    if (value instanceof PickledTensor) tensors.set(name, value);
    // What could be weights is never left out in silence. Beside a state dict at the top there may be anything.
    else if (value === ARRAY) throw fail(`has ${quote(name)} in its state dict as a NumPy array, which is no tensor`);
    else if (place !== undefined && holdsTensors(value))
      throw fail(`has tensors in ${quote(name)} within its state dict`);
  }
  return { tensors, metadata: scalarsOf(root) };
}

function holdsTensors(value: Value | undefined): value is Dict {
  if (!(value instanceof Dict)) return false;
  return value.hasNamelessTensors || [...(value.entries?.values() ?? [])].some((item) => item instanceof PickledTensor);
}

function scalarsOf({ entries }: Dict): Record<string, string> {
  const metadata = emptyMetadata();
  for (const [key, value] of entries ?? [])
    if (['string', 'number', 'boolean'].includes(typeof value) && key !== '__proto__') metadata[key] = String(value);
  return metadata;
}
