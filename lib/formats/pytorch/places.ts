import { sizeOf } from '../../tensor/tensor.js';
import type { MemoryBudget } from '../budget.js';
import { isModule, moduleTensors } from './module.js';
import { elementsOf } from './numpy.js';
import { Dict, isTensor, List, Made, NumpyArray, PickledTensor, Sequence, type Tensor, type Value } from './values.js';

/** Deeper than any checkpoint keeps a model. */
const MOST_DEPTH = 8;
/** What looking into something costs in memory, beside the path to it. */
const VISIT_COST = 128;

/** What is in a checkpoint beside a model, by its name. */
const BESIDE =
  /^(?:.*optim(?:s|izers?)?(?:_states?)?(?:_dict)?|optimizer.*|opt|opt_states?|.*sched(?:uler)?s?(?:_states?)?(?:_dict)?|.*scaler(?:_state)?(?:_dict)?|amp|(?:.*_)?rng(?:_.*)?|random_states?|.*loss(?:es)?|metrics?|history|grad(?:ient)?s?|.*_grads?|hyper_parameters|hparams|args|config|cfg)$/i;

/** Names under which training programs keep one model or another, or parts of one, as words of a name. */
const USUAL = new Set(
  (
    'state_dict model models net nets network networks module modules weight weights param params parameters backbone ' +
    'generator discriminator encoder decoder actor critic policy ema swa avg averaged shadow teacher student target online'
  ).split(' '),
);

/** Somewhere in a checkpoint where tensors stand side by side. */
export interface Place {
  /** The names and numbers that lead there; none for the checkpoint itself. */
  readonly path: readonly string[];
  readonly container: Dict | List | Sequence;
  readonly tensors: number;
  /** Elements of all of them, as far as they are known. */
  readonly elements: number;
  /** Whether one of them could be weights: numbers with a point, and more than one. */
  readonly weights: boolean;
  /** Whether the names of its tensors have points in them, as those of modules within modules have. */
  readonly dotted: boolean;
  /** Whether it is named, or its tensors are, as in a state dict. */
  readonly likely: boolean;
}

/** The path to a place as a person would write it. */
export function pathText(path: readonly string[]): string {
  return path.length === 0 ? '.' : path.join('.');
}

/**
 * All places of a checkpoint, the outer ones first. What is in it at several places is looked into once. States of
 * optimizers, losses and the like are passed over, by their names and by what they are.
 */
export function* findPlaces(root: Value, budget: MemoryBudget): Generator<void, Place[]> {
  const places: Place[] = [];
  const seen = new Map<Value, Place | undefined>();
  let level: { readonly path: readonly string[]; readonly value: Value }[] = [{ path: [], value: root }];
  for (let depth = 0; depth <= MOST_DEPTH && level.length > 0; depth++) {
    const next: typeof level = [];
    for (const { path, value } of level) {
      yield;
      if (!isContainer(value) || isOptimizer(value)) continue;
      const again = seen.has(value);
      budget.spend(VISIT_COST + 8 * path.length);
      const known = again ? seen.get(value) : placeAt(path, value, budget);
      if (known !== undefined) places.push({ ...known, path, likely: known.likely || path.some(isUsual) });
      if (again) continue;
      seen.set(value, known);
      if (isModule(value)) continue;
      for (const [name, item] of itemsOf(value))
        if (isContainer(item) && !isBeside(name)) {
          budget.spend(VISIT_COST);
          next.push({ path: [...path, name], value: item });
        }
    }
    level = next;
  }
  return places;
}

/** What a container holds, by name or number: its entries, and the attributes of an instance. */
export function* itemsOf(value: Value): Generator<[name: string, value: Value]> {
  if (value instanceof Dict) for (const [name, item] of value.entries ?? []) yield [`${name}`, item];
  if (value instanceof List) for (const [place, item] of value.kept) yield [`${place}`, item];
  if (value instanceof Sequence) for (const [place, item] of value.items.entries()) yield [`${place}`, item];
  if (value instanceof Made)
    for (const state of value.state instanceof Sequence ? value.state.items : [value.state])
      if (state instanceof Dict && !(state instanceof Made)) yield* itemsOf(state);
}

export function isContainer(value: Value | undefined): value is Dict | List | Sequence {
  return value instanceof Dict || value instanceof List || value instanceof Sequence;
}

/** Whether something of this name is no part of a model. */
export function isBeside(name: string): boolean {
  return name.length <= 128 && !name.includes('.') && BESIDE.test(name);
}

/** States of states that are looked into: an object may be its own, or one of a long chain of others. */
const MOST_STATES = 8;

/** What the state of every optimizer of torch is, whatever it is called. */
export function isOptimizer(value: Value): boolean {
  let state: Value = value;
  for (let depth = 0; depth < MOST_STATES; depth++) {
    if (state instanceof Dict && state.entries?.has('param_groups') === true) return true;
    if (!(state instanceof Made)) return false;
    state = state.state;
  }
  return false;
}

function placeAt(path: readonly string[], container: Dict | List | Sequence, budget: MemoryBudget): Place | undefined {
  let [tensors, elements, weights, dotted] = [0, 0, false, false];
  const entries = isModule(container) ? moduleTensors(container, budget) : itemsOf(container);
  for (const [name, item] of entries) {
    if (!isTensor(item)) continue;
    tensors++;
    elements += elementsIn(item);
    if (path.length === 0 && isBeside(name)) continue;
    weights ||= couldBeWeights(item);
    dotted ||= name.includes('.');
  }
  if (tensors === 0 && !(container instanceof Dict && container.hasNamelessTensors)) return undefined;
  const likely = dotted || isModule(container) || path.length === 0 || path.some(isUsual);
  return { path, container, tensors, elements, weights, dotted, likely };
}

/** Whether a name says that a model is there. */
export function isUsual(name: string): boolean {
  const words = name.toLowerCase().replace('state_dict', 'state-dict').split(/[_\s]/);
  return words.some((word) => USUAL.has(word.replace('-', '_')) || /^net[a-z]$/.test(word));
}

export function elementsIn(tensor: Tensor): number {
  const shape =
    tensor instanceof PickledTensor ? tensor.shape : tensor instanceof NumpyArray ? tensor.content?.shape : [];
  return shape === undefined || shape.length === 0 ? 1 : sizeOf(shape);
}

/** Numbers with a point, and more than one of them; of what is not read it is not known. */
export function couldBeWeights(tensor: Tensor): boolean {
  if (tensor instanceof PickledTensor) return isFloat(tensor.dtype) && elementsIn(tensor) > 1;
  if (!(tensor instanceof NumpyArray)) return true;
  const type = tensor.content && elementsOf(tensor.content.type);
  return type === undefined || (isFloat(type.dtype) && elementsIn(tensor) > 1);
}

const isFloat = (dtype: string): boolean => /^(?:B?F|C)\d/.test(dtype);
