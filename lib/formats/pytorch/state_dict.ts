import { quote } from '../../words/quoting.js';
import { isStepName } from '../../words/steps.js';
import type { MemoryBudget } from '../budget.js';
import { emptyMetadata, LISTING_LIMITS } from '../entry.js';
import type { Fail } from './call.js';
import { type Choice, chooseStateDict, followKey, nothing, type Refusals } from './choose.js';
import { isModule, moduleTensors } from './module.js';
import { couldBeWeights, elementsIn, isBeside, isContainer, isOptimizer, itemsOf } from './places.js';
import { Dict, Global, isTensor, Made, NumpyScalar, type Tensor, Text, type Value } from './values.js';

/** The name of a tensor that was saved by itself. */
const ALONE = 'tensor';

/** Deeper than any tree of parameters. */
const MOST_NESTED = 32;
/** What looking into a nested dictionary costs in memory. */
const VISIT_COST = 256;

/** The tensors of a model, and what stands beside them. */
export interface StateDict {
  readonly path: readonly string[];
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** Numbers, texts and truth values beside the state dict: `step`, say. */
  readonly metadata: Record<string, string>;
  /** Numbers likewise that have yet to be read. */
  readonly counters: ReadonlyMap<string, Tensor | NumpyScalar>;
}

/**
 * The state dict of a checkpoint: what the key leads to, or else the only place that could be one. Whatever else is
 * there, an optimizer's state say, is left.
 * @param wrong makes the error for a tensor
 */
export function* findStateDict(
  root: Value,
  key: string | undefined,
  budget: MemoryBudget,
  refusals: Refusals,
  wrong: (tensor: string, problem: string, hint?: string) => Error,
): Generator<void, StateDict> {
  const choice = yield* key === undefined
    ? chooseStateDict(root, budget, refusals)
    : followKey(root, key, budget, refusals);
  const { path, value } = choice;
  const beside = besideIt(root, path);
  if (isTensor(value)) return { path, tensors: new Map([[ALONE, value]]), ...beside };
  const tensors = new Map<string, Tensor>();
  const others = new Map<string, Tensor>();
  for (const [name, tensor] of tensorsOf(choice, budget, refusals.fail, wrong)) {
    if (tensors.has(name)) throw refusals.fail(`has two tensors ${quote(name)} in its state dict`);
    budget.spend(2 * name.length);
    if (path.length === 0 && beside.counters.has(name)) continue;
    // At the top there may be the state of a random generator, or the last loss.
    (path.length === 0 && isBeside(name) && !couldBeWeights(tensor) ? others : tensors).set(name, tensor);
    if (tensors.size > LISTING_LIMITS.tensors) break;
    if (tensors.size % 256 === 0) yield;
  }
  if (tensors.size > 0) return { path, tensors, ...beside };
  if (others.size > 0) return { path, tensors: others, ...beside };
  throw key === undefined ? nothing(refusals) : refusals.several(`has no tensors under the key ${quote(key)}`);
}

function* tensorsOf(
  { path, value, nested }: Choice,
  budget: MemoryBudget,
  fail: Fail,
  wrong: (tensor: string, problem: string, hint?: string) => Error,
): Generator<[name: string, tensor: Tensor]> {
  if (isModule(value)) return yield* moduleTensors(value, budget);
  const atTop = path.length === 0;
  function* visit(container: Value, prefix: string, depth: number): Generator<[string, Tensor]> {
    budget.spend(VISIT_COST + 2 * prefix.length);
    if (depth > MOST_NESTED) throw fail('nests its tensors deeper than any model');
    if (container instanceof Dict) checkNames(container, fail);
    for (const [name, item] of itemsOf(container)) {
      const full = prefix + name;
      // Beside a state dict at the top there may be anything; within one, what could be weights is never left out.
      if (item instanceof Made && item.holdsTensors && !atTop)
        throw wrong(full, `its pickle makes it by ${quote(item.by)} of tensors, which is not read`);
      if (isTensor(item)) yield [full, item];
      else if (!nested || isBeside(name) || isOptimizer(item)) continue;
      else if (isModule(item)) yield* moduleTensors(item, budget, `${full}.`);
      else if (isContainer(item)) yield* visit(item, `${full}.`, depth + 1);
    }
  }
  yield* visit(value, '', 0);
}

function checkNames({ entries, hasNamelessTensors }: Dict, fail: Fail): void {
  const numbered = () => [...(entries ?? [])].some(([name, item]) => typeof name === 'number' && isTensor(item));
  if (hasNamelessTensors || numbered()) throw fail('has a tensor in its state dict under a key that is no name');
}

/** Names under which programs keep what a model was made with. */
const CONFIG =
  /^(?:(?:model_?|train_?|training_?)?(?:cfg|config|configs|configuration|args|kwargs|params|options|opts?|settings)|h_?params|hyper_?parameters)$/i;
/** Dictionaries within each other there, and entries in all of them, that are looked into. */
const MOST_DEEP = 3;
const MOST_FIELDS = 256;

/** A text, number or truth value as text, and classes and functions of torch by their names. */
function plainText(value: Value): string | undefined {
  const plain = value instanceof Text ? value.value : value;
  if (typeof plain === 'string' || typeof plain === 'number' || typeof plain === 'boolean') return String(plain);
  return value instanceof Global && value.name.startsWith('torch.nn.') ? value.name : undefined;
}

/** What is in a dictionary, or are the attributes of an object such as argparse's, under names with points. */
function* fieldsIn(value: Value, prefix: string, depth: number): Generator<[name: string, text: string]> {
  if (!(value instanceof Dict) || isModule(value) || depth >= MOST_DEEP) return;
  let count = 0;
  for (const [key, item] of itemsOf(value)) {
    if (count++ >= MOST_FIELDS) return;
    const text = plainText(item);
    if (text !== undefined) yield [`${prefix}.${key}`, text];
    else yield* fieldsIn(item, `${prefix}.${key}`, depth + 1);
  }
}

/** What stands beside the state dict, in everything that it lies in; the outermost goes first. */
function besideIt(root: Value, path: readonly string[]): Pick<StateDict, 'metadata' | 'counters'> {
  const metadata = emptyMetadata();
  const counters = new Map<string, Tensor | NumpyScalar>();
  let at: Value | undefined = root;
  for (const name of path.length === 0 ? [''] : path) {
    if (at === undefined || !isContainer(at)) break;
    if (at instanceof Dict && !isModule(at))
      for (const [key, value] of itemsOf(at)) {
        if (key === '__proto__' || key in metadata || counters.has(key)) continue;
        const text = plainText(value);
        if (text !== undefined) metadata[key] = text;
        else if (CONFIG.test(key)) for (const [name, nested] of fieldsIn(value, key, 0)) metadata[name] ??= nested;
        else if (value instanceof NumpyScalar || (isTensor(value) && isStepName(key) && elementsIn(value) === 1))
          counters.set(key, value);
      }
    at = new Map(itemsOf(at)).get(name);
  }
  return { metadata, counters };
}
