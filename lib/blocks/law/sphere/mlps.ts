import { Pacer } from '../../../cooperate.js';
import { TensimError } from '../../../errors.js';
import { LEAST_DIMENSION } from '../../../gaussian/sphere/polynomials.js';
import { hiddenOf } from '../../../layers/layer.js';
import type { Model } from '../../../model/model.js';
import { pairDegrees } from '../../../similarity/gram/degrees.js';
import { cosine } from '../../../similarity/gram/derived.js';
import { similarity } from '../../../similarity/similarity.js';
import type { SimilarityOptions, SimilarityResult } from '../../../similarity/terms/types.js';
import type { RowProducts } from '../../circuits/heads.js';
import type { MlpComparison } from '../../terms.js';
import { compareOnSphere, total } from './compare.js';
import { sphereMlp } from './units.js';

type Options = Pick<SimilarityOptions, 'backend' | 'threads' | 'signal'>;

/** Multiply-adds of three products of two blocks that are worth while: about half a minute. */
const MOST_WORK = 5e11;
/** How far the radius is moved for the derivatives by it. */
const STEP = 0.01;

/**
 * Compares two MLPs of an input that is uniform on the sphere of radius √d in d dimensions: by series, or, where that
 * would take minutes, to the first order in 1/d from what they are under N(0, I) (MATH.md section 12).
 * @param d the dimensions of the stream, or one less behind a layer norm
 * @throws TensimError as `similarity`; `SHAPE_MISMATCH` for a stream of less than four dimensions
 */
export async function onSphere(
  f: Model,
  g: Model,
  d: number,
  multiply: RowProducts,
  options: Options,
): Promise<Omit<MlpComparison, 'input'>> {
  if (d < LEAST_DIMENSION)
    throw new TensimError('SHAPE_MISMATCH', `a sphere in ${d} dimensions is too small for the law "sphere"`, {
      hint: `It takes streams of ${LEAST_DIMENSION + 1} features`,
    });
  const [a, b] = [f, g].map(({ layers: [layer] }) => hiddenOf(layer));
  if ((a * a + a * b + b * b) * 5 * f.inputShape[1] > MOST_WORK) return toFirstOrder(f, g, d, options);
  const plain = await ofRadius(f, g, 1, options);
  const pacer = new Pacer(options.signal);
  const [one, other] = [await sphereMlp(f, pacer), await sphereMlp(g, pacer)];
  const { ff, fg, gg, certified } = await compareOnSphere(one, other, d, multiply, options.signal);
  const byDegree = pairDegrees(
    { perDegree: Float64Array.from([ff, fg, fg, gg].flatMap((degrees) => [...degrees])) },
    undefined,
    'float64',
  );
  return {
    ...fromProducts(total(ff), total(fg), total(gg)),
    exact: true,
    certified,
    ...(byDegree && { byDegree }),
    sphere: { method: 'series', standard: plain.similarity },
  };
}

const fromProducts = (ff: number, fg: number, gg: number) => ({
  similarity: cosine(fg, ff, gg),
  fidelityError: Math.max(0, (ff - 2 * fg + gg) / ff),
  standardError: null,
});

const ofRadius = (f: Model, g: Model, sigma: number, options: Options): Promise<SimilarityResult> =>
  similarity(f, g, { ...options, input: { sigma }, method: 'exact' });

/** E_sphere ≈ E_gauss − (K''(1) − K'(1))/4d with K(r) = E f(r x)·g(r x). */
export async function toFirstOrder(
  f: Model,
  g: Model,
  d: number,
  options: Options,
): Promise<Omit<MlpComparison, 'input'>> {
  const plain = await ofRadius(f, g, 1, options);
  const less = productsOf(await ofRadius(f, g, 1 - STEP, options));
  const more = productsOf(await ofRadius(f, g, 1 + STEP, options));
  const [ff, fg, gg] = productsOf(plain).map((middle, i) => {
    const slope = (more[i] - less[i]) / (2 * STEP);
    const bend = (more[i] - 2 * middle + less[i]) / STEP ** 2;
    return middle - (bend - slope) / (4 * d);
  });
  return {
    ...fromProducts(ff, fg, gg),
    exact: false,
    sphere: { method: 'first-order', standard: plain.similarity },
  };
}

const productsOf = ({ normA, normB, innerProduct }: SimilarityResult) => [normA ** 2, innerProduct, normB ** 2];
