import type { Matrix } from '../similarity/terms/types.js';
import { jsonText } from '../words/quoting.js';

/**
 * A matrix within the data of a report: its text is made a row at a time, and what is not finite in it becomes null.
 */
export class Rows {
  readonly #matrix: Matrix;

  constructor(matrix: Matrix) {
    this.#matrix = matrix;
  }

  toJSON(): (number | null)[][] {
    return this.#matrix.map(finiteOrNull);
  }

  *pieces(): Generator<string> {
    if (this.#matrix.length === 0) yield '[]';
    for (const [i, row] of this.#matrix.entries()) yield `${i === 0 ? '[' : ','}${JSON.stringify(finiteOrNull(row))}`;
    if (this.#matrix.length > 0) yield ']';
  }
}

/** Elements of a list whose text is made at a time. */
const PIECE = 1024;

/**
 * The text of `jsonText(data)` in pieces of one row of a matrix, or of some elements of a long list, each: two thousand
 * models make text too long to build at once without stopping everything else, and a few million outputs too long for
 * any text.
 */
export function* jsonPieces(data: unknown): Generator<string> {
  if (data instanceof Rows) yield* data.pieces();
  else if (!isLong(data)) yield jsonText(data);
  else if (Array.isArray(data)) {
    // Lists hold things of one kind: the first tells whether they are long themselves.
    const size = isLong(data[0]) ? 1 : PIECE;
    for (let i = 0; i < data.length; i += size) {
      yield i === 0 ? '[' : ',';
      if (size === 1) yield* jsonPieces(data[i]);
      else yield jsonText(data.slice(i, i + size)).slice(1, -1);
    }
    yield ']';
  } else {
    let before = '{';
    for (const [name, value] of Object.entries(data)) {
      if (value === undefined) continue;
      yield `${before}${jsonText(name)}:`;
      yield* jsonPieces(value);
      before = ',';
    }
    yield '}';
  }
}

/** The same as plain data. */
export function plain(data: object): Record<string, unknown> {
  return JSON.parse(JSON.stringify(data));
}

export function numberOrNull(value: number | null): number | null {
  return Number.isFinite(value) ? value : null;
}

export function finiteOrNull(values: Float64Array): (number | null)[] {
  return Array.from(values, numberOrNull);
}

/** Whether there is a matrix or a long list somewhere in the data. Lists hold things of one kind: the first tells. */
function isLong(data: unknown): data is object {
  if (typeof data !== 'object' || data === null) return false;
  if (data instanceof Rows) return true;
  return Array.isArray(data) ? data.length > PIECE || isLong(data[0]) : Object.values(data).some(isLong);
}
