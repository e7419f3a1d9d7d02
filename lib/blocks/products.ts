import type { BackendName } from '../backend/backend.js';
import { contractAsPart } from '../contraction/running/contract.js';

/** Products of matrices that lie row by row, in double precision. */
export interface Products {
  /** A Bᵀ of matrices with rows of one length. */
  rows(a: Float64Array, b: Float64Array, inner: number): Promise<Float64Array>;
  /** A B, of which A has rows of that length and B as many rows. */
  plain(a: Float64Array, b: Float64Array, inner: number): Promise<Float64Array>;
  /** Aᵀ B of matrices of so many rows. */
  columns(a: Float64Array, b: Float64Array, rows: number): Promise<Float64Array>;
}

/** Who multiplies. */
export interface ProductOptions {
  readonly backend?: BackendName | 'auto' | undefined;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export function productsBy({ backend, threads, signal }: ProductOptions): Products {
  const multiply = async (
    equation: string,
    a: Float64Array,
    b: Float64Array,
    shapes: readonly [number[], number[]],
  ) => {
    const operands = [a, b].map((data, i) => ({ data, shape: shapes[i] }));
    return (await contractAsPart(equation, operands, { backend, threads, signal, dtype: 'float64' }))
      .data as Float64Array;
  };
  return {
    rows: (a, b, inner) =>
      multiply('ik,jk->ij', a, b, [
        [a.length / inner, inner],
        [b.length / inner, inner],
      ]),
    plain: (a, b, inner) =>
      multiply('ik,kj->ij', a, b, [
        [a.length / inner, inner],
        [inner, b.length / inner],
      ]),
    columns: (a, b, rows) =>
      multiply('ki,kj->ij', a, b, [
        [rows, a.length / rows],
        [rows, b.length / rows],
      ]),
  };
}
