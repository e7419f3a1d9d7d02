import type { Pacer } from '../../cooperate.js';
import { type MatrixView, transpose } from '../../tensor/matrix.js';
import { TILE } from './kernel.js';
import { packPanel, panelCount } from './pack.js';
import { giveBack, takeWorkspace } from './workspace.js';

/** Depth of a block: a panel of 4 × 512 doubles takes 16 KiB, a third of a first-level cache. */
const DEPTH_BLOCK = 512;
/** Columns of a block: 512 × 256 doubles of B take 1 MiB, which a second-level cache holds. */
const COLUMN_BLOCK = 256;

/**
 * A · B for any strides, row-major (a.rows, b.columns), in double precision.
 *
 *     for every block of columns of B, for every block of the depth:   pack that block of B
 *       for every 4 rows of A:   pack them;   multiply them with all panels of the block
 */
export async function multiply(a: MatrixView, b: MatrixView, pacer: Pacer): Promise<Float64Array> {
  const product = new Float64Array(a.rows * b.columns);
  const deepest = Math.min(DEPTH_BLOCK, a.columns);
  const widest = panelCount(Math.min(COLUMN_BLOCK, b.columns)) * TILE;
  const blockAt = TILE * deepest;
  const stripAt = blockAt + widest * deepest;
  const stripLength = TILE * widest;
  const workspace = takeWorkspace(stripAt + stripLength);
  const { data } = workspace;
  const columnsOfB = transpose(b);
  try {
    for (let firstColumn = 0; firstColumn < b.columns; firstColumn += COLUMN_BLOCK) {
      const endColumn = Math.min(firstColumn + COLUMN_BLOCK, b.columns);
      const panels = panelCount(endColumn - firstColumn);
      for (let start = 0; start < a.columns; start += DEPTH_BLOCK) {
        const depth = Math.min(DEPTH_BLOCK, a.columns - start);
        for (let panel = 0; panel < panels; panel++) {
          packPanel(columnsOfB, firstColumn + panel * TILE, start, depth, data, blockAt + panel * TILE * depth);
          if (pacer.due(TILE * depth)) await pacer.pause();
        }
        for (let row = 0; row < a.rows; row += TILE) {
          packPanel(a, row, start, depth, data, 0);
          data.fill(0, stripAt, stripAt + stripLength);
          workspace.products(depth, 0, blockAt, panels, stripAt, widest, TILE);
          for (let i = row, from = stripAt; i < Math.min(row + TILE, a.rows); i++, from += widest) {
            const to = i * b.columns;
            for (let j = firstColumn; j < endColumn; j++) product[to + j] += data[from + j - firstColumn];
          }
          if (pacer.due(TILE * depth * (endColumn - firstColumn))) await pacer.pause();
        }
      }
    }
  } finally {
    giveBack(workspace);
  }
  return product;
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
