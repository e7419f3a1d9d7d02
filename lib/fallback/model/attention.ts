import type { Pacer } from '../../cooperate.js';
import type { AttentionLayer } from '../../model/model.js';
import { rotate, rotations } from './rotary.js';
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
      rotate(rows, turns, positions, { size, turning: size, interleaved: false });
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
