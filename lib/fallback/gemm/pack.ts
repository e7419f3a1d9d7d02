import type { Tensor, TensorData } from '../../tensor/tensor.js';
import { TILE } from './kernel.js';

/** A matrix in someone else's memory: element (i, j) is `data[i·rowStride + j·columnStride]`. */
export interface MatrixView {
  readonly data: TensorData;
  readonly rows: number;
  readonly columns: number;
  readonly rowStride: number;
  readonly columnStride: number;
}

/** A row-major matrix. */
export function rowMajor(data: TensorData, rows: number, columns: number): MatrixView {
  return { data, rows, columns, rowStride: columns, columnStride: 1 };
}

/** A tensor of two axes as a matrix, its strides honoured. */
export function matrixOf(tensor: Tensor): MatrixView {
  const [rows, columns] = tensor.shape;
  const [rowStride, columnStride] = tensor.strides ?? [columns, 1];
  return { data: tensor.data, rows, columns, rowStride, columnStride };
}

/** A tensor of one axis as doubles; `absent` zeros without a tensor. */
export function vectorOf(tensor: Tensor | undefined, absent: number): Float64Array {
  if (tensor === undefined) return new Float64Array(absent);
  const stride = tensor.strides?.[0] ?? 1;
  return Float64Array.from({ length: tensor.shape[0] }, (_, i) => tensor.data[i * stride]);
}

export function transpose(view: MatrixView): MatrixView {
  return {
    data: view.data,
    rows: view.columns,
    columns: view.rows,
    rowStride: view.columnStride,
    columnStride: view.rowStride,
  };
}

/** How many panels hold `rows` rows. */
export function panelCount(rows: number): number {
  return Math.ceil(rows / TILE);
}

/**
 * Packs rows `row` … `row + 3` and columns `column` … `column + depth − 1` into a panel, one column after the other:
 * `panel[at + 4p + i]` is element (row + i, column + p). Rows past the end become zeros, so that kernels need no edge cases.
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
