import { TensimError } from '../../errors.js';
import type { Matrix } from '../terms/types.js';

/**
 * Pearson's correlation between two matrices of similarities of the same models, over the pairs i < j that are defined
 * in both: how alike two measures see a series. NaN where one of them is constant, or fewer than two pairs are left.
 *
 *     correlation(byFunction.cosine, byWeights.cosine);
 *
 * @throws TensimError `SHAPE_MISMATCH` for matrices of different sizes.
 */
export function correlation(a: Matrix, b: Matrix): number {
  if (a.length !== b.length) {
    throw new TensimError('SHAPE_MISMATCH', `matrices of ${a.length} and ${b.length} models cannot be correlated`, {
      hint: 'Compare the same models by both measures',
    });
  }
  const means = moments(a, b, 0, 0);
  const { xx, yy, xy } = moments(a, b, means.x, means.y);
  // One of them may be constant but for the rounding of its mean.
  if (!(xx > ROUNDING * means.xx && yy > ROUNDING * means.yy)) return Number.NaN;
  return Math.min(1, Math.max(-1, xy / (Math.sqrt(xx) * Math.sqrt(yy))));
}

const ROUNDING = (16 * Number.EPSILON) ** 2;

/** Means over the pairs i < j of x − x₀, y − y₀ and their products, x from `a` and y from `b`. */
function moments(a: Matrix, b: Matrix, x0: number, y0: number) {
  const sums = { x: 0, y: 0, xx: 0, yy: 0, xy: 0 };
  let pairs = 0;
  for (let i = 0; i < a.length; i++) {
    for (let j = i + 1; j < a.length; j++) {
      const x = a[i][j] - x0;
      const y = b[i][j] - y0;
      if (Number.isNaN(x) || Number.isNaN(y)) continue;
      pairs++;
      sums.x += x;
      sums.y += y;
      sums.xx += x * x;
      sums.yy += y * y;
      sums.xy += x * y;
    }
  }
  return { x: sums.x / pairs, y: sums.y / pairs, xx: sums.xx / pairs, yy: sums.yy / pairs, xy: sums.xy / pairs };
}
