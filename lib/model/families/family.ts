import type { AttentionOf, LinearOf } from '../../layers/layer.js';
import type { Place } from '../../layers/place.js';
import type { Blueprint, Tensors } from '../blueprint.js';
import type { ModelSettings } from '../settings.js';

/** A kind of model that is recognised by the names of its tensors. */
export interface Family {
  readonly name: string;
  /** The names that make it, for messages. */
  readonly looksFor: string;
  /** Compares the names of a checkpoint with those of the family. */
  match(tensors: Tensors): Match;
  /**
   * The layers of a checkpoint that matched completely.
   * @throws TensimError as `ModelSettings`, for what the names and shapes do not tell.
   */
  blueprint(tensors: Tensors, settings: ModelSettings): Blueprint;
}

/** How near a checkpoint is to a family: it belongs to it if nothing is missing and nothing is left over. */
export interface Match {
  readonly found: readonly string[];
  readonly missing: readonly string[];
  readonly extra: readonly string[];
}

/** Sorts the names of a checkpoint into those a family needs, may have, and does not know. */
export function matchNames(tensors: Tensors, required: readonly string[], optional: readonly string[]): Match {
  const known = new Set([...required, ...optional]);
  return {
    found: [...tensors.keys()].filter((name) => known.has(name)),
    missing: required.filter((name) => !tensors.has(name)),
    extra: [...tensors.keys()].filter((name) => !known.has(name)),
  };
}

export const biasOf = (weight: string): string => weight.replace(/weight$/, 'bias');

/** The place of a tensor under a role, as a field to spread; nothing if there is no such tensor. */
export function placeIf<Role extends string>(
  role: Role,
  tensor: string,
  tensors: Tensors,
): { readonly [key in Role]?: Place } {
  return tensors.has(tensor) ? ({ [role]: { tensor } } as { [key in Role]: Place }) : {};
}

/** A linear layer of `{module}.weight` and, if there is one, `{module}.bias`. */
export function linearAt(module: string, tensors: Tensors): LinearOf<Place> {
  return { type: 'linear', weight: { tensor: `${module}.weight` }, ...placeIf('bias', `${module}.bias`, tensors) };
}

/**
 * As many layers as different numbers are captured by the pattern, and at least one. Were they not 0, 1, 2 …, then some
 * of these would be missing and others left over; so a checkpoint that names body.999999999 costs nothing.
 */
export function countLayers(tensors: Tensors, pattern: RegExp): number {
  const numbers = new Set([...tensors.keys()].map((name) => pattern.exec(name)?.[1]));
  numbers.delete(undefined);
  return Math.max(1, numbers.size);
}

/** The weights of a quadratic attention under a prefix. `q` and `k` alone mean q1 = q2 and k1 = k2. */
export function attentionWeights(prefix: string, tensors: Tensors): string[] {
  return [...queriesAndKeys(prefix, tensors), 'v', 'o'].map((part) => `${prefix}.${part}.weight`);
}

function queriesAndKeys(prefix: string, tensors: Tensors): readonly string[] {
  return tensors.has(`${prefix}.q.weight`) ? ['q', 'k'] : ['q1', 'k1', 'q2', 'k2'];
}

/** The attention layer of `attentionWeights` and the biases that there are. @param mask where none is told. */
export function attentionAt(
  prefix: string,
  tensors: Tensors,
  settings: ModelSettings,
  residual: { readonly alpha: number; readonly beta: number },
  mask?: 'causal',
): AttentionOf<Place> {
  const shared = queriesAndKeys(prefix, tensors).includes('q');
  const parts = ['q1', 'k1', 'q2', 'k2', 'v', 'o'].map((role) => {
    const module = `${prefix}.${shared ? role.replace(/[12]$/, '') : role}`;
    return { [role]: { tensor: `${module}.weight` }, ...placeIf(`${role}Bias`, `${module}.bias`, tensors) };
  });
  return {
    type: 'attention',
    heads: settings.heads(),
    ...Object.assign({}, ...parts),
    mask: settings.mask(mask),
    rotaryBase: settings.rotaryBase(),
    ...residual,
  };
}

/** x + s·block(x). */
export const additive = (scale: number) => ({ alpha: 1, beta: scale });
/** (1−σ) x + σ·block(x). */
export const lerp = (scale: number) => ({ alpha: 1 - scale, beta: scale });
