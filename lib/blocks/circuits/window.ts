/** Complex numbers, (rows, columns). */
export interface ComplexTable {
  readonly real: Float64Array;
  readonly imaginary: Float64Array;
}

/** What the offsets between a query and a key do to products of scores, as means over a window of them. */
export interface OffsetMeans {
  /** Of e^{i(α_j − β_l)Δ}. */
  readonly difference: ComplexTable;
  /** Of e^{i(α_j + β_l)Δ}. */
  readonly sum: ComplexTable;
}

/**
 * Means over Δ = 0, −1, …, −(window − 1): the key stands at the query or before it (MATH.md section 13).
 * @param alpha angles of the planes of one model's heads, β those of the other's
 */
export function offsetMeans(alpha: Float64Array, beta: Float64Array, window: number): OffsetMeans {
  const table = (sign: 1 | -1): ComplexTable => {
    const size = alpha.length * beta.length;
    const [real, imaginary] = [new Float64Array(size), new Float64Array(size)];
    for (let j = 0, at = 0; j < alpha.length; j++)
      for (let l = 0; l < beta.length; l++, at++) {
        // A geometric series: of its terms half go before the middle one and half behind it.
        const half = (alpha[j] + sign * beta[l]) / 2;
        const size = half === 0 ? 1 : Math.sin(window * half) / (window * Math.sin(half));
        real[at] = size * Math.cos((window - 1) * half);
        imaginary[at] = -size * Math.sin((window - 1) * half);
      }
    return { real, imaginary };
  };
  return { difference: table(-1), sum: table(1) };
}
