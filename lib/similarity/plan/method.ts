import type { ChainMethod } from '../../backend/grams.js';
import { TensimError } from '../../errors.js';
import type { LayerOf } from '../../layers/layer.js';
import type { ShapeOnly } from '../../layers/shapes.js';
import type { Outline } from '../../model/reading/outline.js';
import { bytesIn } from '../../words/bytes.js';
import { blocksOf, checkComparable, unequalKinds } from '../gram/sources.js';
import type { InputLaw, Method } from '../terms/types.js';

/** A comparison computed by a method of the backends, and what its result says about that. */
export interface ExactRoute {
  readonly chain: ChainMethod;
  readonly method: Method;
  readonly exact: boolean;
}

/** How a comparison is computed; without a chain it is sampled. */
export type Route = ExactRoute | { readonly chain: null; readonly method: 'sampled'; readonly exact: false };

const SAMPLED: Route = { chain: null, method: 'sampled', exact: false };

/**
 * The method for models: the cheapest exact one, sampling where there is none, or what was asked for. The closure, whose error is unknown,
 * is never chosen in silence.
 * @throws TensimError as `checkComparable`; `UNSUPPORTED_LAYER` or `MEMORY_LIMIT` where the method asked for does not apply,
 * `INVALID_ARGUMENT` for one that the law has not.
 */
export function chooseRoute(
  models: readonly Outline[],
  measure: 'gaussian' | 'tensor',
  method: 'auto' | Method,
  input: InputLaw,
): Route {
  checkComparable(models, measure);
  if (input === 'tokens') {
    if (measure === 'gaussian' && (method === 'auto' || method === 'sampled')) return SAMPLED;
    throw new TensimError('INVALID_ARGUMENT', 'the input law "tokens" is no Gaussian: it can be sampled only', {
      hint: 'Use the measure "gaussian" with the method "auto" or "sampled", or the law "onehot"',
    });
  }
  if (measure === 'tensor') {
    const kinds = unequalKinds(models);
    if (kinds !== null) throw kinds;
    return { chain: depthOf(models) <= 1 ? 'one-block' : 'tensor', method: 'exact', exact: true };
  }
  if (method === 'sampled') return SAMPLED;
  if (method === 'closure') {
    const kinds = unequalKinds(models);
    if (kinds !== null) throw kinds;
    return { chain: 'closure', method, exact: depthOf(models) <= 1 };
  }
  const obstacle = unequalKinds(models) ?? tooDeep(models) ?? tooLarge(models);
  if (obstacle !== null) {
    if (method === 'auto') return SAMPLED;
    throw obstacle;
  }
  if (models.some(attends)) return { chain: 'closure', method: 'exact', exact: true };
  return { chain: depthOf(models) <= 1 ? 'one-block' : 'two-block', method: 'exact', exact: true };
}

const depthOf = (models: readonly Outline[]) => Math.max(...models.map((model) => blocksOf(model).length));
const attends = (model: Outline) => blocksOf(model).includes('attention');

const REMEDY = 'The method "sampled" (or "auto") estimates at any depth; "closure" approximates, with an unknown error';

function tooDeep(models: readonly Outline[]): TensimError | null {
  const depth = depthOf(models);
  const attending = models.some(attends);
  if (depth <= (attending ? 1 : 2)) return null;
  const deepest = models.find((model) => blocksOf(model).length === depth)!;
  const blocks = attending
    ? 'blocks, and attention is exact only at one'
    : 'bilinear blocks, and two are the most for an exact method';
  return new TensimError('UNSUPPORTED_LAYER', `"${deepest.label}" has ${depth} ${blocks}`, { hint: REMEDY });
}

/** What one model may take for the exact comparison of two blocks, in bytes. */
export const TWO_BLOCK_BYTES = 2 ** 31;

/**
 * Two blocks are expanded to quadratic forms of the input, two per hidden unit of the second block, over the r dimensions of it that the
 * first block sees (MATH.md section 5). Nothing, where there are not two.
 */
export function twoBlockSize(layers: readonly LayerOf<ShapeOnly>[], inputs: number): { rank: number; bytes: number } {
  const [first, second] = layers.filter((layer) => layer.type === 'bilinear');
  if (second === undefined) return { rank: 0, bytes: 0 };
  const [hidden, width] = first.left.shape;
  const seen = first.alpha === 0 ? Math.min(width, 2 * hidden) : width;
  const rank = Math.min(inputs, seen);
  return { rank, bytes: 8 * rank ** 2 * (2 * second.left.shape[0] + hidden) };
}

function tooLarge(models: readonly Outline[]): TensimError | null {
  for (const model of models) {
    const { rank, bytes } = twoBlockSize(model.layers, model.inputShape[1]);
    if (bytes <= TWO_BLOCK_BYTES) continue;
    return new TensimError(
      'MEMORY_LIMIT',
      `comparing "${model.label}" exactly would take ${bytesIn('GiB', bytes)} GiB: its first block sees ${rank} dimensions`,
      { hint: REMEDY },
    );
  }
  return null;
}
