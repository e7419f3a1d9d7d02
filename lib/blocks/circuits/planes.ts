import type { Rotation } from '../../model/transformers/network.js';

/** The rows of a head in pairs, each of which lies in a plane of its own. */
export interface Planes {
  readonly first: Int32Array;
  /** −1 beside the last of an odd number of rows, where a row of zeros is meant. */
  readonly second: Int32Array;
  /** 0 for rows that no embedding turns: which of them are paired does not matter. */
  readonly angles: Float64Array;
}

/** The planes of a head of so many rows. */
export function planesOf(rows: number, rotation: Rotation | null): Planes {
  const turned = rotation?.angles.length ?? 0;
  const count = turned + Math.ceil((rows - 2 * turned) / 2);
  const planes = { first: new Int32Array(count), second: new Int32Array(count), angles: new Float64Array(count) };
  for (let p = 0; p < count; p++) {
    const pairs = p >= turned || rotation!.interleaved;
    planes.first[p] = pairs ? 2 * p : p;
    planes.second[p] = pairs ? (2 * p + 1 < rows ? 2 * p + 1 : -1) : p + turned;
    planes.angles[p] = p < turned ? rotation!.angles[p] : 0;
  }
  return planes;
}
