import type { Pacer } from '../../cooperate.js';
import { copyRows, type MatrixView, matrixOf, rowMajor } from '../../tensor/matrix.js';
import type { Tensor } from '../../tensor/tensor.js';

/**
 * A matrix of `f`, the same of `g`, and f − g in double precision, (rows, columns) padded with zeros; null where it is
 * zero throughout.
 */
export interface Change {
  readonly f: MatrixView | null;
  readonly g: MatrixView | null;
  readonly delta: MatrixView | null;
  readonly rows: number;
  readonly columns: number;
}

/** A bias is a matrix of one column; what is not there is zero. */
export function viewOf(tensor: Tensor | undefined): MatrixView | null {
  if (tensor === undefined) return null;
  if (tensor.shape.length === 2) return matrixOf(tensor);
  return { ...rowMajor(tensor.data, tensor.shape[0], 1), rowStride: tensor.strides?.[0] ?? 1 };
}

/**
 * f and g with f − g, which is exact where the two are within a factor of two of each other, and correctly rounded
 * elsewhere.
 */
export async function changeOf(
  f: MatrixView | null,
  g: MatrixView | null,
  rows: number,
  columns: number,
  pacer: Pacer,
): Promise<Change> {
  const data = new Float64Array(rows * columns);
  if (f !== null) await copyRows(f, 1, data, 0, columns, pacer);
  if (g !== null) {
    for (let i = 0; i < g.rows; i++) {
      let from = i * g.rowStride;
      const start = i * columns;
      for (let j = 0; j < g.columns; j++, from += g.columnStride) data[start + j] -= g.data[from];
      if (pacer.due(g.columns)) await pacer.pause();
    }
  }
  const delta = (await largest(rowMajor(data, rows, columns), pacer)) === 0 ? null : rowMajor(data, rows, columns);
  return { f, g, delta, rows, columns };
}

/** β W of both, with their difference as β_f δW + δβ W_g, so that it is exact to rounding of its own size. */
export async function scaledChange(change: Change, betaF: number, betaG: number, pacer: Pacer): Promise<Change> {
  const { rows, columns, f, g } = change;
  const scaled = async (view: MatrixView | null, factor: number) => {
    if (view === null || factor === 1) return view;
    const data = new Float64Array(view.rows * view.columns);
    await copyRows(view, factor, data, 0, view.columns, pacer);
    return rowMajor(data, view.rows, view.columns);
  };
  const delta = await scaled(change.delta, betaF);
  const data = delta === null ? new Float64Array(rows * columns) : (delta.data as Float64Array).slice();
  for (let i = 0; g !== null && betaF !== betaG && i < g.rows; i++) {
    for (let j = 0; j < g.columns; j++) {
      data[i * columns + j] += (betaF - betaG) * g.data[i * g.rowStride + j * g.columnStride];
    }
    if (pacer.due(g.columns)) await pacer.pause();
  }
  const moved = delta !== null || (g !== null && betaF !== betaG);
  return {
    ...change,
    f: await scaled(f, betaF),
    g: await scaled(g, betaG),
    delta: moved ? rowMajor(data, rows, columns) : null,
  };
}

/** The largest magnitude in a matrix. */
export async function largest(view: MatrixView | null, pacer: Pacer): Promise<number> {
  let most = 0;
  for (let i = 0; view !== null && i < view.rows; i++) {
    let from = i * view.rowStride;
    for (let j = 0; j < view.columns; j++, from += view.columnStride) {
      const size = Math.abs(view.data[from]);
      if (size > most) most = size;
    }
    if (pacer.due(view.columns)) await pacer.pause();
  }
  return most;
}

/** A matrix at a place of a larger one, times a factor. */
export interface Piece {
  readonly view: MatrixView | null;
  readonly row: number;
  readonly column: number;
  readonly factor?: number;
}

/** The matrix that pieces make up, zero elsewhere; they do not overlap. */
export async function assemble(
  rows: number,
  columns: number,
  pieces: readonly Piece[],
  pacer: Pacer,
): Promise<Float64Array> {
  const data = new Float64Array(rows * columns);
  for (const { view, row, column, factor = 1 } of pieces) {
    if (view !== null) await copyRows(view, factor, data, row * columns + column, columns, pacer);
  }
  return data;
}
