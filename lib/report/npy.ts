import { endianness } from 'node:os';
import type { Matrix } from '../similarity/types.js';

/** Start of the data is a multiple of this, so that NumPy can map the file into memory. */
const ALIGNMENT = 64;

/** A matrix as an NPY 1.0 file in pieces: the header, then each row; float64 little-endian, C order, NaN kept. */
export function* matrixNpy(matrix: Matrix): Generator<Uint8Array> {
  yield npyHeader([matrix.length, matrix[0]?.length ?? 0]);
  yield* rowsNpy(matrix);
}

/** Matrices of one size, one after the other, as an array of three axes. */
export function* matricesNpy(matrices: readonly Matrix[]): Generator<Uint8Array> {
  const rows = matrices[0]?.length ?? 0;
  yield npyHeader([matrices.length, rows, rows]);
  for (const matrix of matrices) yield* rowsNpy(matrix);
}

function* rowsNpy(matrix: Matrix): Generator<Uint8Array> {
  for (const row of matrix) {
    const bytes = Buffer.from(Float64Array.from(row).buffer);
    yield endianness() === 'LE' ? bytes : bytes.swap64();
  }
}

function npyHeader(shape: readonly number[]): Uint8Array {
  const magic = Buffer.from('\x93NUMPY\x01\x00', 'latin1');
  const description = `{'descr': '<f8', 'fortran_order': False, 'shape': (${shape.join(', ')}), }`;
  const unpadded = magic.length + 2 + description.length + 1;
  const text = `${description}${' '.repeat((ALIGNMENT - (unpadded % ALIGNMENT)) % ALIGNMENT)}\n`;
  const length = Buffer.alloc(2);
  length.writeUInt16LE(text.length);
  return Buffer.concat([magic, length, Buffer.from(text, 'latin1')]);
}
