import type { Pacer } from '../../cooperate.js';
import { type MatrixView, transpose } from '../../tensor/matrix.js';
import { microKernel, TILE } from './kernel.js';
import { packPanel, panelCount } from './pack.js';

/** Depth of a block: a panel of 4 × 512 doubles takes 16 KiB, a third of a first-level cache. */
const DEPTH_BLOCK = 512;
/** Columns of a block: 512 × 256 doubles of B take 1 MiB, which a second-level cache holds. */
const COLUMN_BLOCK = 256;

/**
 * A · B for any strides, row-major (a.rows, b.columns), in double precision.
 *
 *     for every block of columns of B, for every block of the depth:   pack that block of B
 *       for every 4 rows of A:   pack them;   for every 4 columns of the block:   micro-kernel
 */
export async function multiply(a: MatrixView, b: MatrixView, pacer: Pacer): Promise<Float64Array> {
  const product = new Float64Array(a.rows * b.columns);
  const deepest = Math.min(DEPTH_BLOCK, a.columns);
  const aPanel = new Float64Array(TILE * deepest);
  const bBlock = new Float64Array(panelCount(Math.min(COLUMN_BLOCK, b.columns)) * TILE * deepest);
  const columnsOfB = transpose(b);
  const tile = new Float64Array(TILE * TILE);
  for (let firstColumn = 0; firstColumn < b.columns; firstColumn += COLUMN_BLOCK) {
    const endColumn = Math.min(firstColumn + COLUMN_BLOCK, b.columns);
    for (let start = 0; start < a.columns; start += DEPTH_BLOCK) {
      const depth = Math.min(DEPTH_BLOCK, a.columns - start);
      for (let column = firstColumn, at = 0; column < endColumn; column += TILE, at += TILE * depth) {
        packPanel(columnsOfB, column, start, depth, bBlock, at);
        if (pacer.due(TILE * depth)) await pacer.pause();
      }
      for (let row = 0; row < a.rows; row += TILE) {
        packPanel(a, row, start, depth, aPanel, 0);
        for (let column = firstColumn, at = 0; column < endColumn; column += TILE, at += TILE * depth) {
          if (row + TILE <= a.rows && column + TILE <= endColumn) {
            microKernel(depth, aPanel, 0, bBlock, at, product, row * b.columns + column, b.columns);
          } else {
            tile.fill(0);
            microKernel(depth, aPanel, 0, bBlock, at, tile, 0, TILE);
            addTile(
              tile,
              product,
              b.columns,
              row,
              Math.min(row + TILE, a.rows),
              column,
              Math.min(column + TILE, endColumn),
            );
          }
        }
        if (pacer.due(TILE * depth * (endColumn - firstColumn))) await pacer.pause();
      }
    }
  }
  return product;
}

/** Adds what is inside the product of a tile that reaches beyond its edge. */
function addTile(
  tile: Float64Array,
  product: Float64Array,
  stride: number,
  row: number,
  endRow: number,
  column: number,
  endColumn: number,
): void {
  for (let i = row, from = 0; i < endRow; i++, from += TILE) {
    for (let j = column; j < endColumn; j++) product[i * stride + j] += tile[from + j - column];
  }
}

/** A x + b; without `bias` A x. */
export async function multiplyVector(
  a: MatrixView,
  x: Float64Array,
  bias: Float64Array | null,
  pacer: Pacer,
): Promise<Float64Array> {
  const { data, columns, rowStride, columnStride } = a;
  const result = new Float64Array(a.rows);
  for (let i = 0; i < a.rows; i++) {
    let sum = bias === null ? 0 : bias[i];
    for (let j = 0, at = i * rowStride; j < columns; j++, at += columnStride) sum += data[at] * x[j];
    result[i] = sum;
    if (pacer.due(columns)) await pacer.pause();
  }
  return result;
}
