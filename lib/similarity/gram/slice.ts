import type { Pacer } from '../../cooperate.js';
import { timesPower } from '../../tensor/power.js';
import type { Matrix } from '../terms/types.js';
import { cosineByRoots } from './derived.js';
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

/**
 * One matrix of inner products, filled in any order. What is out of the range of numbers has an exponent beside its
 * value.
 */
export interface Slice {
  readonly gram: Float64Array[];
  /** By row of the result; made where one is needed. */
  readonly exponents: (Int32Array | undefined)[];
  /** ⟨a,a⟩ of every model by number. */
  readonly own: Float64Array;
  readonly ownExponents: Int32Array;
}

export function emptySlice({ rows, columns, count, window }: Layout): Slice {
  const gram = Array.from(rows, () => {
    const row = new Float64Array(columns.length);
    return window === null ? row : row.fill(Number.NaN);
  });
  return { gram, exponents: [], own: new Float64Array(count), ownExponents: new Int32Array(count) };
}

/** Products, and the powers of two beside them. */
export type Products = readonly [values: Float64Array, exponents: Int32Array | undefined];

/**
 * Puts row `r` of a job, every `step`th of `values` from `first` on, and what mirrors it, where every model has one
 * place and no product has a power of two beside it, as in nearly all matrices.
 */
export function putPlainRow(
  { gram, own, ownExponents }: Slice,
  place: Int32Array,
  { rows, columns, symmetric }: Job,
  r: number,
  values: Float64Array,
  step: number,
  first: number,
): void {
  const i = rows[r];
  const at = place[i];
  const row = gram[at];
  const from = symmetric ? r : 0;
  for (let c = from, cell = (r * columns.length + from) * step + first; c < columns.length; c++, cell += step) {
    const j = columns[c];
    const value = values[cell];
    row[place[j]] = value;
    gram[place[j]][at] = value;
    if (i !== j) continue;
    own[i] = value;
    ownExponents[i] = 0;
  }
}

/** Inner products as numbers: ∞, or less than a normal number, where they are out of range. */
export function numbersOf({ gram, exponents }: Slice): Matrix {
  return gram.map((row, r) => {
    const own = exponents[r];
    return own === undefined ? row : row.map((value, c) => timesPower(value, own[c]));
  });
}

/** The similarities of a slice, (rows, columns). */
export async function cosinesOf(slice: Slice, { rows, columns }: Layout, pacer: Pacer): Promise<Matrix> {
  const roots = slice.own.map(Math.sqrt);
  const matrix: Float64Array[] = [];
  const plain = slice.exponents.length === 0 && slice.ownExponents.every((exponent) => exponent === 0);
  const square = rows === columns;
  for (let r = 0; r < rows.length; r++) {
    const row = new Float64Array(columns.length);
    // A square matrix is symmetric to the bit, and so are its similarities.
    const first = square ? r : 0;
    for (let c = 0; c < first; c++) row[c] = matrix[c][r];
    if (plain) putPlainCosines(row, first, slice, r, rows[r], columns, roots);
    else
      for (let c = first; c < row.length; c++)
        row[c] = cosineAt(slice, r, c, rows[r], columns[c], roots[rows[r]], roots[columns[c]]);
    matrix.push(row);
    if (pacer.due(16 * row.length)) await pacer.pause();
  }
  return matrix;
}

/** A function by itself, for V8 compiles the loop that nearly all matrices take sooner without what is around it. */
function putPlainCosines(
  row: Float64Array,
  first: number,
  { gram, own }: Slice,
  r: number,
  i: number,
  columns: Int32Array,
  roots: Float64Array,
): void {
  const products = gram[r];
  const [square, root] = [own[i], roots[i]];
  for (let c = first; c < row.length; c++) {
    const j = columns[c];
    row[c] = cosineByRoots(products[c], square, own[j], root, roots[j]);
  }
}

/** The similarity in a cell, which is of models i and j, from the roots of their own products. */
export function cosineAt(
  { gram, exponents, own, ownExponents }: Slice,
  row: number,
  column: number,
  i: number,
  j: number,
  rootI: number,
  rootJ: number,
): number {
  const exponent = (exponents[row]?.[column] ?? 0) - (ownExponents[i] + ownExponents[j]) / 2;
  const product = exponent === 0 ? gram[row][column] : timesPower(gram[row][column], exponent);
  return cosineByRoots(product, own[i], own[j], rootI, rootJ);
}

/** Where every model stands, by number, in the rows or columns of a result. */
export function placesOf(numbers: Int32Array, count: number): number[][] {
  const places: number[][] = Array.from({ length: count }, () => []);
  for (const [place, number] of numbers.entries()) places[number].push(place);
  return places;
}
