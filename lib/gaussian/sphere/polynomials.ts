/*
 * Functions of one coordinate t of a point on the unit sphere of d dimensions (MATH.md section 12). They have a series of
 * zonal polynomials as functions of a normal have one of Hermite polynomials: p_n, orthonormal under the law of t, whose
 * density is (1 − t²)^((d−3)/2), and P_n = p_n/p_n(1), by which correlations enter.
 */

/** Below this the sphere that is meant is a circle, or less, and the recurrences divide by zero. */
export const LEAST_DIMENSION = 4;

/**
 * a_n of t p_n = a_{n+1} p_{n+1} + a_n p_{n−1}, for n from 0 (where it is 0) to `last`. The orthonormal recurrence keeps
 * all digits where that of the P_n, times the root of a dimension beyond 1e70, would lose them.
 */
export function orthonormalSteps(d: number, last: number): Float64Array {
  return Float64Array.from({ length: last + 1 }, (_, n) => {
    if (n === 0) return 0;
    // (2n + d − 4)/(n + d − 3) is 1 for n = 1, where d = 3 would make it 0/0.
    const shrunk = n === 1 ? 1 : (n + d - 3) / (2 * n + d - 4);
    return Math.sqrt((n * shrunk) / (2 * n + d - 2));
  });
}

/** P_n'(1). */
export const slopeAtOne = (d: number, n: number): number => (n * (n + d - 2)) / (d - 1);

/** A_n and B_n of P_{n+1} = A_n t P_n − B_n P_{n−1}, for n from 0 to `last`. */
export interface ZonalSteps {
  readonly d: number;
  readonly up: Float64Array;
  readonly down: Float64Array;
}

export function zonalSteps(d: number, last: number): ZonalSteps {
  const [up, down] = [new Float64Array(last + 1), new Float64Array(last + 1)];
  for (let n = 0; n <= last; n++) {
    up[n] = (2 * n + d - 2) / (n + d - 2);
    down[n] = n / (n + d - 2);
  }
  return { d, up, down };
}
