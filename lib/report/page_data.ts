import type { ChangeRange } from './change_axis.js';

/** What a page embeds for its script: the one definition that both sides are typed and reckoned by. */
export interface PageData {
  /** Of the rows, and of the columns too where those have none of their own. */
  readonly labels: readonly string[];
  /** Of the columns, where they are other models than the rows. */
  readonly columnLabels?: readonly string[];
  readonly matrices: readonly EmbeddedMatrix[];
  readonly curves: readonly EmbeddedCurve[];
}

/**
 * A matrix as angles of 16 bits, little-endian and in base64, and as the image that the heatmap shows. Of models with
 * each other the cells on and above the diagonal, row by row (a zero output is not even like itself); of rows against
 * columns all.
 */
export interface EmbeddedMatrix {
  /** The angle that `LARGEST_CELL` stands for, in radians. */
  readonly span: number;
  readonly cells: string;
  /** A data URL. */
  readonly image: string;
}

export interface EmbeddedCurve extends ChangeRange {
  readonly series: readonly EmbeddedSeries[];
}

export interface EmbeddedSeries {
  readonly name: string;
  /** Similarity across each step; null where undefined. */
  readonly similarities: readonly (number | null)[];
}

export const LARGEST_CELL = 65534;
export const UNDEFINED_CELL = 65535;

/** Where the cell of a pair lies among the cells on and above the diagonal, row by row. */
export function triangleIndex(row: number, column: number, count: number): number {
  const [first, second] = row <= column ? [row, column] : [column, row];
  return first * count - (first * (first - 1)) / 2 + second - first;
}
