import { largest } from '../../extremes.js';
import type { Job } from './schedule.js';
import type { Layout, Products } from './slice.js';

/**
 * What the inner products of a result may be off by at most, as binary logarithms: how much that is of the norms is known
 * once these are. Models by number.
 */
export class Bounds {
  readonly #layout: Layout;
  readonly #cells: readonly Float32Array[];
  readonly #own: Float32Array;
  /** Where a model stands first; −1 for nowhere. */
  readonly #rowOf: Int32Array;
  readonly #columnOf: Int32Array;

  constructor(layout: Layout) {
    const { rows, columns, count } = layout;
    this.#layout = layout;
    this.#cells = Array.from(rows, () => new Float32Array(columns.length).fill(Number.NEGATIVE_INFINITY));
    this.#own = new Float32Array(count).fill(Number.NEGATIVE_INFINITY);
    this.#rowOf = firstPlaces(rows, count);
    this.#columnOf = firstPlaces(columns, count);
  }

  /** Row `r` of a job. */
  putRow({ rows, columns, symmetric }: Job, r: number, [bound, exponents]: Products): void {
    const width = columns.length;
    for (let c = symmetric ? r : 0; c < width; c++) {
      const at = r * width + c;
      this.set(rows[r], columns[c], Math.log2(bound[at]) + (exponents === undefined ? 0 : exponents[at]));
    }
  }

  set(i: number, j: number, bound: number): void {
    if (i === j) {
      this.#own[i] = bound;
      return;
    }
    const upright = this.#rowOf[i] >= 0 && this.#columnOf[j] >= 0;
    const [row, column] = upright ? [i, j] : [j, i];
    this.#cells[this.#rowOf[row]][this.#columnOf[column]] = bound;
  }

  /** @param levels log₂ of the norms of all models. */
  largest(levels: Float64Array): number {
    const { rows, columns } = this.#layout;
    let most = largest(this.#own.map((bound, i) => bound - 2 * levels[i]));
    for (const [r, row] of this.#cells.entries()) {
      for (let c = 0; c < row.length; c++) most = Math.max(most, row[c] - levels[rows[r]] - levels[columns[c]]);
    }
    return most;
  }
}

function firstPlaces(numbers: Int32Array, count: number): Int32Array {
  const places = new Int32Array(count).fill(-1);
  for (const [place, number] of numbers.entries()) if (places[number] < 0) places[number] = place;
  return places;
}
