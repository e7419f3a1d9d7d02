import type { TensorData } from '../../tensor/tensor.js';

/** A block of a strided tensor by its scatter vectors: element (i, p) is data[at + lines[i] + depth[p]]. */
export interface ScatteredBlock {
  readonly data: TensorData;
  readonly at: number;
  readonly lines: Int32Array;
  readonly depth: Int32Array;
}

/** The lines from … to − 1 of an operand, and how many of its depth. */
interface Range {
  readonly from: number;
  readonly to: number;
  readonly depth: number;
}

/**
 * block[i, j] += Σ_p a[i, p] · b[j, p] for the rows of a `range` of A and the first `columns` lines of B, read in
 * place. Where little is reused, packing would cost more than it saves.
 */
export function directBlock(
  a: ScatteredBlock,
  range: Range,
  b: ScatteredBlock,
  columns: number,
  block: Float64Array,
  blockColumns: number,
): void {
  // Four sums at a time along the longer side, so that one load serves four products.
  if (columns >= PAR) {
    const across = { from: 0, to: columns, depth: range.depth };
    for (let i = range.from; i < range.to; i++) quads(a, a.lines[i], b, across, block, i * blockColumns, 1);
  } else {
    for (let j = 0; j < columns; j++) quads(b, b.lines[j], a, range, block, j, blockColumns);
  }
}

/** Sums carried at a time. */
const PAR = 4;

/** sums[at + i·step] += Σ_p x[line, p] · y[i, p] for i of the range. */
function quads(
  { data: x, at: xBase, depth: depthX }: ScatteredBlock,
  xLine: number,
  { data: y, at: yAt, lines, depth: depthY }: ScatteredBlock,
  { from, to, depth }: Range,
  sums: Float64Array,
  at: number,
  step: number,
): void {
  const xAt = xBase + xLine;
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
