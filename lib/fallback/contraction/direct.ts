import type { TensorData } from '../../tensor/tensor.js';

/**
 * block[i, j] += Σ_p a[i, p] · b[j, p] for rows from … to − 1, read in place through scatter vectors: element (i, p) of A is
 * a[aAt + rows[i] + depthA[p]]. Where little is reused, packing would cost more than it saves.
 */
export function directBlock(
  a: TensorData,
  aAt: number,
  rows: Int32Array,
  from: number,
  to: number,
  b: TensorData,
  bAt: number,
  columns: Int32Array,
  columnCount: number,
  depthA: Int32Array,
  depthB: Int32Array,
  depth: number,
  block: Float64Array,
  blockColumns: number,
): void {
  // Four sums at a time along the longer side, so that one load serves four products.
  if (columnCount >= PAR) {
    for (let i = from; i < to; i++) {
      const at = i * blockColumns;
      quads(a, aAt + rows[i], depthA, b, bAt, columns, 0, columnCount, depthB, depth, block, at, 1);
    }
  } else {
    for (let j = 0; j < columnCount; j++) {
      quads(b, bAt + columns[j], depthB, a, aAt, rows, from, to, depthA, depth, block, j, blockColumns);
    }
  }
}

/** Sums carried at a time. */
const PAR = 4;

/** sums[at + i·step] += Σ_p x[p] · y[i, p] for i from … to − 1. */
function quads(
  x: TensorData,
  xAt: number,
  depthX: Int32Array,
  y: TensorData,
  yAt: number,
  lines: Int32Array,
  from: number,
  to: number,
  depthY: Int32Array,
  depth: number,
  sums: Float64Array,
  at: number,
  step: number,
): void {
  let i = from;
  for (; i + PAR <= to; i += PAR) {
    const y0 = yAt + lines[i];
    const y1 = yAt + lines[i + 1];
    const y2 = yAt + lines[i + 2];
    const y3 = yAt + lines[i + 3];
    let s0 = 0;
    let s1 = 0;
    let s2 = 0;
    let s3 = 0;
    for (let p = 0; p < depth; p++) {
      const value = x[xAt + depthX[p]];
      const d = depthY[p];
      s0 += value * y[y0 + d];
      s1 += value * y[y1 + d];
      s2 += value * y[y2 + d];
      s3 += value * y[y3 + d];
    }
    sums[at + i * step] += s0;
    sums[at + (i + 1) * step] += s1;
    sums[at + (i + 2) * step] += s2;
    sums[at + (i + 3) * step] += s3;
  }
  for (; i < to; i++) {
    const line = yAt + lines[i];
    let even = 0;
    let odd = 0;
    let p = 0;
    for (; p + 1 < depth; p += 2) {
      even += x[xAt + depthX[p]] * y[line + depthY[p]];
      odd += x[xAt + depthX[p + 1]] * y[line + depthY[p + 1]];
    }
    if (p < depth) even += x[xAt + depthX[p]] * y[line + depthY[p]];
    sums[at + i * step] += even + odd;
  }
}
