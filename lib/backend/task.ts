import { exactType, typesOf } from '../layers/layer.js';
import type { DType } from '../tensor/tensor.js';
import type { Ability } from './ability.js';
import type { AbilityName, Backend, BackendWith } from './backend.js';
import type { ChainMethod } from './grams.js';

/** What is needed of an ability. */
export interface Need {
  readonly method?: ChainMethod | undefined;
  /** Every kind of layer in the models at hand. */
  readonly kinds?: ReadonlySet<string> | undefined;
  readonly dtype?: DType | undefined;
  /** Whether products of floats may be one pass of TF32, where the backend has such and that is quicker. */
  readonly tf32?: boolean | undefined;
  /** Whether it must tell what every degree contributes. */
  readonly degrees?: boolean | undefined;
}

/** What a computation needs of a backend: the abilities, and of each what it must know. */
export type Task = { readonly [Name in AbilityName]?: Need };

/** A backend that can do a task. */
export type BackendFor<Wanted extends Task> = BackendWith<keyof Wanted & AbilityName>;

/** The kinds of all layers of models. */
export function kindsOf(models: Iterable<{ readonly layers: readonly { readonly type: string }[] }>): Set<string> {
  const kinds = new Set<string>();
  for (const { layers } of models) for (const type of layers.flatMap(typesOf)) kinds.add(type);
  return kinds;
}

/** The kinds that inner products of models are computed of: affine layers come as linear ones, and others as the
 * kind that stands in their place. */
export function productKindsOf(
  models: Iterable<{ readonly layers: readonly { readonly type: string }[] }>,
): Set<string> {
  const kinds = new Set<string>();
  for (const { layers } of models) for (const layer of layers) kinds.add(exactType(layer));
  return kinds;
}

/** What is missing where an ability is not there. */
const MISSING: Readonly<Record<AbilityName, string>> = {
  grams: 'inner products of models',
  forward: 'the forward pass, which sampling and evaluating need',
  normals: 'random inputs, which sampling needs',
  forms: 'the forms of models, which explaining needs',
  contractions: 'contractions',
  hafnians: 'hafnians',
  lowRank: 'inner products of low-rank matrices',
  eigen: 'eigenpairs',
};

export const ABILITY_NAMES = Object.keys(MISSING) as readonly AbilityName[];

/** Why a backend cannot do a task, in one line; null if it can. */
export function refusal(backend: Backend, task: Task): string | null {
  for (const [name, need] of Object.entries(task) as [AbilityName, Need][]) {
    const ability = backend[name];
    const unknown = ability === undefined ? MISSING[name] : unknownTo(ability, need);
    if (unknown !== null) return `it does not know ${unknown}`;
  }
  return null;
}

/** What a machine has turned out to do wrong, by the ability or the method; each in one line. */
export type Faults = Readonly<Partial<Record<AbilityName | ChainMethod, string>>>;

/** Why a machine that can do a task does it wrong; null if it does not. */
export function faultIn(faults: Faults, task: Task): string | null {
  for (const [name, { method }] of Object.entries(task) as [AbilityName, Need][]) {
    const fault = faults[name] ?? (method && faults[method]);
    if (fault !== undefined) return fault;
  }
  return null;
}

function unknownTo({ methods, kinds, kindsOf, dtypes, degrees }: Ability, need: Need): string | null {
  if (need.method !== undefined && methods?.has(need.method) === false) return `the method "${need.method}"`;
  if (need.degrees === true && need.method !== undefined && degrees?.has(need.method) !== true)
    return `what every degree contributes by the method "${need.method}"`;
  const unknown = (known: ReadonlySet<string> | undefined) =>
    [...(need.kinds ?? [])].find((one) => known?.has(one) === false);
  const kind = unknown(kinds);
  if (kind !== undefined) return `layers of the kind "${kind}"`;
  const untaken = need.method === undefined ? undefined : unknown(kindsOf?.get(need.method));
  if (untaken !== undefined) return `layers of the kind "${untaken}" by the method "${need.method}"`;
  return need.dtype !== undefined && dtypes?.has(need.dtype) === false ? `the type "${need.dtype}"` : null;
}
