import type { Matrix } from '../terms/types.js';

/**
 * Checkpoints of a series that do not belong where they stand: a file under a wrong step, or of another state of the
 * run.
 *
 * In a run a checkpoint is nearest to the one before or after it. One is out of place if some checkpoint further away
 * is much nearer than both of these:
 *
 *     angle(i, nearest) < 0.6 · min(angle(i, i − 1), angle(i, i + 1))
 *
 * Angles, because they grow like distances; 0.6, because a run that jitters about one place has all its angles alike.
 * Where a run comes back to an earlier state, its checkpoints have neighbours that came back with them, so they are not
 * out of place.
 */
const MUCH_NEARER = 0.6;
/** Similarities nearer than this are not told apart: the rounding of float64. */
const ROUNDING = 1e-12;

export interface Stray {
  /** Index of the checkpoint. */
  readonly index: number;
  /** Index of the checkpoint it is nearest to. */
  readonly nearest: number;
  readonly similarity: number;
  /** Its similarity to the more similar of its neighbours. */
  readonly beside: number;
}

/**
 * The checkpoints out of place, of a matrix whose models are in order; at least four of them, else anything is next to
 * anything.
 * @param resolution similarities that differ by less are equal.
 */
export function strays(cosine: Matrix, resolution = ROUNDING): Stray[] {
  if (cosine.length < 4) return [];
  return cosine.flatMap((row, index) => {
    const others = [...row.keys()].filter((other) => other !== index && !Number.isNaN(row[other]));
    const nearest = largest(row, others);
    const beside = largest(
      row,
      others.filter((other) => Math.abs(other - index) === 1),
    );
    if (nearest === null || beside === null) return [];
    const angle = (similarity: number) => Math.acos(Math.min(1 - resolution, Math.max(-1, similarity)));
    // By as much as both may be off: what is nearer only perhaps is not out of place.
    if (angle(row[nearest] - resolution) >= MUCH_NEARER * angle(row[beside] + resolution)) return [];
    return [{ index, nearest, similarity: row[nearest], beside: row[beside] }];
  });
}

/** The first of the indices with the largest value; null for none. */
function largest(row: Float64Array, indices: readonly number[]): number | null {
  return indices.reduce<number | null>((best, index) => (best === null || row[index] > row[best] ? index : best), null);
}
