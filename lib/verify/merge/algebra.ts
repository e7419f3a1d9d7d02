/* Small matrices of a merge, row-major. */

/** A range of the ranks of a change. */
interface Ranks {
  readonly from: number;
  readonly to: number;
}

/**
 * ⟨ΔWᵢ, ΔWⱼ⟩ of the parts of a change.
 * @param gramA A Aᵀ and `gramB` Bᵀ B, (rank, rank)
 */
export function gramOfParts(
  parts: readonly Ranks[],
  rank: number,
  gramA: Float64Array,
  gramB: Float64Array,
): number[][] {
  return parts.map((one) =>
    parts.map((other) => {
      let sum = 0;
      for (let k = one.from; k < one.to; k++)
        for (let l = other.from; l < other.to; l++) sum += gramA[k * rank + l] * gramB[k * rank + l];
      return sum;
    }),
  );
}

/** The part of a diagonal that may be left of it where a matrix is one that can be solved. */
const LEAST_PIVOT = 1e-10;

/** x of M x = y with a positive definite M, by elimination; undefined where M is near to a singular one. */
export function solve(matrix: readonly (readonly number[])[], right: readonly number[]): number[] | undefined {
  const rows = matrix.map((row, i) => [...row, right[i]]);
  for (const [i, row] of rows.entries()) {
    if (!(row[i] > LEAST_PIVOT * matrix[i][i])) return undefined;
    for (const other of rows) {
      if (other === row) continue;
      const factor = other[i] / row[i];
      for (let k = i; k < other.length; k++) other[k] -= factor * row[k];
    }
  }
  return rows.map((row, i) => row[row.length - 1] / row[i]);
}
