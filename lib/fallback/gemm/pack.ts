import type { MatrixView } from '../../tensor/matrix.js';
import type { TensorData } from '../../tensor/tensor.js';
import { TILE } from './kernel.js';

/** How many panels hold `rows` rows. */
export function panelCount(rows: number): number {
  return Math.ceil(rows / TILE);
}

/**
 * Packs rows `row` … `row + 3` and columns `column` … `column + depth − 1` into a panel, one column after the other:
 * `panel[at + 4p + i]` is element (row + i, column + p). Rows past the end become zeros, so that kernels need no edge
 * cases.
 */
export function packPanel(
  view: MatrixView,
  row: number,
  column: number,
  depth: number,
  panel: TensorData,
  at: number,
): void {
  const { data, rowStride, columnStride } = view;
  for (let i = 0; i < TILE; i++) {
    if (row + i >= view.rows) {
      for (let p = 0, to = at + i; p < depth; p++, to += TILE) panel[to] = 0;
      continue;
    }
    let from = (row + i) * rowStride + column * columnStride;
    for (let p = 0, to = at + i; p < depth; p++, from += columnStride, to += TILE) panel[to] = data[from];
  }
}
