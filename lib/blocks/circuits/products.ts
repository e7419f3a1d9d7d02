import type { Planes } from './planes.js';
import type { OffsetMeans } from './window.js';

/** A matrix that lies in a larger one, row by row. */
export interface Part {
  readonly data: Float64Array;
  /** Where its first element is. */
  readonly at: number;
  /** Elements from one row to the next. */
  readonly stride: number;
}

/**
 * E score·score' of two heads, mean over a window of offsets (MATH.md section 13): the mean of tr(R_Δᵀ G_q R'_Δ G_kᵀ),
 * at the cost of one offset whatever the window. Scores are not divided by √d_head.
 * @param queries G_q = Wq Σ Wq'ᵀ and the product of the means, (rows, rows')
 * @param keys G_k likewise
 */
export function meanOfScores(queries: Part, keys: Part, f: Planes, g: Planes, means: OffsetMeans): number {
  const { difference, sum } = means;
  const columns = g.angles.length;
  const [one, other] = [new Float64Array(4), new Float64Array(4)];
  let total = 0;
  for (let j = 0, at = 0; j < f.angles.length; j++)
    for (let l = 0; l < columns; l++, at++) {
      readPlanes(queries, f, j, g, l, one);
      readPlanes(keys, f, j, g, l, other);
      total += turned(one, other, 0, difference.real[at], difference.imaginary[at]);
      total += turned(one, other, 2, sum.real[at], sum.imaginary[at]);
    }
  return total / 2;
}

/**
 * What a part does from one plane to another, as two complex numbers times 2: one that commutes with turning both
 * planes, and one that turns the other way.
 */
function readPlanes({ data, at, stride }: Part, f: Planes, j: number, g: Planes, l: number, into: Float64Array): void {
  const [top, bottom] = [at + f.first[j] * stride, at + f.second[j] * stride];
  const [left, right] = [g.first[l], g.second[l]];
  const a = data[top + left];
  const b = right < 0 ? 0 : data[top + right];
  const c = f.second[j] < 0 ? 0 : data[bottom + left];
  const d = f.second[j] < 0 || right < 0 ? 0 : data[bottom + right];
  into[0] = a + d;
  into[1] = c - b;
  into[2] = a - d;
  into[3] = c + b;
}

/** Re conj(x)·y·e of the complex numbers that lie at `at`. */
function turned(x: Float64Array, y: Float64Array, at: number, e: number, ei: number): number {
  const [xr, xi, yr, yi] = [x[at], x[at + 1], y[at], y[at + 1]];
  return (xr * yr + xi * yi) * e - (xr * yi - xi * yr) * ei;
}

/** ⟨X, Y⟩_F of parts of so many rows and columns. */
export function productOfParts(x: Part, y: Part, rows: number, columns: number): number {
  let total = 0;
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) total += x.data[x.at + i * x.stride + j] * y.data[y.at + i * y.stride + j];
  return total;
}
