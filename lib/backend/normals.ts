import type { Ability } from './ability.js';
import type { Control } from './control.js';

/** A stream of random inputs: `dimension` independent standard normal numbers for every sample. */
export interface NormalStream {
  /** A whole number from 0 to 2⁵³ − 1. */
  readonly seed: number;
  /** Below 2¹¹; streams of one seed are independent. */
  readonly stream: number;
  readonly dimension: number;
}

/** Random numbers. */
export interface Normals extends Ability {
  /**
   * Samples `first` to `first + count` − 1 of a stream, (count, dimension), row-major (MATH.md section 8). A number
   * depends on the stream and its own place alone, and is the same on every backend to the bit; samples are counted
   * below 2³².
   */
  draw(stream: NormalStream, first: number, count: number, control?: Control): Promise<Float64Array>;
}
