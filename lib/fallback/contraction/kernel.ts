/** Rows of a panel of A, columns of a panel of B. */
export const PANEL = 4;

/**
 * The micro-kernel: c[i, j] += Σ_p a[p, i] · b[p, j] for a 4 × 4 tile.
 *
 * `a` and `b` are packed panels: 4 values for p = 0, then 4 for p = 1 …, beginning at `aAt` and `bAt`. `c` is row-major with
 * `columns` columns, the tile beginning at `cAt`. Always Float64Array, whatever the operands are, so that V8 compiles
 * one version with plain loads and 16 sums in registers.
 */
export function microKernel(
  depth: number,
  a: Float64Array,
  aAt: number,
  b: Float64Array,
  bAt: number,
  c: Float64Array,
  cAt: number,
  columns: number,
): void {
  let c00 = 0;
  let c01 = 0;
  let c02 = 0;
  let c03 = 0;
  let c10 = 0;
  let c11 = 0;
  let c12 = 0;
  let c13 = 0;
  let c20 = 0;
  let c21 = 0;
  let c22 = 0;
  let c23 = 0;
  let c30 = 0;
  let c31 = 0;
  let c32 = 0;
  let c33 = 0;
  let i = aAt;
  let j = bAt;
  for (let p = 0; p < depth; p++) {
    const a0 = a[i]!;
    const a1 = a[i + 1]!;
    const a2 = a[i + 2]!;
    const a3 = a[i + 3]!;
    const b0 = b[j]!;
    const b1 = b[j + 1]!;
    const b2 = b[j + 2]!;
    const b3 = b[j + 3]!;
    c00 += a0 * b0;
    c01 += a0 * b1;
    c02 += a0 * b2;
    c03 += a0 * b3;
    c10 += a1 * b0;
    c11 += a1 * b1;
    c12 += a1 * b2;
    c13 += a1 * b3;
    c20 += a2 * b0;
    c21 += a2 * b1;
    c22 += a2 * b2;
    c23 += a2 * b3;
    c30 += a3 * b0;
    c31 += a3 * b1;
    c32 += a3 * b2;
    c33 += a3 * b3;
    i += PANEL;
    j += PANEL;
  }
  let at = cAt;
  c[at]! += c00;
  c[at + 1]! += c01;
  c[at + 2]! += c02;
  c[at + 3]! += c03;
  at += columns;
  c[at]! += c10;
  c[at + 1]! += c11;
  c[at + 2]! += c12;
  c[at + 3]! += c13;
  at += columns;
  c[at]! += c20;
  c[at + 1]! += c21;
  c[at + 2]! += c22;
  c[at + 3]! += c23;
  at += columns;
  c[at]! += c30;
  c[at + 1]! += c31;
  c[at + 2]! += c32;
  c[at + 3]! += c33;
}
