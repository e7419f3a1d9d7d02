import type { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';

/** A factor C, (size, columns) row-major, with C·Cᵀ = Σ. */
export interface Factor {
  readonly data: Float64Array;
  readonly columns: number;
}

/**
 * A factor C of a covariance, C·Cᵀ = Σ, with as many columns as Σ has rank (at least one), by Cholesky's method with
 * pivoting: each step takes the coordinate with the most variance left and removes what it explains of all others.
 *
 * Σ is first scaled to unit diagonal, so that a coordinate of small variance is not mistaken for rounding error beside
 * a large one; all tolerances are relative to that.
 *
 * @param covariance (size, size), row-major, symmetric.
 * @param noise relative error of its entries: how far below zero a variance may lie.
 * @throws TensimError `INVALID_COVARIANCE` with the number if it is not positive semi-definite.
 */
export async function pivotedCholesky(
  covariance: Float64Array,
  size: number,
  noise: number,
  pacer: Pacer,
): Promise<Factor> {
  const scale = await deviations(covariance, size, noise, pacer);
  const work = new Elimination(covariance, size, scale);
  const rounding = 4 * size * Number.EPSILON;
  let rank = 0;
  for (; rank < size; rank++) {
    work.bringLargestTo(rank);
    const variance = work.left[rank];
    if (variance <= rounding) break;
    const column = await work.explainBy(rank, pacer);
    // |S_ij| ≤ max S_ii in every positive semi-definite matrix; what exceeds it is the variance of a sum or difference, negated.
    const largest = column.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    if (largest > variance + noise) throw notSemiDefinite(variance - largest);
    if (largest > variance && variance <= noise) break;
    work.accept(rank, column);
    const least = work.left.subarray(rank + 1).reduce((low, value) => Math.min(low, value), 0);
    if (least < -noise) throw notSemiDefinite(least);
  }
  await checkRemainder(work, rank, Math.max(noise, rounding), pacer);
  return work.factor(rank, pacer);
}

/** The square roots of the diagonal; zero for coordinates that do not vary. */
async function deviations(covariance: Float64Array, size: number, noise: number, pacer: Pacer): Promise<Float64Array> {
  const variances = Float64Array.from({ length: size }, (_, i) => covariance[i * size + i]);
  const largest = variances.reduce((most, value) => Math.max(most, value), 0);
  for (let i = 0; i < size; i++) {
    if (variances[i] < -noise * largest || (variances[i] < 0 && largest === 0)) {
      throw new TensimError('INVALID_COVARIANCE', `the covariance has the negative variance ${variances[i]} at ${i}`, {
        hint: 'Variances, the entries of the diagonal, are at least zero',
      });
    }
    if (variances[i] > 0) continue;
    // What does not vary cannot vary together with anything.
    for (let j = 0; j < size; j++) {
      const negligible = noise * Math.sqrt(largest * Math.max(0, variances[j]));
      if (i === j || Math.abs(covariance[i * size + j]) <= negligible) continue;
      throw new TensimError(
        'INVALID_COVARIANCE',
        `coordinate ${i} has no variance but the covariance ${covariance[i * size + j]} with coordinate ${j}`,
        { hint: SEMI_DEFINITE_HINT },
      );
    }
    if (pacer.due(size)) await pacer.pause();
  }
  return variances.map((variance) => Math.sqrt(Math.max(0, variance)));
}

/**
 * The state of the elimination: which coordinate stands where, the variance left to each, and the rows of the factor.
 */
class Elimination {
  /** Variance not yet explained, by position. */
  readonly left: Float64Array;
  readonly #covariance: Float64Array;
  readonly #size: number;
  readonly #scale: Float64Array;
  /** The coordinate at every position. */
  readonly #order: Int32Array;
  /** (size, size): the factor's rows, by position; columns up to the present rank are set. */
  readonly #rows: Float64Array;

  constructor(covariance: Float64Array, size: number, scale: Float64Array) {
    this.#covariance = covariance;
    this.#size = size;
    this.#scale = scale;
    this.#order = Int32Array.from({ length: size }, (_, i) => i);
    this.#rows = new Float64Array(size * size);
    this.left = scale.map((deviation) => (deviation > 0 ? 1 : 0));
  }

  /** Swaps the position of the largest variance left with `position`. */
  bringLargestTo(position: number): void {
    let largest = position;
    for (let i = position + 1; i < this.#size; i++) if (this.left[i] > this.left[largest]) largest = i;
    if (largest === position) return;
    [this.left[position], this.left[largest]] = [this.left[largest], this.left[position]];
    [this.#order[position], this.#order[largest]] = [this.#order[largest], this.#order[position]];
    const size = this.#size;
    const moved = this.#rows.slice(position * size, position * size + position);
    this.#rows.copyWithin(position * size, largest * size, largest * size + position);
    this.#rows.set(moved, largest * size);
  }

  /** What is left of the covariances of `position` with all positions after it. */
  async explainBy(position: number, pacer: Pacer): Promise<Float64Array> {
    const column = new Float64Array(this.#size - position - 1);
    for (let i = 0; i < column.length; i++) {
      column[i] = this.remainder(position + 1 + i, position, position);
      if (pacer.due(position + 1)) await pacer.pause();
    }
    return column;
  }

  /** Σ − C·Cᵀ (scaled) at two positions, with the first `rank` columns of C. */
  remainder(i: number, j: number, rank: number): number {
    const [p, q] = [this.#order[i], this.#order[j]];
    const deviations = this.#scale[p] * this.#scale[q];
    if (deviations === 0) return 0;
    const rows = this.#rows;
    let sum = this.#covariance[p * this.#size + q] / this.#scale[p] / this.#scale[q];
    for (let t = 0, a = i * this.#size, b = j * this.#size; t < rank; t++) sum -= rows[a + t] * rows[b + t];
    return sum;
  }

  /** Makes the covariances `column` of `position` the next column of the factor. */
  accept(position: number, column: Float64Array): void {
    const size = this.#size;
    const root = Math.sqrt(this.left[position]);
    this.#rows[position * size + position] = root;
    for (let i = 0; i < column.length; i++) {
      const value = column[i] / root;
      this.#rows[(position + 1 + i) * size + position] = value;
      this.left[position + 1 + i] -= value * value;
    }
  }

  /** C: back to the order and the scale of the coordinates. */
  async factor(rank: number, pacer: Pacer): Promise<Factor> {
    const size = this.#size;
    const columns = Math.max(1, rank);
    const data = new Float64Array(size * columns);
    for (let i = 0; i < size; i++) {
      const row = this.#order[i];
      for (let t = 0; t < rank; t++) data[row * columns + t] = this.#scale[row] * this.#rows[i * size + t];
      if (pacer.due(columns)) await pacer.pause();
    }
    return { data, columns };
  }
}

/** What the rank found leaves unexplained must be nothing but rounding, off the diagonal too. */
async function checkRemainder(work: Elimination, rank: number, tolerance: number, pacer: Pacer): Promise<void> {
  for (let i = rank; i < work.left.length; i++) {
    for (let j = rank; j < i; j++) {
      const rest = Math.abs(work.remainder(i, j, rank));
      if (rest > tolerance) throw notSemiDefinite(-rest);
      if (pacer.due(rank + 1)) await pacer.pause();
    }
  }
}

const SEMI_DEFINITE_HINT =
  'No random variable has this covariance; if it was estimated, add a small multiple of the identity';

function notSemiDefinite(variance: number): TensimError {
  return new TensimError(
    'INVALID_COVARIANCE',
    `the covariance is not positive semi-definite: a combination of the coordinates, each scaled to variance 1, has the variance ${variance.toPrecision(3)}`,
    { hint: SEMI_DEFINITE_HINT },
  );
}
