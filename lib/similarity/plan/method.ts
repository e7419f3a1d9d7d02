import type { ChainMethod } from '../../backend/grams.js';
import { TensimError } from '../../errors.js';
import { depthOf, exactMethod, isExact, limitOf, untaken } from '../../layers/exact.js';
import type { FunctionMeasure } from '../../layers/kind.js';
import { blocksOf, hiddenOf, type LayerOf, nounOf, residualOf, typesOf } from '../../layers/layer.js';
import type { ShapeOnly } from '../../layers/shapes.js';
import { kindOf } from '../../layers/table.js';
import type { Outline } from '../../model/reading/outline.js';
import { bytesIn } from '../../words/bytes.js';
import { checkComparable, unequalKinds } from '../gram/sources.js';
import type { InputLaw, Method } from '../terms/types.js';

/** A comparison computed by a method of the backends, and what its result says about that. */
export interface ExactMethod {
  readonly chain: ChainMethod;
  readonly method: Method;
  readonly exact: boolean;
}

/** How a comparison is computed; without a chain it is sampled. */
export type MethodChoice = ExactMethod | { readonly chain: null; readonly method: 'sampled'; readonly exact: false };

const SAMPLED: MethodChoice = { chain: null, method: 'sampled', exact: false };

/**
 * The method for models: the cheapest exact one, sampling where there is none, or what was asked for. The closure,
 * whose error is unknown, is never chosen in silence.
 * @throws TensimError as `checkComparable`; `UNSUPPORTED_LAYER` or `MEMORY_LIMIT` where the method asked for does not
 * apply, `INVALID_ARGUMENT` for one that the law has not.
 */
export function chooseMethod(
  models: readonly Outline[],
  measure: FunctionMeasure,
  method: 'auto' | Method,
  input: InputLaw,
): MethodChoice {
  checkComparable(models, measure);
  if (input === 'tokens') {
    if (measure === 'gaussian' && (method === 'auto' || method === 'sampled')) return SAMPLED;
    throw new TensimError('INVALID_ARGUMENT', 'the input law "tokens" is no Gaussian: it can be sampled only', {
      hint: 'Use the measure "gaussian" with the method "auto" or "sampled", or the law "onehot"',
    });
  }
  const chains = models.map(({ layers }) => layers);
  if (measure === 'tensor') {
    const kinds = unequalKinds(models);
    if (kinds !== null) throw kinds;
    const chain = exactMethod(chains, measure);
    if (chain === null) throw tooDeep(models, measure);
    return exactRoute(chain);
  }
  if (method === 'sampled') return SAMPLED;
  if (method === 'closure') {
    const obstacle = unequalKinds(models) ?? notClosed(models);
    if (obstacle !== null) throw obstacle;
    return { chain: 'closure', method, exact: isExact('closure', chains) };
  }
  const chain = exactMethod(chains, measure);
  // Units of any kind meet those of any other.
  const unequal = untaken('hidden', chains) === undefined ? null : unequalKinds(models);
  const obstacle = unequal ?? (chain === null ? tooDeep(models, measure) : tooLarge(models));
  if (chain !== null && obstacle === null) return exactRoute(chain);
  if (method === 'auto') return SAMPLED;
  throw obstacle;
}

const exactRoute = (chain: ChainMethod): ExactMethod => ({ chain, method: 'exact', exact: true });

const REMEDY = 'The method "sampled" (or "auto") estimates at any depth; "closure" approximates, with an unknown error';

/** A kind of layer, in branches too, of which networks can be compared in another way; undefined: there is none. */
function hopeless(models: readonly Outline[]): TensimError | undefined {
  for (const { label, layers } of models)
    for (const type of layers.flatMap(typesOf)) {
      const { instead, words } = kindOf({ type });
      if (instead === undefined) continue;
      return new TensimError('UNSUPPORTED_LAYER', `"${label}" has ${words.noun}, for which no method is exact`, {
        hint: `As a whole it is estimated by the method "sampled" (or "auto"); ${instead}`,
      });
    }
  return undefined;
}

function tooDeep(models: readonly Outline[], measure: FunctionMeasure): TensimError {
  const known = hopeless(models);
  if (known !== undefined) return known;
  const chains = models.map(({ layers }) => layers);
  const { kind, most } = limitOf(chains, measure);
  const { plural } = kind.words;
  const noun = nounOf(kind);
  const refuse = ({ label }: Outline, problem: string) =>
    new TensimError('UNSUPPORTED_LAYER', `"${label}" has ${problem}`, { hint: REMEDY });
  if (most === 0) {
    const one = models.find(({ layers }) => blocksOf(layers).some((layer) => kindOf(layer) === kind))!;
    return refuse(one, `${noun}, for which no method is exact`);
  }
  const depth = depthOf(chains);
  const deepest = models.find(({ layers }) => blocksOf(layers).length === depth)!;
  if (most === 1) return refuse(deepest, `${depth} blocks, and ${noun} is exact only at one`);
  return refuse(deepest, `${depth} ${plural}, and ${most === 2 ? 'two' : most} are the most for an exact method`);
}

/** What keeps models from the closure: a kind of block that it does not take. */
function notClosed(models: readonly Outline[]): TensimError | null {
  for (const { label, layers } of models) {
    const kind = untaken('closure', [layers]);
    if (kind === undefined) continue;
    return new TensimError('UNSUPPORTED_LAYER', `"${label}" has ${nounOf(kind)}, for which there is no closure`, {
      hint: 'The method "sampled" (or "auto") estimates, whatever the layers',
    });
  }
  return null;
}

/** What one model may take for the exact comparison of two blocks, in bytes. */
export const TWO_BLOCK_BYTES = 2 ** 31;

/**
 * Two blocks are expanded to quadratic forms of the input, two per hidden unit of the second block, over the r
 * dimensions of it that the first block sees (MATH.md section 5). Nothing, where there are not two.
 */
export function twoBlockSize(layers: readonly LayerOf<ShapeOnly>[], inputs: number): { rank: number; bytes: number } {
  const [first, second] = blocksOf(layers);
  if (second === undefined) return { rank: 0, bytes: 0 };
  const { takes } = kindOf(first).widths(first);
  const [hidden, units] = [first, second].map(hiddenOf);
  const seen = residualOf(first).alpha === 0 ? Math.min(takes, 2 * hidden) : takes;
  const rank = Math.min(inputs, seen);
  return { rank, bytes: 8 * rank ** 2 * (2 * units + hidden) };
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
