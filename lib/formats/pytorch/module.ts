import type { MemoryBudget } from '../budget.js';
import { Dict, isTensor, List, Made, Sequence, type Tensor, Text, Unread, type Value } from './values.js';

/** Deeper than any network nests its modules. */
const MOST_WITHIN = 64;
/** What visiting a module costs in memory, so that modules that share modules are not walked through without end. */
const VISIT_COST = 512;

/** A network that was saved as a whole, an instance of torch.nn.Module: its attributes. */
export type Module = Made & { readonly state: Dict };

/** Whatever its class is: what torch.nn.Module itself keeps its parameters in is the same for all. */
export function isModule(value: Value | undefined): value is Module {
  return (
    value instanceof Made &&
    value.state instanceof Dict &&
    ['_parameters', '_modules'].every((name) => part(value.state, name) instanceof Dict)
  );
}

/**
 * The tensors of a module under the names that its `state_dict()` gives them, as torch.nn.Module does: parameters, then
 * buffers that are not said to be temporary, then the modules within.
 */
export function* moduleTensors(
  module: Module,
  budget: MemoryBudget,
  prefix = '',
  within: readonly Module[] = [],
): Generator<[name: string, tensor: Tensor], void> {
  budget.spend(VISIT_COST + 2 * prefix.length);
  if (within.length > MOST_WITHIN) return yield [prefix, new Unread('nests modules deeper than any network')];
  const temporary = namesIn(part(module.state, '_non_persistent_buffers_set'));
  for (const kind of ['_parameters', '_buffers'])
    for (const [name, value] of entriesOf(part(module.state, kind)))
      if (isTensor(value) && !(kind === '_buffers' && temporary.has(name))) yield [prefix + name, value];
  // One that is within itself has no end, and no state dict either.
  for (const [name, value] of entriesOf(part(module.state, '_modules')))
    if (isModule(value) && value !== module && !within.includes(value))
      yield* moduleTensors(value, budget, `${prefix}${name}.`, [...within, module]);
}

function part(state: Value, name: string): Value | undefined {
  return state instanceof Dict ? state.entries?.get(name) : undefined;
}

function entriesOf(value: Value | undefined): [name: string, value: Value][] {
  const entries = value instanceof Dict ? [...(value.entries ?? [])] : [];
  return entries.map(([name, item]) => [`${name}`, item]);
}

function namesIn(value: Value | undefined): ReadonlySet<string> {
  const items = value instanceof List ? [...value.kept.values()] : value instanceof Sequence ? value.items : [];
  return new Set(items.flatMap((item) => (item instanceof Text ? [item.value ?? ''] : [])));
}
