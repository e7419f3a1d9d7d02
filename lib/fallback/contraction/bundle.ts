import type { Loop } from '../../contraction/plan.js';

/**
 * Loops of one bundle in a pass, column-wise: `sizes[i]` indices with strides `a[i]`, `b[i]`, `out[i]`. All of it is
 * one flat index 0 … total − 1, the last loop fastest.
 */
export interface Bundle {
  readonly total: number;
  readonly sizes: readonly number[];
  readonly a: readonly number[];
  readonly b: readonly number[];
  readonly out: readonly number[];
}

/** `extentOf` gives the size of a sliced loop in the current pass. */
export function bundleOf(loops: readonly Loop[], extentOf: (slice: number) => number): Bundle {
  const sizes = loops.map((loop) => (loop.slice < 0 ? loop.size : extentOf(loop.slice)));
  return {
    total: sizes.reduce((total, size) => total * size, 1),
    sizes,
    a: loops.map((loop) => loop.strideA),
    b: loops.map((loop) => loop.strideB),
    out: loops.map((loop) => loop.strideOut),
  };
}

/** The offset of one flat index. */
export function offsetAt(sizes: readonly number[], strides: readonly number[], index: number): number {
  let rest = index;
  let offset = 0;
  for (let loop = sizes.length - 1; loop >= 0; loop--) {
    const size = sizes[loop];
    const outer = Math.floor(rest / size);
    offset += (rest - outer * size) * strides[loop];
    rest = outer;
  }
  return offset;
}

/**
 * Writes the offsets of the flat indices first … first + count − 1: the scatter vector of a block. A block of any nest
 * of loops is then as easy to walk as a row of a matrix.
 */
export function fillOffsets(
  sizes: readonly number[],
  strides: readonly number[],
  first: number,
  count: number,
  offsets: Int32Array,
): void {
  const last = sizes.length - 1;
  if (last < 0) {
    offsets[0] = 0;
    return;
  }
  const size = sizes[last];
  const stride = strides[last];
  let filled = 0;
  while (filled < count) {
    const index = first + filled;
    const start = index % size;
    const run = Math.min(size - start, count - filled);
    let offset = offsetAt(sizes, strides, index);
    for (let i = 0; i < run; i++) {
      offsets[filled + i] = offset;
      offset += stride;
    }
    filled += run;
  }
}
