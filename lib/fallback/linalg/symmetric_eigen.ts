import type { EigenPairs, SymmetricMatrices } from '../../backend/eigen.js';
import type { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { type Tridiagonal, tridiagonalise } from './tridiagonal.js';

/** Sweeps that an eigenvalue may take. Two are usual; no symmetric matrix of numbers is known to need ten. */
const MOST_SWEEPS = 60;

/**
 * The eigenvalues of symmetric matrices and the eigenvectors of those of largest magnitude:
 *
 *     A = Q T Qᵀ  (reflections, tridiagonal.ts)      T = G D Gᵀ  (rotations: QL with implicit shifts)      A z = λ z,  z = Q G e
 *
 * Neither Q nor G is ever formed: the rotations are written down, and a wanted eigenvector is a unit vector sent back
 * through them and through the reflections, some n² operations each. All steps are orthogonal, so that values and
 * residuals are right to some ε‖A‖, and the vectors orthogonal to some ε, for equal and neighbouring eigenvalues too.
 *
 * @throws TensimError `NOT_FINITE` for a matrix that holds anything but numbers.
 */
export async function symmetricEigen(
  { data, count, size }: SymmetricMatrices,
  wanted: number,
  pacer: Pacer,
  report: (done: number, total: number) => void,
): Promise<EigenPairs> {
  const kept = Math.min(wanted, size);
  const values = new Float64Array(count * size);
  const vectors = new Float64Array(count * kept * size);
  const work = new Float64Array(size * size);
  for (let m = 0; m < count; m++) {
    const scale = scaled(data.subarray(m * size * size, (m + 1) * size * size), work);
    const reduced = await tridiagonalise(work, size, pacer);
    const rotations = await diagonalise(reduced, pacer);
    const { diagonal } = reduced;
    const order = Array.from(diagonal.keys()).sort((i, j) => Math.abs(diagonal[j]) - Math.abs(diagonal[i]) || i - j);
    for (const [rank, index] of order.entries()) values[m * size + rank] = scale * diagonal[index];
    for (let rank = 0; rank < kept; rank++) {
      const vector = vectors.subarray((m * kept + rank) * size, (m * kept + rank + 1) * size);
      vector[order[rank]] = 1;
      await turnBack(vector, rotations, pacer);
      await reduced.reflectBack(vector, pacer);
    }
    report(m + 1, count);
  }
  return { values, vectors };
}

/**
 * The matrix divided by a power of two near its largest entry, which is returned: squares of entries neither overflow
 * nor vanish.
 */
function scaled(matrix: Float64Array, target: Float64Array): number {
  let largest = 0;
  for (const value of matrix) {
    // Not Math.max, which a NaN may pass unseen.
    if (!Number.isFinite(value)) {
      throw new TensimError('NOT_FINITE', `an entry of a symmetric matrix is ${value}: it has no eigenvalues`);
    }
    largest = Math.max(largest, Math.abs(value));
  }
  const scale = largest === 0 ? 1 : 2 ** Math.min(1000, Math.max(-1000, Math.floor(Math.log2(largest))));
  for (let i = 0; i < target.length; i++) target[i] = matrix[i] / scale;
  return scale;
}

/**
 * The rotations of the QL sweeps in the order they were made: each turns the columns (i, i + 1) by (c, s). In typed
 * arrays that grow: arrays of numbers would be a burden on the garbage collector, which holds up everything.
 */
class Rotations {
  length = 0;
  index = new Int32Array(1024);
  cosine = new Float64Array(1024);
  sine = new Float64Array(1024);

  add(i: number, c: number, s: number): void {
    if (this.length === this.index.length) this.#grow();
    this.index[this.length] = i;
    this.cosine[this.length] = c;
    this.sine[this.length++] = s;
  }

  #grow(): void {
    const { index, cosine, sine } = this;
    this.index = new Int32Array(2 * index.length);
    this.cosine = new Float64Array(2 * index.length);
    this.sine = new Float64Array(2 * index.length);
    this.index.set(index);
    this.cosine.set(cosine);
    this.sine.set(sine);
  }
}

/** Makes `diagonal` the eigenvalues of T (QL with Wilkinson's shift) and returns the rotations G. */
async function diagonalise({ diagonal: d, offDiagonal: e }: Tridiagonal, pacer: Pacer): Promise<Rotations> {
  const rotations = new Rotations();
  const size = d.length;
  let norm = 0;
  for (let i = 0; i < size; i++) norm = Math.max(norm, Math.abs(d[i]) + Math.abs(e[i]));
  const negligible = (Number.EPSILON / 2) * norm;
  for (let low = 0; low < size; low++) {
    for (let sweeps = 0; ; sweeps++) {
      let high = low;
      while (high < size - 1 && Math.abs(e[high]) > negligible) high++;
      if (high === low) break;
      if (sweeps === MOST_SWEEPS) throw new TensimError('NOT_FINITE', 'the eigenvalues of a matrix did not converge');
      sweep(d, e, low, high, rotations);
      if (pacer.due(16 * (high - low))) await pacer.pause();
    }
  }
  return rotations;
}

/**
 * One QL sweep over the block low … high: a rotation that brings in the shift, and others that chase the bulge upwards.
 */
function sweep(d: Float64Array, e: Float64Array, low: number, high: number, rotations: Rotations): void {
  // The shift is the eigenvalue nearest to d[low] of the 2×2 block there.
  const half = (d[low + 1] - d[low]) / (2 * e[low]);
  const root = Math.sqrt(half * half + 1);
  let g = d[high] - d[low] + e[low] / (half + (half < 0 ? -root : root));
  let c = 1;
  let s = 1;
  let shift = 0;
  for (let i = high - 1; i >= low; i--) {
    const f = s * e[i];
    const b = c * e[i];
    const r = Math.sqrt(f * f + g * g);
    e[i + 1] = r;
    if (r === 0) {
      // The block has split by itself: the rest of it waits for the next sweep.
      d[i + 1] -= shift;
      e[high] = 0;
      return;
    }
    s = f / r;
    c = g / r;
    const next = d[i + 1] - shift;
    const turned = (d[i] - next) * s + 2 * c * b;
    shift = s * turned;
    d[i + 1] = next + shift;
    g = c * turned - b;
    rotations.add(i, c, s);
  }
  d[low] -= shift;
  e[low] = g;
  e[high] = 0;
}

/** G x, the last rotation first. */
async function turnBack(x: Float64Array, rotations: Rotations, pacer: Pacer): Promise<void> {
  const { index, cosine, sine } = rotations;
  for (let k = rotations.length - 1; k >= 0; k--) {
    const i = index[k];
    const upper = x[i];
    const lower = x[i + 1];
    x[i] = cosine[k] * upper + sine[k] * lower;
    x[i + 1] = cosine[k] * lower - sine[k] * upper;
    if (pacer.due(4)) await pacer.pause();
  }
}
