/** Vectors of one width, one after the other: a row per position of every input. */
export interface Rows {
  readonly data: Float64Array;
  readonly count: number;
  readonly width: number;
}

/** Adds a bias to every row. */
export function addBias({ data, width }: Rows, bias: Float64Array): void {
  for (let start = 0; start < data.length; start += width) for (let i = 0; i < width; i++) data[start + i] += bias[i];
}

/** α x + β y, written over y. Without a residual, α = 0, x may have another width. */
export function addResidual(
  y: Rows,
  x: Rows,
  { alpha, beta }: { readonly alpha: number; readonly beta: number },
): Rows {
  const { data } = y;
  if (alpha === 0) {
    if (beta !== 1) for (let i = 0; i < data.length; i++) data[i] *= beta;
    return y;
  }
  for (let i = 0; i < data.length; i++) data[i] = alpha * x.data[i] + beta * data[i];
  return y;
}
