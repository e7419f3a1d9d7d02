import { offsetAt } from './bundle.js';
import type { Product, Work } from './product.js';

/** Points between two yields; these loops are slow. */
const YIELD_POINTS = 100_000;

/**
 * The product as it is written: one sum per element of the result, offsets counted out index by index. Slow and plain,
 * to compare with and to check against.
 */
export function* loopsProduct(product: Product): Work {
  const { a, b, out, batch, left, right, contracted } = product;
  let pending = 0;
  for (let x = 0; x < batch.total; x++) {
    for (let y = 0; y < left.total; y++) {
      const aAt = product.aAt + offsetAt(batch.sizes, batch.a, x) + offsetAt(left.sizes, left.a, y);
      for (let z = 0; z < right.total; z++) {
        const bAt = product.bAt + offsetAt(batch.sizes, batch.b, x) + offsetAt(right.sizes, right.b, z);
        const at =
          product.outAt +
          offsetAt(batch.sizes, batch.out, x) +
          offsetAt(left.sizes, left.out, y) +
          offsetAt(right.sizes, right.out, z);
        let sum = 0;
        for (let w = 0; w < contracted.total; w++) {
          const valueA = a[aAt + offsetAt(contracted.sizes, contracted.a, w)] * product.aScale;
          sum += valueA * (b[bAt + offsetAt(contracted.sizes, contracted.b, w)] * product.bScale);
          if (++pending >= YIELD_POINTS) {
            yield pending;
            pending = 0;
          }
        }
        out[at] = product.accumulate ? out[at] + sum : sum;
      }
    }
  }
  yield pending;
}
