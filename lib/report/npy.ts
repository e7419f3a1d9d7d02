import { endianness } from 'node:os';
import type { Matrix } from '../similarity/types.js';

/** Start of the data is a multiple of this, so that NumPy can map the file into memory. */
const ALIGNMENT = 64;

/** A square matrix as an NPY 1.0 file in pieces: the header, then each row; float64 little-endian, C order, NaN kept. */
export function* matrixNpy(matrix: Matrix): Generator<Uint8Array> {
  yield npyHeader([matrix.length, matrix.length]);
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
