import { angle } from '../../similarity/series/angle.js';
import { similarityText } from '../../words/numbers.js';
import { type EmbeddedMatrix, LARGEST_CELL, triangleIndex, UNDEFINED_CELL } from '../page_data.js';

/** Closer to ±1 than this, an embedded value cannot be told from it. */
const NO_DIFFERENCE = 1e-12;

/** Cells of the matrix that a heatmap shows; it may change while the page is open. */
export type ShownCells = () => Cells;

/** Reads the cells of an embedded matrix; they are unpacked at the first look. */
export class Cells {
  readonly matrix: EmbeddedMatrix;
  readonly rows: number;
  readonly columns: number;
  readonly symmetric: boolean;
  #unpacked: Uint16Array | Float64Array | undefined;

  constructor(matrix: EmbeddedMatrix, rows: number, columns: number, symmetric: boolean) {
    this.matrix = matrix;
    this.rows = rows;
    this.columns = columns;
    this.symmetric = symmetric;
  }

  /** The similarity at a row and a column; null where it is undefined. */
  at(row: number, column: number): number | null {
    const cell = this.#cell(row, column);
    if (this.matrix.packing === 'float64') return Number.isNaN(cell) ? null : cell;
    return cell === UNDEFINED_CELL ? null : Math.cos((cell / LARGEST_CELL) * this.matrix.span);
  }

  /** Where it lies on the scale of colours, from 0 to 1; NaN where it is undefined. */
  position(row: number, column: number): number {
    const cell = this.#cell(row, column);
    if (this.matrix.packing === 'float64') return 1 - Math.min(1, angle(cell) / this.matrix.span);
    return cell === UNDEFINED_CELL ? Number.NaN : 1 - cell / LARGEST_CELL;
  }

  #cell(row: number, column: number): number {
    this.#unpacked ??= unpacked(this.matrix);
    const index = this.symmetric ? triangleIndex(row, column, this.columns) : row * this.columns + column;
    return this.#unpacked[index];
  }
}

function unpacked({ cells, packing }: EmbeddedMatrix): Uint16Array | Float64Array {
  const { buffer } = bytesOf(cells);
  // Every browser there is runs on machines that are little-endian, as the cells are.
  return packing === 'float64' ? new Float64Array(buffer) : new Uint16Array(buffer);
}

/** The bytes of a text in base64. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}

/** "similarity 0.9596", or why there is none. */
export function similarityLine(value: number | null): string {
  if (value === null) return 'similarity undefined (zero output) or not compared';
  return `similarity ${valueText(value)}`;
}

export function valueText(value: number | null): string {
  if (value === null) return 'undefined';
  return similarityText(1 - Math.abs(value) < NO_DIFFERENCE ? Math.sign(value) : value);
}
