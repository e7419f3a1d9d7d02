import type { Ability } from './ability.js';
import type { Control } from './control.js';

/** Symmetric matrices of one size, each row-major, one after the other. Lower triangles are read. */
export interface SymmetricMatrices {
  /** (count, size, size). */
  readonly data: Float64Array;
  readonly count: number;
  readonly size: number;
}

export interface EigenPairs {
  /** (count, size): all eigenvalues of every matrix, the largest in magnitude first. */
  readonly values: Float64Array;
  /**
   * (count, wanted, size): a unit eigenvector for each of the first `wanted` (or `size`) of them. Its sign is
   * arbitrary.
   */
  readonly vectors: Float64Array;
}

/** Eigenpairs of symmetric matrices. */
export interface Eigen extends Ability {
  /**
   * Eigenvalues, and the eigenvectors of the `wanted` largest in magnitude, right to some ε‖A‖.
   * @throws TensimError (rejects) `NOT_FINITE` for a matrix that holds anything but numbers.
   */
  symmetricEigen(matrices: SymmetricMatrices, wanted: number, control?: Control): Promise<EigenPairs>;
}
