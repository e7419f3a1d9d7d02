import type { Pacer } from '../../cooperate.js';
import type { AttentionLayer } from '../../model/model.js';
import type { Rows } from './rows.js';

/** Queries, keys and values before rotation: (positions of all inputs, heads·d_head) each. */
export interface Projections {
  readonly q1: Rows;
  readonly k1: Rows;
  readonly q2: Rows;
  readonly k2: Rows;
  readonly v: Rows;
}

/**
 * concat_heads Σ_t M_st (q1_s·k1_t)(q2_s·k2_t)/d_head² · v_t for every position s of every input (MATH.md section 1).
 * Queries and keys are rotated in place.
 */
export async function attend(
  { heads, mask, rotaryBase }: AttentionLayer,
  { q1, k1, q2, k2, v }: Projections,
  positions: number,
  pacer: Pacer,
): Promise<Rows> {
  const { count, width } = v;
  const size = width / heads;
  if (rotaryBase !== null) {
    const turns = rotations(positions, size, rotaryBase);
    for (const rows of [q1, k1, q2, k2]) {
      rotate(rows, turns, positions, size);
      if (pacer.due(2 * rows.data.length)) await pacer.pause();
    }
  }
  const joined = new Float64Array(count * width);
  const scale = 1 / (size * size);
  for (let s = 0; s < count; s++) {
    const first = s - (s % positions);
    const end = mask === 'causal' ? s + 1 : first + positions;
    for (let head = 0; head < heads; head++) {
      const at = head * size;
      const query = s * width + at;
      for (let t = first; t < end; t++) {
        const key = t * width + at;
        let a = 0;
        let b = 0;
        for (let i = 0; i < size; i++) {
          a += q1.data[query + i] * k1.data[key + i];
          b += q2.data[query + i] * k2.data[key + i];
        }
        const weight = a * b * scale;
        for (let i = 0; i < size; i++) joined[query + i] += weight * v.data[key + i];
      }
    }
    if (pacer.due(3 * width * (end - first))) await pacer.pause();
  }
  return { data: joined, count, width };
}

/** cos and sin of s·base^(−2j/size) for every position s and pair j, one after the other. */
function rotations(positions: number, size: number, base: number): Float64Array {
  const half = size / 2;
  const turns = new Float64Array(positions * size);
  for (let s = 0, at = 0; s < positions; s++) {
    for (let j = 0; j < half; j++, at += 2) {
      const angle = s * base ** ((-2 * j) / size);
      turns[at] = Math.cos(angle);
      turns[at + 1] = Math.sin(angle);
    }
  }
  return turns;
}

/** Turns the pair (j, j + size/2) of every head of every row by the angle of its position. */
function rotate({ data, count, width }: Rows, turns: Float64Array, positions: number, size: number): void {
  const half = size / 2;
  for (let row = 0; row < count; row++) {
    const turn = (row % positions) * size;
    for (let head = row * width; head < (row + 1) * width; head += size) {
      for (let j = 0; j < half; j++) {
        const cos = turns[turn + 2 * j];
        const sin = turns[turn + 2 * j + 1];
        const a = data[head + j];
        const b = data[head + j + half];
        data[head + j] = a * cos - b * sin;
        data[head + j + half] = b * cos + a * sin;
      }
    }
  }
}
