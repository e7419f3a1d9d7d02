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

/**
 * The text of `jsonText(data)` in pieces of one row of a matrix each: two thousand models make text too long to
 * build at once without stopping everything else.
 */
export function* jsonPieces(data: unknown): Generator<string> {
  if (data instanceof Rows) yield* data.pieces();
  else if (!holdsRows(data)) yield jsonText(data);
  else if (Array.isArray(data)) {
    for (const [i, value] of data.entries()) {
      yield i === 0 ? '[' : ',';
      yield* jsonPieces(value);
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

/** Whether there is a matrix somewhere in the data. Lists hold things of one kind, so that the first tells. */
function holdsRows(data: unknown): data is object {
  if (typeof data !== 'object' || data === null) return false;
  if (data instanceof Rows) return true;
  return Array.isArray(data) ? holdsRows(data[0]) : Object.values(data).some(holdsRows);
}
