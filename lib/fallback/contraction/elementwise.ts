import type { TensorData } from '../../tensor/tensor.js';
import { offsetAt } from './bundle.js';
import type { Product, Work } from './product.js';

/** What element-wise steps need: with `b` a product, without it a copy. */
export type Elementwise = Pick<Product, 'a' | 'aAt' | 'aScale' | 'out' | 'outAt' | 'batch' | 'accumulate'> &
  Partial<Pick<Product, 'b' | 'bAt' | 'bScale'>>;

/** Side of the square tiles in which two loops are walked: reads along one and writes along the other stay in cache. */
const TILE = 64;
/** Points between two yields: about half a millisecond. */
const YIELD_POINTS = 1 << 17;

/**
 * out[x] (+)= a[x] · b[x], or a[x], over any nest of loops, strides of 0 broadcasting. The two inner loops are the one
 * the output is contiguous along and the one `a` is contiguous along, so transposes go tile by tile.
 */
export function* multiplyOrCopy(step: Elementwise): Work {
  const { batch, a, b, out, accumulate } = step;
  const order = walkingOrder(batch.sizes, batch.a);
  const pick = (values: readonly number[]) => order.map((loop) => values[loop]);
  const sizes = pick(batch.sizes);
  const [sa, sb, so] = [pick(batch.a), pick(batch.b), pick(batch.out)];
  const [m, n] = [sizes.at(-2) ?? 1, sizes.at(-1) ?? 1];
  const [ma, na, mb, nb, mo, no] = [sa, sb, so].flatMap((s) => [s.at(-2) ?? 0, s.at(-1) ?? 0]) as Six;
  const outer = Math.max(0, sizes.length - 2);
  const outerSizes = sizes.slice(0, outer);
  const passes = outerSizes.reduce((total, size) => total * size, 1);
  let pending = 0;
  // Narrow nests are not cut: a tile is a whole row where the inner loop is the only long one.
  const rows = m > 1 ? TILE : 1;
  const columns = m > 1 && na !== 1 ? TILE : YIELD_POINTS / TILE;
  for (let x = 0; x < passes; x++) {
    const aAt = step.aAt + offsetAt(outerSizes, sa, x);
    const bAt = (step.bAt ?? 0) + offsetAt(outerSizes, sb, x);
    const outAt = step.outAt + offsetAt(outerSizes, so, x);
    for (let i = 0; i < m; i += rows) {
      const height = Math.min(rows, m - i);
      for (let j = 0; j < n; j += columns) {
        const width = Math.min(columns, n - j);
        const from = { data: a, at: aAt + i * ma + j * na, row: ma, column: na, scale: step.aScale };
        const to = { data: out, at: outAt + i * mo + j * no, row: mo, column: no, height, width, accumulate };
        if (b === undefined) copyTile(from, to);
        else {
          const other = { data: b, at: bAt + i * mb + j * nb, row: mb, column: nb, scale: step.bScale ?? 1 };
          multiplyTile(from, other, to);
        }
        pending += height * width;
        if (pending >= YIELD_POINTS) {
          yield pending;
          pending = 0;
        }
      }
    }
  }
  yield pending;
}

type Six = [number, number, number, number, number, number];

/** The loops with the one nearest in `a` moved next to the innermost, which is nearest in the output. */
function walkingOrder(sizes: readonly number[], strideA: readonly number[]): number[] {
  const order = sizes.map((_, loop) => loop);
  const inner = order.pop();
  if (inner === undefined) return [];
  let nearest = order.length - 1;
  for (const [place, loop] of order.entries()) {
    const stride = Math.abs(strideA[loop]);
    if (stride > 0 && stride < Math.abs(strideA[order[nearest]] || Number.MAX_VALUE)) nearest = place;
  }
  return [...order.filter((_, place) => place !== nearest), ...(nearest >= 0 ? [order[nearest]] : []), inner];
}

/** A tile: element (i, j) is data[at + i·row + j·column]. */
interface Tile {
  readonly data: TensorData;
  readonly at: number;
  readonly row: number;
  readonly column: number;
}

/** One that is read; every element counts as multiplied by `scale`. */
interface SourceTile extends Tile {
  readonly scale: number;
}

interface TargetTile extends Tile {
  readonly height: number;
  readonly width: number;
  readonly accumulate: boolean;
}

function multiplyTile(a: SourceTile, b: SourceTile, target: TargetTile): void {
  const { data: aData, column: na, scale: aScale } = a;
  const { data: bData, column: nb, scale: bScale } = b;
  const { data: out, column: no, height, width, accumulate } = target;
  for (let i = 0; i < height; i++) {
    let x = a.at + i * a.row;
    let y = b.at + i * b.row;
    let z = target.at + i * target.row;
    if (accumulate) {
      for (let j = 0; j < width; j++, x += na, y += nb, z += no) out[z] += aData[x] * aScale * (bData[y] * bScale);
    } else {
      for (let j = 0; j < width; j++, x += na, y += nb, z += no) out[z] = aData[x] * aScale * (bData[y] * bScale);
    }
  }
}

function copyTile(source: SourceTile, target: TargetTile): void {
  const { data, column: na, scale } = source;
  const { data: out, column: no, height, width, accumulate } = target;
  for (let i = 0; i < height; i++) {
    let x = source.at + i * source.row;
    let z = target.at + i * target.row;
    if (accumulate) for (let j = 0; j < width; j++, x += na, z += no) out[z] += data[x] * scale;
    else for (let j = 0; j < width; j++, x += na, z += no) out[z] = data[x] * scale;
  }
}
