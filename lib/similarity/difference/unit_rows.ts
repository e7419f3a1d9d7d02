import type { Pacer } from '../../cooperate.js';
import { rowMajor } from '../../tensor/matrix.js';
import { type LinearChange, type Place, stacked } from './linear.js';
import { sizesOf } from './probes.js';
import { assemble } from './weights.js';

/* Linear functions of a stream that units have as their arguments: rows of a matrix with their biases behind. */

/** A linear function of the stream, with its bias behind every row. */
export async function rowsOf(
  change: LinearChange,
  kind: 'g' | 'change',
  place: Place,
  pacer: Pacer,
): Promise<Float64Array> {
  const { weight, bias } = await stacked(change, [kind], place, pacer);
  const [rows, columns] = weight.shape;
  return assemble(
    rows,
    columns + 1,
    [
      { view: rowMajor(weight.data, rows, columns), row: 0, column: 0 },
      { view: bias && rowMajor(bias.data, rows, 1), row: 0, column: columns },
    ],
    pacer,
  );
}

/** Linear functions in g, and how they change, over the scale. */
export interface BothRows {
  readonly g: Float64Array;
  readonly change: Float64Array;
}

export async function bothRows(change: LinearChange, place: Place, pacer: Pacer): Promise<BothRows> {
  return { g: await rowsOf(change, 'g', place, pacer), change: await rowsOf(change, 'change', place, pacer) };
}

/** Those of g and `at` times the change; a factor for every row. */
export async function between({ g, change }: BothRows, at: ArrayLike<number>, pacer: Pacer): Promise<Float64Array> {
  const width = g.length / at.length;
  const rows = new Float64Array(g.length);
  for (let i = 0, k = 0; i < at.length; i++) {
    for (const end = k + width; k < end; k++) rows[k] = g[k] + at[i] * change[k];
    if (pacer.due(width)) await pacer.pause();
  }
  return rows;
}

/** Rows with the other sign. */
export async function turned(rows: Float64Array, pacer: Pacer): Promise<Float64Array> {
  const result = new Float64Array(rows.length);
  for (let k = 0; k < rows.length; k++) {
    result[k] = -rows[k];
    if (pacer.due(1)) await pacer.pause();
  }
  return result;
}

/** How far units move from g to f, as a root mean square. */
export async function movesOf({ change }: BothRows, place: Place, pacer: Pacer): Promise<Float64Array> {
  return (await lengthsOf(change, place, pacer)).map((length) => place.scale * length);
}

export async function lengthsOf(rows: Float64Array, { probes }: Place, pacer: Pacer): Promise<Float64Array> {
  const { width } = probes!;
  const count = rows.length / (width + 1);
  const bias = Float64Array.from({ length: count }, (_, i) => rows[i * (width + 1) + width]);
  const weight = { data: rows, rows: count, columns: width, rowStride: width + 1, columnStride: 1 };
  return sizesOf(weight, bias, probes!, pacer);
}
