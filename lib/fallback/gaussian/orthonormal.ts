import type { Pacer } from '../../cooperate.js';
import { type MatrixView, rowMajor } from '../../tensor/matrix.js';
import { exponentOf } from '../../tensor/power.js';

/** Rows whose rest is this much shorter than the longest row lie in the span of the others, but for rounding. */
const NEGLIGIBLE = 1e-13;

/**
 * An orthonormal basis of the row space of a row-major matrix, as rows (rank, columns): Gram and Schmidt's, always
 * taking the row with the longest rest, every vector made orthogonal twice.
 */
export async function rowSpace({ data, rows, columns }: MatrixView, pacer: Pacer): Promise<MatrixView> {
  const rest = new Float64Array(data);
  const basis: Float64Array[] = [];
  const row = (i: number) => rest.subarray(i * columns, (i + 1) * columns);
  const lengths = new Float64Array(rows);
  for (let i = 0; i < rows; i++) {
    // Units may be scaled by any power of two: which row is the longest must not depend on it.
    const length = norm(row(i));
    const scale = length > 0 ? 2 ** -exponentOf(length) : 0;
    for (let k = i * columns; k < (i + 1) * columns; k++) rest[k] *= scale;
    lengths[i] = scale * length;
    if (pacer.due(2 * columns)) await pacer.pause();
  }
  const negligible = NEGLIGIBLE * lengths.reduce((most, length) => Math.max(most, length), 0);
  while (basis.length < Math.min(rows, columns)) {
    const longest = lengths.reduce((best, length, i) => (length > lengths[best] ? i : best), 0);
    if (!(lengths[longest] > negligible)) break;
    const direction = row(longest).slice();
    for (const other of basis) removePart(direction, other);
    const length = norm(direction);
    for (let k = 0; k < columns; k++) direction[k] /= length;
    basis.push(direction);
    for (let i = 0; i < rows; i++) {
      removePart(row(i), direction);
      lengths[i] = i === longest ? 0 : norm(row(i));
      if (pacer.due(3 * columns)) await pacer.pause();
    }
  }
  const packed = new Float64Array(basis.length * columns);
  for (const [i, vector] of basis.entries()) packed.set(vector, i * columns);
  return rowMajor(packed, basis.length, columns);
}

function removePart(vector: Float64Array, direction: Float64Array): void {
  let overlap = 0;
  for (let k = 0; k < vector.length; k++) overlap += vector[k] * direction[k];
  for (let k = 0; k < vector.length; k++) vector[k] -= overlap * direction[k];
}

function norm(vector: Float64Array): number {
  let sum = 0;
  for (const value of vector) sum += value * value;
  return Math.sqrt(sum);
}
