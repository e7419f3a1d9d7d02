import { endianness } from 'node:os';
import { npyHeader } from '../formats/numpy/npy_header.js';
import type { Matrix } from '../similarity/terms/types.js';

/** A matrix as an NPY 1.0 file in pieces: the header, then each row; float64 little-endian, C order, NaN kept. */
export function* matrixNpy(matrix: Matrix): Generator<Uint8Array> {
  yield npyHeader('<f8', [matrix.length, matrix[0]?.length ?? 0]);
  yield* rowsNpy(matrix);
}

/** Matrices of one size, one after the other, as an array of three axes. */
export function* matricesNpy(matrices: readonly Matrix[]): Generator<Uint8Array> {
  const rows = matrices[0]?.length ?? 0;
  yield npyHeader('<f8', [matrices.length, rows, rows]);
  for (const matrix of matrices) yield* rowsNpy(matrix);
}

function* rowsNpy(matrix: Matrix): Generator<Uint8Array> {
  for (const row of matrix) {
    const bytes = Buffer.from(Float64Array.from(row).buffer);
    yield endianness() === 'LE' ? bytes : bytes.swap64();
  }
}
