import type { TensorData } from '../../tensor/tensor.js';
import { blockedProduct } from './blocked.js';
import { type Bundle, offsetAt } from './bundle.js';
import { multiplyOrCopy } from './elementwise.js';
import type { Product, Work } from './product.js';

/** Bytes of the transposed copies. */
export function ttgtWorkspace(m: number, n: number, k: number, itemBytes: number): number {
  return (m * k + k * n + m * n) * itemBytes;
}

/**
 * Transpose, transpose, GEMM, transpose: per batch index, both operands are copied to contiguous matrices, multiplied,
 * and the result is copied to its place. The classic way, here for comparison. Copies that would change nothing are
 * skipped, as every serious implementation does.
 */
export function* ttgtProduct(product: Product): Work {
  const { batch, left, right, contracted } = product;
  const m = left.total;
  const n = right.total;
  const k = contracted.total;
  const Data = product.out.constructor as new (length: number) => TensorData;
  const copyA = isMatrix(left, 'a', contracted) ? undefined : new Data(m * k);
  const copyB = isMatrix(right, 'b', contracted) ? undefined : new Data(k * n);
  const copyOut = isMatrix(left, 'out', right) ? undefined : new Data(m * n);
  for (let x = 0; x < batch.total; x++) {
    const aAt = product.aAt + offsetAt(batch.sizes, batch.a, x);
    const bAt = product.bAt + offsetAt(batch.sizes, batch.b, x);
    const outAt = product.outAt + offsetAt(batch.sizes, batch.out, x);
    if (copyA) yield* transpose(product.a, aAt, left, contracted, 'a', copyA, true);
    if (copyB) yield* transpose(product.b, bAt, right, contracted, 'b', copyB, true);
    yield* blockedProduct(
      {
        ...product,
        a: copyA ?? product.a,
        aAt: copyA ? 0 : aAt,
        b: copyB ?? product.b,
        bAt: copyB ? 0 : bAt,
        out: copyOut ?? product.out,
        outAt: copyOut ? 0 : outAt,
        batch: SINGLE,
        left: line(m, copyA ? k : left.a[0], 0, copyOut ? n : left.out[0]),
        right: line(n, 0, copyB ? k : right.b[0], copyOut ? 1 : right.out[0]),
        contracted: line(k, copyA ? 1 : contracted.a[0], copyB ? 1 : contracted.b[0], 0),
        accumulate: copyOut ? false : product.accumulate,
      },
      true,
    );
    if (copyOut) yield* transpose(product.out, outAt, left, right, 'out', copyOut, false, product.accumulate);
  }
}

const SINGLE: Bundle = { total: 1, sizes: [], a: [], b: [], out: [] };

/** One loop over a matrix dimension. */
function line(size: number, a = 0, b = 0, out = 0): Bundle {
  return { total: size, sizes: [size], a: [a], b: [b], out: [out] };
}

/** Whether a view of two bundles is a matrix that a GEMM takes as it is: one stride each, one of them 1. */
function isMatrix(rows: Bundle, side: 'a' | 'b' | 'out', columns: Bundle): boolean {
  if (rows.sizes.length > 1 || columns.sizes.length > 1) return false;
  return (rows[side][0] ?? 1) === 1 || (columns[side][0] ?? 1) === 1;
}

/** Copies between a strided view over two bundles and a contiguous matrix; yields no points of its own. */
function* transpose(
  tensor: TensorData,
  tensorAt: number,
  rows: Bundle,
  columns: Bundle,
  side: 'a' | 'b' | 'out',
  matrix: TensorData,
  gather: boolean,
  accumulate = false,
): Work {
  const sizes = [...rows.sizes, ...columns.sizes];
  const strided = [...rows[side], ...columns[side]];
  const packed = sizes.map((_, i) => sizes.slice(i + 1).reduce((a, b) => a * b, 1));
  const [a, out] = gather ? [strided, packed] : [packed, strided];
  const total = rows.total * columns.total;
  const copy = multiplyOrCopy({
    a: gather ? tensor : matrix,
    aAt: gather ? tensorAt : 0,
    aScale: 1,
    out: gather ? matrix : tensor,
    outAt: gather ? 0 : tensorAt,
    batch: { total, sizes, a, b: sizes.map(() => 0), out },
    accumulate,
  });
  for (const _ of copy) yield 0;
}
