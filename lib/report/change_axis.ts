/** Similarities from each model to the next, as one line of a curve. */
export interface Series {
  readonly name: string;
  /** Similarity across each step, NaN where undefined. */
  readonly similarities: Float64Array;
}

/** The range of changes (1 − similarity) that a logarithmic axis holds; changes below it are drawn at its foot. */
export interface ChangeRange {
  readonly low: number;
  readonly high: number;
}

/**
 * From the smallest change worth drawing to the largest; at most six decades, so that round-off does not flatten the
 * rest.
 */
export function changeRange(series: readonly Series[]): ChangeRange {
  let low = Number.POSITIVE_INFINITY;
  let high = 0;
  for (const { similarities } of series) {
    for (const similarity of similarities) {
      if (!(similarity < 1)) continue;
      low = Math.min(low, 1 - similarity);
      high = Math.max(high, 1 - similarity);
    }
  }
  if (high === 0) return { low: 1e-3, high: 1 };
  return { low: Math.max(low, high * 1e-6) / 1.25, high: high * 1.25 };
}

/** Where a similarity lies on the axis, from 0 (foot) to 1. */
export function changePosition(similarity: number, { low, high }: ChangeRange): number {
  const change = Math.max(1 - similarity, low);
  return Math.log(change / low) / Math.log(high / low);
}

/** Powers of ten, and their halves and fifths where the range is short. */
export function changeTicks({ low, high }: ChangeRange): number[] {
  const decades = Math.log10(high / low);
  const digits = decades > 2.2 ? [1] : decades > 1.2 ? [1, 3] : [1, 2, 5];
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    for (const digit of digits) {
      const tick = Number(`${digit}e${power}`);
      if (tick >= low && tick <= high) ticks.push(tick);
    }
  }
  return ticks;
}
