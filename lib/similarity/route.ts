import type { ChainMethod } from '../backend/backend.js';
import { TensimError } from '../errors.js';
import type { Outline } from '../model/outline.js';
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
export function chooseRoute(
  models: readonly Outline[],
  measure: 'gaussian' | 'tensor',
  method: 'auto' | Method,
): Route {
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
  if (depth === 2) for (const model of models) checkTwoBlockMemory(model);
  return { chain: depth <= 1 ? 'one-block' : 'two-block', method: 'exact', exact: true };
}

/** What one model may take for the exact comparison of two blocks, in bytes. */
const TWO_BLOCK_BYTES = 2 ** 31;

/**
 * Two blocks are expanded to quadratic forms of the input, two per hidden unit of the second block, over the r dimensions of it that the
 * first block sees (MATH.md section 5).
 * @throws TensimError `MEMORY_LIMIT`
 */
function checkTwoBlockMemory(model: Outline): void {
  const blocks = model.layers.filter((layer) => layer.type === 'bilinear');
  const [first, second] = blocks;
  if (second === undefined) return;
  const [hidden, width] = first.left.shape;
  const seen = first.alpha === 0 ? Math.min(width, 2 * hidden) : width;
  const rank = Math.min(model.inputShape[1], seen);
  const bytes = 8 * rank ** 2 * (2 * second.left.shape[0] + hidden);
  if (bytes <= TWO_BLOCK_BYTES) return;
  throw new TensimError(
    'MEMORY_LIMIT',
    `comparing "${model.label}" exactly would take ${(bytes / 2 ** 30).toFixed(1)} GiB: its first block sees ${rank} dimensions`,
    { hint: 'The method "closure" approximates, with an unknown error: ask for it by name' },
  );
}

/** The kinds of the layers of a model that are not linear, in order. */
export function blocksOf({ layers }: Outline): string[] {
  return layers.map(({ type }) => type).filter((type) => type !== 'linear');
}
