import type { Pacer } from '../../cooperate.js';

/** A symmetric matrix as Q T Qᵀ, T tridiagonal. */
export interface Tridiagonal {
  /** T_ii, (n). */
  readonly diagonal: Float64Array;
  /** T_(i,i+1), (n); the last is zero. */
  readonly offDiagonal: Float64Array;
  /** Q x, in place. */
  reflectBack(x: Float64Array, pacer: Pacer): Promise<void>;
}

/**
 * Householder's reduction to tridiagonal form, row by row from the last. The reflection H = 1 − β v vᵀ that empties row
 * i left of its off-diagonal acts on the leading i×i part only, of which the lower triangle is kept:
 *
 *     p = β A v,   w = p − ½β(p·v) v,   A ← A − v wᵀ − w vᵀ
 *
 * v stays where the emptied row was.
 *
 * @param a (size, size), row-major: the lower triangle is read, and overwritten.
 */
export async function tridiagonalise(a: Float64Array, size: number, pacer: Pacer): Promise<Tridiagonal> {
  const diagonal = new Float64Array(size);
  const offDiagonal = new Float64Array(size);
  const betas = new Float64Array(size);
  const w = new Float64Array(size);
  for (let i = size - 1; i > 0; i--) {
    const v = a.subarray(i * size, i * size + i);
    const { beta, value } = makeReflection(v);
    betas[i] = beta;
    offDiagonal[i - 1] = value;
    if (beta === 0) continue;
    await multiplyLower(a, size, v, w, pacer);
    let overlap = 0;
    for (let k = 0; k < i; k++) {
      w[k] *= beta;
      overlap += w[k] * v[k];
    }
    for (let k = 0; k < i; k++) w[k] -= (beta / 2) * overlap * v[k];
    for (let j = 0; j < i; j++) {
      const start = j * size;
      const vj = v[j];
      const wj = w[j];
      for (let k = 0; k <= j; k++) a[start + k] -= vj * w[k] + wj * v[k];
      if (pacer.due(2 * j)) await pacer.pause();
    }
  }
  for (let i = 0; i < size; i++) diagonal[i] = a[i * (size + 1)];
  return {
    diagonal,
    offDiagonal,
    async reflectBack(x, turns) {
      for (let i = 1; i < size; i++) {
        if (betas[i] === 0) continue;
        const start = i * size;
        let overlap = 0;
        for (let k = 0; k < i; k++) overlap += a[start + k] * x[k];
        overlap *= betas[i];
        for (let k = 0; k < i; k++) x[k] -= overlap * a[start + k];
        if (turns.due(2 * i)) await turns.pause();
      }
    },
  };
}

/**
 * Replaces a row by the v of the reflection that maps it to (0, …, 0, value). β is zero, and nothing to do, where it
 * has that form already.
 */
function makeReflection(row: Float64Array): { beta: number; value: number } {
  const last = row.length - 1;
  let rest = 0;
  for (let k = 0; k < last; k++) rest += row[k] * row[k];
  const end = row[last];
  if (rest === 0) return { beta: 0, value: end };
  const length = Math.sqrt(rest + end * end);
  // Of the two signs the one that cancels nothing.
  const value = end > 0 ? -length : length;
  row[last] = end - value;
  return { beta: 2 / (rest + row[last] * row[last]), value };
}

/** A v for the leading part of a symmetric matrix of which the lower triangle is there, each entry read once. */
async function multiplyLower(
  a: Float64Array,
  size: number,
  v: Float64Array,
  product: Float64Array,
  pacer: Pacer,
): Promise<void> {
  product.fill(0, 0, v.length);
  for (let j = 0; j < v.length; j++) {
    const start = j * size;
    const vj = v[j];
    let sum = a[start + j] * vj;
    for (let k = 0; k < j; k++) {
      const value = a[start + k];
      sum += value * v[k];
      product[k] += value * vj;
    }
    product[j] += sum;
    if (pacer.due(2 * j)) await pacer.pause();
  }
}
