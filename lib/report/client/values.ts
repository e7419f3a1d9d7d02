import { similarityText } from '../../words/numbers.js';
import { type EmbeddedMatrix, LARGEST_CELL, triangleIndex, UNDEFINED_CELL } from '../page_data.js';

/** Closer to ±1 than this, an embedded value cannot be told from it. */
const NO_DIFFERENCE = 1e-12;

/** Reads the cells of an embedded matrix; they are unpacked at the first look. */
export class Cells {
  readonly #matrix: EmbeddedMatrix;
  readonly #columns: number;
  readonly #symmetric: boolean;
  #view: DataView | undefined;

  constructor(matrix: EmbeddedMatrix, columns: number, symmetric: boolean) {
    this.#matrix = matrix;
    this.#columns = columns;
    this.#symmetric = symmetric;
  }

  /** The similarity at a row and a column; null where it is undefined. */
  at(row: number, column: number): number | null {
    this.#view ??= new DataView(Uint8Array.from(atob(this.#matrix.cells), (c) => c.charCodeAt(0)).buffer);
    const count = this.#columns;
    const index = this.#symmetric ? triangleIndex(row, column, count) : row * count + column;
    const cell = this.#view.getUint16(2 * index, true);
    return cell === UNDEFINED_CELL ? null : Math.cos((cell / LARGEST_CELL) * this.#matrix.span);
  }
}

/** "similarity 0.9596", or why there is none. */
export function similarityLine(value: number | null): string {
  if (value === null) return 'similarity undefined (zero output) or not compared';
  return `similarity ${similarityText(1 - Math.abs(value) < NO_DIFFERENCE ? Math.sign(value) : value)}`;
}
