import type { ChainMethod } from '../backend/backend.js';
import { TensimError } from '../errors.js';
import type { Model } from '../model/model.js';
import type { Method } from './types.js';

/** How a comparison is computed, and what its result says about that. */
export interface Route {
  readonly chain: ChainMethod;
  readonly method: Method;
  readonly exact: boolean;
}

/**
 * The method for models that `checkComparable` has let through: the cheapest exact one, or the closure where it was asked for. What is
 * not exact is never chosen in silence.
 * @throws TensimError `UNSUPPORTED_LAYER` where no exact method applies.
 */
export function chooseRoute(models: readonly Model[], measure: 'gaussian' | 'tensor', method: 'auto' | Method): Route {
  const deepest = models.reduce((best, model) => (blocksOf(model).length > blocksOf(best).length ? model : best));
  const depth = blocksOf(deepest).length;
  if (measure === 'tensor') return { chain: depth <= 1 ? 'one-block' : 'tensor', method: 'exact', exact: true };
  if (method === 'closure') return { chain: 'closure', method, exact: depth <= 1 };
  const attends = models.some((model) => blocksOf(model).includes('attention'));
  if (depth > (attends ? 1 : 2)) {
    const blocks = attends
      ? 'blocks, and attention is exact only at one'
      : 'bilinear blocks, and two are the most for an exact method';
    throw new TensimError('UNSUPPORTED_LAYER', `"${deepest.label}" has ${depth} ${blocks}`, {
      hint: 'The method "closure" approximates any depth, with an unknown error: ask for it by name',
    });
  }
  if (attends) return { chain: 'closure', method: 'exact', exact: true };
  return { chain: depth <= 1 ? 'one-block' : 'two-block', method: 'exact', exact: true };
}

/** The kinds of the layers of a model that are not linear, in order. */
export function blocksOf({ layers }: Model): string[] {
  return layers.map(({ type }) => type).filter((type) => type !== 'linear');
}
