import type { GramTile } from '../../backend/grams.js';
import { TensimError } from '../../errors.js';
import type { DType } from '../../tensor/tensor.js';

/* The proven error of inner products whose series were cut off, relative to the norms: that of the similarity. */

/** What is claimed of every such result. */
export const CLAIMED: Readonly<Record<DType, number>> = { float64: 1e-12, float32: 1e-6 };

/**
 * The largest bound of a (2, 2) Gram matrix relative to the norms; undefined for products that have none.
 * @throws TensimError `PRECISION` as `certified`.
 */
export function certifiedPair({ total, bound }: GramTile, dtype: DType): number | undefined {
  if (bound === undefined) return undefined;
  const [a, b] = [Math.sqrt(total[0]), Math.sqrt(total[3])];
  const both = Math.max(bound[1], bound[2]);
  return certified(Math.max(bound[0] / (a * a), both / a / b, bound[3] / (b * b)), dtype);
}

/**
 * A bound as results tell it: rounded up, to two digits.
 * @throws TensimError `PRECISION` where it is larger than what is claimed.
 */
export function certified(bound: number, dtype: DType): number {
  if (!(bound <= CLAIMED[dtype])) {
    throw new TensimError(
      'PRECISION',
      `the error of these similarities is not known to be below ${CLAIMED[dtype]}: only below ${bound.toPrecision(1)}`,
      { hint: 'Their terms cancel. Leave out models that are nearly zero, or use the method "sampled"' },
    );
  }
  if (bound === 0) return 0;
  const unit = 10 ** (Math.floor(Math.log10(bound)) - 1);
  return Number((Math.ceil(bound / unit) * unit).toPrecision(2));
}
