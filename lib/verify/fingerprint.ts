import type { Pacer } from '../cooperate.js';
import { readSource, type Source, stepOf } from './slots.js';

/** Sums over numbers with random signs, of which every tensor has so many. */
const SKETCH = 4;

/** What a tensor is told by among others. */
export interface Fingerprint {
  /** Σ x². */
  readonly squares: number;
  /** Σ ±x, the signs drawn by the place in the tensor: of tensors that are near each other they are, of others not. */
  readonly sketch: Float64Array;
  /** A digest of the numbers in any order. */
  readonly bag: string;
}

const words = new Uint32Array(2);
const double = new Float64Array(words.buffer);

const known = new WeakMap<Source, Fingerprint>();

/** The fingerprint of a tensor, rows of queries and keys pair by pair; it is read once for it. */
export async function fingerprintOf(source: Source, pacer: Pacer): Promise<Fingerprint> {
  const found = known.get(source);
  if (found !== undefined) return found;
  const sketch = new Float64Array(SKETCH);
  let [squares, low, high, place] = [0, 0, 0, 0];
  for (let from = 0, step = stepOf(source); from < source.rows; from += step) {
    const values = await readSource(source, true, from, Math.min(source.rows, from + step));
    let [s0, s1, s2, s3] = [0, 0, 0, 0];
    for (const x of values) {
      squares += x * x;
      // A number that stands for the place, of which every bit depends on every bit (the end of MurmurHash 3).
      let h = Math.imul(place ^ (place >>> 16), 0x85ebca6b);
      h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
      s0 += h & 0x10000 ? x : -x;
      s1 += h & 0x20000 ? x : -x;
      s2 += h & 0x40000 ? x : -x;
      s3 += h & 0x80000 ? x : -x;
      // Of −0 as of 0.
      double[0] = x + 0;
      let own = Math.imul(words[0] ^ Math.imul(words[1], 0x9e3779b1), 0x85ebca6b);
      own = Math.imul(own ^ (own >>> 15), 0xc2b2ae35);
      low = (low + (own ^ (own >>> 16))) | 0;
      high = (high + Math.imul(own ^ (own >>> 11), 0x27d4eb2f)) | 0;
      place++;
    }
    for (const [k, own] of [s0, s1, s2, s3].entries()) sketch[k] += own;
    if (pacer.due(16 * values.length)) await pacer.pause();
    source.file.done([values]);
  }
  const fingerprint = { squares, sketch, bag: `${low} ${high}` };
  known.set(source, fingerprint);
  return fingerprint;
}

/** Whether two tensors of one size are one, but for rounding. */
export function areAlike(a: Fingerprint, b: Fingerprint, tolerance: number): boolean {
  const norm = Math.sqrt(a.squares);
  if (!(Math.abs(Math.sqrt(b.squares) - norm) <= tolerance * norm)) return false;
  return b.sketch.every((value, k) => Math.abs(value - a.sketch[k]) <= 4 * tolerance * norm);
}
