import type { Pacer } from '../cooperate.js';
import type { Tensor, TensorData } from './tensor.js';

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

/** Writes factor · row i of a matrix from `target[at + i·stride]` on. */
export async function copyRows(
  view: MatrixView,
  factor: number,
  target: Float64Array,
  at: number,
  stride: number,
  pacer: Pacer,
): Promise<void> {
  for (let i = 0; i < view.rows; i++) {
    let from = i * view.rowStride;
    const start = at + i * stride;
    for (let j = 0; j < view.columns; j++, from += view.columnStride) target[start + j] = factor * view.data[from];
    if (pacer.due(view.columns)) await pacer.pause();
  }
}

export function identity(size: number): MatrixView {
  const data = new Float64Array(size * size);
  for (let i = 0; i < size; i++) data[i * size + i] = 1;
  return rowMajor(data, size, size);
}
