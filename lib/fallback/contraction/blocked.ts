import type { TensorData } from '../../tensor/tensor.js';
import { TILE } from '../gemm/kernel.js';
import { giveBack, takeWorkspace, type Workspace } from '../gemm/workspace.js';
import { fillOffsets, offsetAt } from './bundle.js';
import { directBlock } from './direct.js';
import { packPanels } from './pack.js';
import type { Product, Work } from './product.js';

/** Block extents: a panel of A or B (8 KiB) stays in the first cache, the packed block of A (256 KiB) in the second. */
const ROWS = 128;
const COLUMNS = 256;
const DEPTH = 256;
/** Columns of a block between two yields: 2 M multiply-adds, well under a millisecond. */
const YIELD_COLUMNS = 64;
/** Unpacked blocks are slower: they are cut smaller. */
const DIRECT_ROWS = 32;

/** Bytes of the blocks of a product of m × k by k × n. */
export function blockedWorkspace(m: number, n: number, k: number): number {
  const [rows, columns, depth] = blockExtents(m, n, k);
  return 8 * (rows * depth + columns * depth + rows * columns) + 8 * (rows + columns + depth);
}

/** Extents of the blocks, filled up to whole panels. */
function blockExtents(m: number, n: number, k: number): [number, number, number] {
  const whole = (extent: number) => Math.ceil(extent / TILE) * TILE;
  return [whole(Math.min(m, ROWS)), whole(Math.min(n, COLUMNS)), Math.min(k, DEPTH)];
}

/**
 * Batched, strided matrix product, in blocks of 128 × 256 × 256. Blocks are read straight from the strided operands by
 * their scatter vectors: either packed into panels for the micro-kernel, or, where `packed` is false (small and thin
 * products), as they are. A block of the result is summed in float64 over the whole contraction and rounded once.
 */
export function* blockedProduct(product: Product, packed: boolean): Work {
  const [rows, columns, depth] = blockExtents(product.left.total, product.right.total, product.contracted.total);
  const workspace = takeWorkspace(rows * columns + (packed ? (rows + columns) * depth : 0));
  try {
    yield* productIn(workspace, product, packed);
  } finally {
    giveBack(workspace);
  }
}

function* productIn(workspace: Workspace, product: Product, packed: boolean): Work {
  const { a, b, out, batch, left, right, contracted } = product;
  const m = left.total;
  const n = right.total;
  const k = contracted.total;
  const [rowMax, columnMax, depthMax] = blockExtents(m, n, k);
  const rowsA = new Int32Array(rowMax);
  const rowsOut = new Int32Array(rowMax);
  const columnsB = new Int32Array(columnMax);
  const columnsOut = new Int32Array(columnMax);
  const depthA = new Int32Array(depthMax);
  const depthB = new Int32Array(depthMax);
  const panelsFrom = rowMax * columnMax;
  const panelsBFrom = panelsFrom + rowMax * depthMax;
  const block = workspace.data.subarray(0, panelsFrom);
  const panelsA = workspace.data.subarray(panelsFrom, panelsBFrom);
  const panelsB = workspace.data.subarray(panelsBFrom);
  // What the vectors and panels hold, so that nothing is filled or packed twice in a row: most batches of small
  // products and all blocks of a shallow one have the same vectors.
  let heldRows = -1;
  let heldColumns = -1;
  let heldDepth = -1;
  let heldB = -1;
  let pending = 0;
  for (let x = 0; x < batch.total; x++) {
    const aAt = product.aAt + offsetAt(batch.sizes, batch.a, x);
    const bAt = product.bAt + offsetAt(batch.sizes, batch.b, x);
    const outAt = product.outAt + offsetAt(batch.sizes, batch.out, x);
    const blockOfA = { data: a, at: aAt, lines: rowsA, depth: depthA };
    const blockOfB = { data: b, at: bAt, lines: columnsB, depth: depthB };
    const target = { data: out, at: outAt, rows: rowsOut, columns: columnsOut };
    heldB = -1;
    for (let column = 0; column < n; column += COLUMNS) {
      const columns = Math.min(COLUMNS, n - column);
      if (heldColumns !== column) {
        fillOffsets(right.sizes, right.b, column, columns, columnsB);
        fillOffsets(right.sizes, right.out, column, columns, columnsOut);
        heldColumns = column;
        heldB = -1;
      }
      for (let row = 0; row < m; row += ROWS) {
        const rows = Math.min(ROWS, m - row);
        if (heldRows !== row) {
          fillOffsets(left.sizes, left.a, row, rows, rowsA);
          fillOffsets(left.sizes, left.out, row, rows, rowsOut);
          heldRows = row;
        }
        block.fill(0);
        for (let p = 0; p < k; p += DEPTH) {
          const depth = Math.min(DEPTH, k - p);
          if (heldDepth !== p) {
            fillOffsets(contracted.sizes, contracted.a, p, depth, depthA);
            fillOffsets(contracted.sizes, contracted.b, p, depth, depthB);
            heldDepth = p;
          }
          if (packed) {
            packPanels(blockOfA, rows, depth, product.aScale, panelsA);
            if (heldB !== p) packPanels(blockOfB, columns, depth, product.bScale, panelsB);
            heldB = p;
            for (let j = 0; j < columns; j += YIELD_COLUMNS) {
              const end = Math.min(j + YIELD_COLUMNS, columns);
              const panels = Math.ceil((end - j) / TILE);
              for (let i = 0; i < rows; i += TILE) {
                const [panelA, panelB] = [panelsFrom + i * depth, panelsBFrom + j * depth];
                workspace.products(depth, panelA, panelB, panels, i * columnMax + j, columnMax, TILE);
              }
              pending += rows * (end - j) * depth;
              if (pending >= YIELD_POINTS) {
                yield pending;
                pending = 0;
              }
            }
          } else {
            for (let i = 0; i < rows; i += DIRECT_ROWS) {
              const end = Math.min(i + DIRECT_ROWS, rows);
              directBlock(blockOfA, { from: i, to: end, depth }, blockOfB, columns, block, columnMax);
              pending += (end - i) * columns * depth;
              if (pending >= YIELD_POINTS) {
                yield pending;
                pending = 0;
              }
            }
          }
        }
        scatter(block, columnMax, target, rows, columns, product.accumulate);
      }
    }
  }
  yield pending;
}

/** Points between two yields: about a millisecond. */
const YIELD_POINTS = 1_000_000;

/** Where a block of the result goes: element (i, j) to data[at + rows[i] + columns[j]]. */
interface ScatterTarget {
  readonly data: TensorData;
  readonly at: number;
  readonly rows: Int32Array;
  readonly columns: Int32Array;
}

function scatter(
  block: Float64Array,
  blockColumns: number,
  { data: out, at: outAt, rows: rowsOut, columns: columnsOut }: ScatterTarget,
  rows: number,
  columns: number,
  accumulate: boolean,
): void {
  for (let i = 0; i < rows; i++) {
    const from = i * blockColumns;
    const to = outAt + rowsOut[i];
    if (accumulate) for (let j = 0; j < columns; j++) out[to + columnsOut[j]] += block[from + j];
    else for (let j = 0; j < columns; j++) out[to + columnsOut[j]] = block[from + j];
  }
}
