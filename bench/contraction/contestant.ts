import type { TensorData } from '../../lib/tensor/tensor.js';

/** One way of computing an instance. */
export interface Contestant {
  readonly engine: 'native' | 'fallback' | 'numpy';
  /** A strategy of ours, or a function of numpy. */
  readonly method: string;
  /** Computes once, and tells how far the result is from the expected one, relative to its largest magnitude. */
  check(expected: TensorData): Promise<number>;
  /** Computes again and again for at least so many seconds; the seconds one call takes. */
  time(seconds: number): Promise<number>;
}

/** The largest difference of two results, relative to the largest magnitude of the second. */
export function relativeDifference(result: TensorData, expected: TensorData): number {
  if (result.length !== expected.length) return Number.POSITIVE_INFINITY;
  let scale = 0;
  let difference = 0;
  for (let i = 0; i < expected.length; i++) {
    difference = Math.max(difference, Math.abs(result[i]! - expected[i]!)); // NaN stays
    scale = Math.max(scale, Math.abs(expected[i]!));
  }
  return difference / (scale || 1);
}
