import type { Frequencies } from '../../layers/rope_scaling.js';
import type { Rows } from './rows.js';

/** What of a head of so many features turns, and how: the first `turning` of them. */
export interface Turning {
  readonly size: number;
  readonly turning: number;
  /** The features 2j and 2j + 1 turn together; else j and j + turning/2. */
  readonly interleaved: boolean;
}

/**
 * cos and sin of s/scaling · base^(−2j/turning) for every position s and pair j, one after the other (MATH.md section
 * 1).
 */
export function rotations(positions: number, turning: number, base: number, scaling = 1): Float64Array {
  const half = turning / 2;
  const turns = new Float64Array(positions * turning);
  for (let s = 0, at = 0; s < positions; s++) {
    for (let j = 0; j < half; j++, at += 2) {
      const angle = (s / scaling) * base ** ((-2 * j) / turning);
      turns[at] = Math.cos(angle);
      turns[at + 1] = Math.sin(angle);
    }
  }
  return turns;
}

/** The same of angles s times given frequencies, times `factor`. */
export function rotationsOf(positions: number, { frequencies, factor }: Frequencies): Float64Array {
  const turns = new Float64Array(2 * positions * frequencies.length);
  for (let s = 0, at = 0; s < positions; s++) {
    for (let j = 0; j < frequencies.length; j++, at += 2) {
      turns[at] = Math.cos(s * frequencies[j]) * factor;
      turns[at + 1] = Math.sin(s * frequencies[j]) * factor;
    }
  }
  return turns;
}

/** Turns the pairs of every head of every row by the angles of its position. */
export function rotate(
  { data, count, width }: Rows,
  turns: Float64Array,
  positions: number,
  { size, turning, interleaved }: Turning,
): void {
  const half = turning / 2;
  const [step, apart] = interleaved ? [2, 1] : [1, half];
  for (let row = 0; row < count; row++) {
    const turn = (row % positions) * turning;
    for (let head = row * width; head < (row + 1) * width; head += size) {
      for (let j = 0; j < half; j++) {
        const cos = turns[turn + 2 * j];
        const sin = turns[turn + 2 * j + 1];
        const at = head + step * j;
        const a = data[at];
        const b = data[at + apart];
        data[at] = a * cos - b * sin;
        data[at + apart] = b * cos + a * sin;
      }
    }
  }
}
