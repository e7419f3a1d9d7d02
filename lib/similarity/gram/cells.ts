import type { GramTile } from '../../backend/backend.js';
import type { Pacer } from '../../cooperate.js';
import { cosineByRoots } from '../derived.js';
import type { Matrix } from '../types.js';
import type { Job } from './schedule.js';

/** What the cells of a result stand for: rows and columns by the number of the model. */
export interface Layout {
  readonly rows: Int32Array;
  readonly columns: Int32Array;
  /** How many different models there are. */
  readonly count: number;
  /** Slices beside the whole; 0 for none. */
  readonly slices: number;
  /** Cells farther from the diagonal stay NaN; null: none. */
  readonly window: number | null;
}

/** One matrix of inner products, filled in any order. */
interface Slice {
  readonly gram: Float64Array[];
  /** ⟨a,a⟩ of every model by number. */
  readonly own: Float64Array;
}

/** The inner products of a result: the whole and its slices. What belongs to one pair of models may stand in several cells. */
export class Cells {
  readonly #layout: Layout;
  readonly #whole: Slice;
  readonly #slices: readonly Slice[];
  /** The rows and columns of the result that a model stands for. */
  readonly #rowsOf: readonly (readonly number[])[];
  readonly #columnsOf: readonly (readonly number[])[];
  /** Where every model stands, in a square result in which each stands once and all cells are wanted; null for others. */
  readonly #place: Int32Array | null;

  constructor(layout: Layout) {
    this.#layout = layout;
    this.#whole = emptySlice(layout);
    this.#slices = Array.from({ length: layout.slices }, () => emptySlice(layout));
    this.#rowsOf = placesOf(layout.rows, layout.count);
    this.#columnsOf = layout.rows === layout.columns ? this.#rowsOf : placesOf(layout.columns, layout.count);
    const plain = layout.rows === layout.columns && layout.window === null && layout.rows.length === layout.count;
    this.#place = plain ? Int32Array.from(this.#rowsOf, ([place]) => place) : null;
  }

  /** Puts the products of a job where they belong; ⟨b,a⟩ is ⟨a,b⟩. */
  async put(job: Job, { total, perOutput }: GramTile, pacer: Pacer): Promise<void> {
    const size = this.#slices.length;
    for (const r of job.rows.keys()) {
      this.#putRow(this.#whole, job, r, total, 1, 0);
      for (let s = 0; s < size; s++) this.#putRow(this.#slices[s], job, r, perOutput!, size, s);
      if (pacer.due(8 * (1 + size) * job.columns.length)) await pacer.pause();
    }
  }

  /** Row `r` of a job, whose products are every `step`th of `values` from `first` on. */
  #putRow(
    slice: Slice,
    { rows, columns, symmetric }: Job,
    r: number,
    values: Float64Array,
    step: number,
    first: number,
  ) {
    const width = columns.length;
    for (let c = symmetric ? r : 0; c < width; c++) {
      this.#set(slice, rows[r], columns[c], values[(r * width + c) * step + first]);
    }
  }

  /** Puts the products of models i and j, which stand at place `at` of a tile. */
  set(i: number, j: number, { total, perOutput }: GramTile, at: number): void {
    const size = this.#slices.length;
    this.#set(this.#whole, i, j, total[at]);
    for (let s = 0; s < size; s++) this.#set(this.#slices[s], i, j, perOutput![at * size + s]);
  }

  #set({ gram, own }: Slice, i: number, j: number, value: number): void {
    if (i === j) own[i] = value;
    if (this.#place !== null) {
      gram[this.#place[i]][this.#place[j]] = value;
      gram[this.#place[j]][this.#place[i]] = value;
      return;
    }
    for (const row of this.#rowsOf[i]) for (const column of this.#columnsOf[j]) this.#cell(gram, row, column, value);
    for (const row of this.#rowsOf[j]) for (const column of this.#columnsOf[i]) this.#cell(gram, row, column, value);
  }

  #cell(gram: Float64Array[], row: number, column: number, value: number): void {
    const { window } = this.#layout;
    if (window === null || Math.abs(row - column) <= window) gram[row][column] = value;
  }

  /** Inner products, (rows, columns). */
  get gram(): Matrix {
    return this.#whole.gram;
  }

  get sliceGrams(): Matrix[] {
    return this.#slices.map(({ gram }) => gram);
  }

  /** Norms of the models that rows, or columns, stand for. */
  norms(side: 'rows' | 'columns'): Float64Array {
    return Float64Array.from(this.#layout[side], (number) => Math.sqrt(this.#whole.own[number]));
  }

  /**
   * Slice `s` of a square array of numbers for all models by their places, (count, count, size), as (rows, columns); NaN beyond the window.
   */
  async spread(values: Float64Array, places: Int32Array, size: number, s: number, pacer: Pacer): Promise<Matrix> {
    const { rows, columns, count, window } = this.#layout;
    const matrix: Float64Array[] = [];
    for (const [r, i] of rows.entries()) {
      const within = (c: number) => window === null || Math.abs(r - c) <= window;
      const at = (j: number) => (places[i] * count + places[j]) * size + s;
      matrix.push(Float64Array.from(columns, (j, c) => (within(c) ? values[at(j)] : Number.NaN)));
      if (pacer.due(32 * columns.length)) await pacer.pause();
    }
    return matrix;
  }

  /** Similarities, (rows, columns). */
  cosines(pacer: Pacer): Promise<Matrix> {
    return this.#cosinesOf(this.#whole, pacer);
  }

  async sliceCosines(pacer: Pacer): Promise<Matrix[]> {
    const matrices: Matrix[] = [];
    for (const slice of this.#slices) matrices.push(await this.#cosinesOf(slice, pacer));
    return matrices;
  }

  async #cosinesOf({ gram, own }: Slice, pacer: Pacer): Promise<Matrix> {
    const { rows, columns } = this.#layout;
    const roots = own.map(Math.sqrt);
    const matrix: Float64Array[] = [];
    for (const [r, products] of gram.entries()) {
      const i = rows[r];
      const row = new Float64Array(columns.length);
      for (let c = 0; c < row.length; c++) {
        const j = columns[c];
        row[c] = cosineByRoots(products[c], own[i], own[j], roots[i], roots[j]);
      }
      matrix.push(row);
      if (pacer.due(16 * row.length)) await pacer.pause();
    }
    return matrix;
  }
}

function emptySlice({ rows, columns, count, window }: Layout): Slice {
  const gram = Array.from(rows, () => {
    const row = new Float64Array(columns.length);
    return window === null ? row : row.fill(Number.NaN);
  });
  return { gram, own: new Float64Array(count) };
}

function placesOf(numbers: Int32Array, count: number): number[][] {
  const places: number[][] = Array.from({ length: count }, () => []);
  for (const [place, number] of numbers.entries()) places[number].push(place);
  return places;
}
