import type { Pacer } from '../../cooperate.js';

/** In more dimensions a frame takes longer than the forward passes of most models. */
export const FRAME_DIMENSIONS = 64;
/** Rows that a further one is made orthogonal to at a time. */
const AT_ONCE = 4;

/**
 * Rows of z, (samples, dimension), standard normal, become orthogonal to each other in groups of up to `dimension`, by
 * Gram and Schmidt's method: frames whose directions are uniform, with the lengths that the rows had, which are
 * independent of them (MATH.md section 15). Every row by itself stays standard normal, and what models have of a linear
 * part varies less from frame to frame.
 * @param kind of every row of a period; rows of one kind make frames.
 */
export async function orthogonalise(
  z: Float64Array,
  dimension: number,
  kind: readonly number[],
  pacer: Pacer,
): Promise<void> {
  if (dimension === 1 || dimension > FRAME_DIMENSIONS) return;
  const samples = z.length / dimension;
  // Unit rows, and zeros up to a multiple of AT_ONCE.
  const frame = new Float64Array((dimension + AT_ONCE) * dimension);
  for (const wanted of new Set(kind)) {
    let filled = 0;
    for (let s = 0; s < samples; s++) {
      if (kind[s % kind.length] !== wanted) continue;
      if (filled === dimension) filled = 0;
      if (filled === 0) frame.fill(0);
      const at = s * dimension;
      const length = norm(z, at, dimension);
      for (let q = 0; q < filled; q += AT_ONCE) subtract(z, at, frame, q * dimension, dimension);
      const inverse = 1 / norm(z, at, dimension);
      for (let i = 0; i < dimension; i++) {
        const unit = inverse * z[at + i];
        frame[filled * dimension + i] = unit;
        z[at + i] = length * unit;
      }
      filled++;
      if (pacer.due(2 * filled * dimension)) await pacer.pause();
    }
  }
}

/**
 * Takes from the row of z at `at` its parts along four unit vectors, orthogonal to each other, that lie one after the
 * other.
 */
function subtract(z: Float64Array, at: number, units: Float64Array, a: number, dimension: number): void {
  const [b, c, d] = [a + dimension, a + 2 * dimension, a + 3 * dimension];
  let [p, q, r, t] = [0, 0, 0, 0];
  for (let i = 0; i < dimension; i++) {
    const value = z[at + i];
    p += value * units[a + i];
    q += value * units[b + i];
    r += value * units[c + i];
    t += value * units[d + i];
  }
  for (let i = 0; i < dimension; i++) {
    z[at + i] -= p * units[a + i] + q * units[b + i] + r * units[c + i] + t * units[d + i];
  }
}

function norm(z: Float64Array, at: number, dimension: number): number {
  let square = 0;
  for (let i = at; i < at + dimension; i++) square += z[i] * z[i];
  return Math.sqrt(square);
}
