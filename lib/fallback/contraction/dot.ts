import type { TensorData } from '../../tensor/tensor.js';
import { offsetAt } from './bundle.js';
import type { Product, Work } from './product.js';

/** Points between two yields, and the longest run of one call: well under a millisecond. */
const YIELD_POINTS = 1 << 18;

/**
 * out[x] (+)= Σ_w a[x w] · b[x w]: products with neither rows nor columns, where scatter vectors would cost as much as
 * the sum.
 */
export function* dotProduct(product: Product): Work {
  const { a, b, out, batch, contracted } = product;
  const inner = contracted.sizes.length - 1;
  const length = contracted.sizes[inner] ?? 1;
  const [strideA, strideB] = [contracted.a[inner] ?? 0, contracted.b[inner] ?? 0];
  const outerSizes = contracted.sizes.slice(0, Math.max(0, inner));
  const passes = outerSizes.reduce((total, size) => total * size, 1);
  let pending = 0;
  for (let x = 0; x < batch.total; x++) {
    const aAt = product.aAt + offsetAt(batch.sizes, batch.a, x);
    const bAt = product.bAt + offsetAt(batch.sizes, batch.b, x);
    const at = product.outAt + offsetAt(batch.sizes, batch.out, x);
    let sum = 0;
    for (let w = 0; w < passes; w++) {
      const aRow = aAt + offsetAt(outerSizes, contracted.a, w);
      const bRow = bAt + offsetAt(outerSizes, contracted.b, w);
      for (let i = 0; i < length; i += YIELD_POINTS) {
        const count = Math.min(YIELD_POINTS, length - i);
        sum += stridedDot(a, aRow + i * strideA, strideA, b, bRow + i * strideB, strideB, count);
        pending += count;
        if (pending >= YIELD_POINTS) {
          yield pending;
          pending = 0;
        }
      }
    }
    out[at] = product.accumulate ? out[at] + sum : sum;
  }
  yield pending;
}

/** Four sums, so that an addition does not wait for the one before it. */
function stridedDot(
  a: TensorData,
  aAt: number,
  strideA: number,
  b: TensorData,
  bAt: number,
  strideB: number,
  count: number,
): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let x = aAt;
  let y = bAt;
  let i = 0;
  for (; i + 4 <= count; i += 4) {
    s0 += a[x] * b[y];
    s1 += a[x + strideA] * b[y + strideB];
    s2 += a[x + 2 * strideA] * b[y + 2 * strideB];
    s3 += a[x + 3 * strideA] * b[y + 3 * strideB];
    x += 4 * strideA;
    y += 4 * strideB;
  }
  for (; i < count; i++, x += strideA, y += strideB) s0 += a[x] * b[y];
  return s0 + s1 + (s2 + s3);
}
