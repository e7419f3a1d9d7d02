import { endianness } from 'node:os';
import { npyHeader } from '../formats/numpy/write.js';
import type { Matrix } from '../similarity/types.js';

/** A square matrix as an NPY 1.0 file in pieces: the header, then each row; float64 little-endian, C order, NaN kept. */
export function* matrixNpy(matrix: Matrix): Generator<Uint8Array> {
  yield npyHeader('<f8', [matrix.length, matrix.length]);
  for (const row of matrix) {
    const bytes = Buffer.from(Float64Array.from(row).buffer);
    yield endianness() === 'LE' ? bytes : bytes.swap64();
  }
}
