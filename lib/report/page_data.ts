import type { ChangeRange } from './change_axis.js';

/** What a page embeds for its script: the one definition that both sides are typed and reckoned by. */
export interface PageData {
  /** Of the rows, and of the columns too where those have none of their own. */
  readonly labels: readonly string[];
  /** Of the columns, where they are other models than the rows. */
  readonly columnLabels?: readonly string[];
  readonly matrices: readonly EmbeddedMatrix[];
  readonly curves: readonly EmbeddedCurve[];
  /** How the command begins that explains how two models differ, and the files of both; where they are known. */
  readonly explain?: {
    readonly command: string;
    readonly rows: readonly string[];
    readonly columns?: readonly string[];
  };
  /** Colours of all heatmaps from the least similarity to 1, three bytes each, in base64. */
  readonly palette: string;
}

/**
 * A matrix, and the image that the heatmap shows. Of models with each other the cells on and above the diagonal, row by
 * row (a zero output is not even like itself); of rows against columns all. Little-endian and in base64.
 */
export interface EmbeddedMatrix {
  /** What it shows: all outputs, one of them, a measure. */
  readonly name: string;
  /** `float64`: similarities as they are. `angle16`: angles of 16 bits, where there are many. */
  readonly packing: 'float64' | 'angle16';
  /** The angle that the colours reach down to, and that `LARGEST_CELL` stands for, in radians. */
  readonly span: number;
  readonly cells: string;
  /** A data URL; none where the script draws the cells itself. */
  readonly image?: string;
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
/** From so many models on, the script draws heatmaps by tiles; the page holds one image of each, as a preview. */
export const MANY = 300;

/** Where the cell of a pair lies among the cells on and above the diagonal, row by row. */
export function triangleIndex(row: number, column: number, count: number): number {
  const [first, second] = row <= column ? [row, column] : [column, row];
  return first * count - (first * (first - 1)) / 2 + second - first;
}
