import type { GramTile } from '../../backend/grams.js';
import type { Pacer } from '../../cooperate.js';
import { isInRange, levelOf, timesPower } from '../../tensor/power.js';
import type { DType, Precision } from '../../tensor/tensor.js';
import type { ScaledTile } from '../scale/model_scale.js';
import type { DegreesMatrix } from '../terms/degrees.js';
import type { LiveMatrix, Matrix, ModelPlaces, ScaledNumber } from '../terms/types.js';
import { Bounds } from './bounds.js';
import { certified } from './certified.js';
import { matrixDegrees } from './degrees.js';
import type { GramEntry } from './derived.js';
import { KnownPairs } from './known.js';
import { type Job, jobPairs } from './schedule.js';
import {
  cosineAt,
  cosinesOf,
  emptySlice,
  type Layout,
  numbersOf,
  type Products,
  placesOf,
  putPlainRow,
  type Slice,
} from './slice.js';

/** What has just been put into the cells. */
export interface Change {
  /** Models by number; none where there was nothing to compute. */
  readonly job: Job;
  readonly tile: GramTile | ScaledTile;
  /** Whether nothing is left to come. */
  readonly last: boolean;
}

/**
 * The inner products of a result: the whole and its slices. What belongs to one pair of models may stand in several
 * cells. It can be read while it is filled (see `LiveMatrix`), and tells who subscribes of every tile that it gets.
 */
export class Cells implements LiveMatrix {
  readonly #layout: Layout;
  readonly #pairs: KnownPairs;
  readonly #listeners = new Set<(change: Change) => void>();
  #wanted = 0;
  #left = 0;
  readonly #whole: Slice;
  readonly #slices: readonly Slice[];
  #bounds: Bounds | null = null;
  /** The rows and columns of the result that a model stands for. */
  readonly #rowsOf: readonly (readonly number[])[];
  readonly #columnsOf: readonly (readonly number[])[];
  /**
   * Where every model stands, in a square result in which each stands once and all cells are wanted; null for others.
   */
  readonly #place: Int32Array | null;

  constructor(layout: Layout) {
    this.#layout = layout;
    this.#pairs = new KnownPairs(layout.count);
    this.#whole = emptySlice(layout);
    this.#slices = Array.from({ length: layout.slices }, () => emptySlice(layout));
    this.#rowsOf = placesOf(layout.rows, layout.count);
    this.#columnsOf = layout.rows === layout.columns ? this.#rowsOf : placesOf(layout.columns, layout.count);
    const plain = layout.rows === layout.columns && layout.window === null && layout.rows.length === layout.count;
    this.#place = plain ? Int32Array.from(this.#rowsOf, ([place]) => place) : null;
  }

  /** How many products there are to be, and how many of these are to come. Said before the first tile is put. */
  expect(wanted: number, left: number): void {
    this.#wanted = wanted;
    this.#left = left;
  }

  /**
   * Calls back with every tile from now on, once it is in place; what a listener throws comes out of `put`.
   * @returns what ends it.
   */
  subscribe(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Puts the products of a job where they belong; ⟨b,a⟩ is ⟨a,b⟩. */
  async put(job: Job, tile: GramTile | ScaledTile, pacer: Pacer): Promise<void> {
    const { total, perOutput } = tile;
    const { exponents, sliceExponents } = 'exponents' in tile ? tile : NO_EXPONENTS;
    const size = this.#slices.length;
    const whole: Products = [total, exponents];
    const parts: Products = [perOutput!, sliceExponents];
    for (const r of job.rows.keys()) {
      if (tile.bound !== undefined) {
        this.#bounds ??= new Bounds(this.#layout);
        this.#bounds.putRow(job, r, [tile.bound, exponents]);
      }
      this.#putRow(this.#whole, job, r, whole, 1, 0);
      for (let s = 0; s < size; s++) this.#putRow(this.#slices[s], job, r, parts, size, s);
      this.#pairs.addAll(job.rows[r], job.columns, job.symmetric ? r : 0);
      if (pacer.due(8 * (1 + size) * job.columns.length)) await pacer.pause();
    }
    this.#left = Math.max(0, this.#left - jobPairs(job));
    for (const listener of this.#listeners) listener({ job, tile, last: this.#left === 0 });
  }

  /** Row `r` of a job, whose products are every `step`th of `values` from `first` on. */
  #putRow(slice: Slice, job: Job, r: number, [values, exponents]: Products, step: number, first: number): void {
    if (this.#place !== null && exponents === undefined && slice.exponents.length === 0) {
      putPlainRow(slice, this.#place, job, r, values, step, first);
      return;
    }
    const { rows, columns, symmetric } = job;
    const width = columns.length;
    for (let c = symmetric ? r : 0; c < width; c++) {
      const at = (r * width + c) * step + first;
      this.#set(slice, rows[r], columns[c], values[at], exponents === undefined ? 0 : exponents[at]);
    }
  }

  /** Puts the products of models i and j, which stand at place `at` of a tile. */
  set(i: number, j: number, tile: GramTile | ScaledTile, at: number): void {
    const { total, perOutput, bound } = tile;
    const { exponents, sliceExponents } = 'exponents' in tile ? tile : NO_EXPONENTS;
    const [size, exponent] = [this.#slices.length, exponents?.[at] ?? 0];
    this.#set(this.#whole, i, j, total[at], exponent);
    if (bound !== undefined) {
      this.#bounds ??= new Bounds(this.#layout);
      this.#bounds.set(i, j, Math.log2(bound[at]) + exponent);
    }
    for (let s = 0, cell = at * size; s < size; s++, cell++)
      this.#set(this.#slices[s], i, j, perOutput![cell], sliceExponents?.[cell] ?? 0);
    this.#pairs.add(i, j);
  }

  /** Puts mantissa · 2^exponent. */
  #set(slice: Slice, i: number, j: number, mantissa: number, exponent: number): void {
    const inRange = exponent !== 0 && isInRange(mantissa, exponent);
    const value = inRange ? timesPower(mantissa, exponent) : mantissa;
    const left = inRange ? 0 : exponent;
    if (i === j) {
      slice.own[i] = value;
      slice.ownExponents[i] = left;
    }
    if (this.#place !== null) {
      this.#cell(slice, this.#place[i], this.#place[j], value, left);
      this.#cell(slice, this.#place[j], this.#place[i], value, left);
      return;
    }
    for (const row of this.#rowsOf[i])
      for (const column of this.#columnsOf[j]) this.#cell(slice, row, column, value, left);
    for (const row of this.#rowsOf[j])
      for (const column of this.#columnsOf[i]) this.#cell(slice, row, column, value, left);
  }

  #cell({ gram, exponents }: Slice, row: number, column: number, value: number, exponent: number): void {
    const { window, columns } = this.#layout;
    if (window !== null && Math.abs(row - column) > window) return;
    gram[row][column] = value;
    if (exponent === 0 && exponents[row] === undefined) return;
    exponents[row] ??= new Int32Array(columns.length);
    exponents[row][column] = exponent;
  }

  /** Whether the product of models i and j is there. */
  knows(i: number, j: number): boolean {
    return this.#pairs.has(i, j);
  }

  /** Whether no product is there. */
  get isEmpty(): boolean {
    return this.#pairs.isEmpty;
  }

  get rows(): number {
    return this.#layout.rows.length;
  }

  get columns(): number {
    return this.#layout.columns.length;
  }

  get slices(): number {
    return this.#slices.length;
  }

  get wanted(): number {
    return this.#wanted;
  }

  get known(): number {
    return this.#wanted - this.#left;
  }

  isKnown(row: number, column: number): boolean {
    const { rows, columns, window } = this.#layout;
    return (window === null || Math.abs(row - column) <= window) && this.knows(rows[row], columns[column]);
  }

  product(row: number, column: number, slice?: number): ScaledNumber | undefined {
    if (!this.isKnown(row, column)) return undefined;
    const { gram, exponents } = this.#slice(slice);
    return { value: gram[row][column], exponent: exponents[row]?.[column] ?? 0 };
  }

  cosine(row: number, column: number, slice?: number): number | undefined {
    const [i, j] = [this.#layout.rows[row], this.#layout.columns[column]];
    if (!(this.isKnown(row, column) && this.knows(i, i) && this.knows(j, j))) return undefined;
    const of = this.#slice(slice);
    return cosineAt(of, row, column, i, j, Math.sqrt(of.own[i]), Math.sqrt(of.own[j]));
  }

  #slice(number: number | undefined): Slice {
    return number === undefined ? this.#whole : this.#slices[number];
  }

  /** Where the model of a number stands. */
  placesOf(number: number): ModelPlaces {
    return { rows: this.#rowsOf[number], columns: this.#columnsOf[number] };
  }

  /**
   * The largest proven bound on the error of a product, relative to the norms; nothing where products have none.
   * @throws TensimError `PRECISION` as the function of this name.
   */
  certified(dtype: DType): { certified?: number } {
    if (this.#bounds === null) return {};
    const { own, ownExponents } = this.#whole;
    const levels = own.map((square, i) => levelOf(square) + ownExponents[i] / 2);
    return { certified: certified(2 ** this.#bounds.largest(levels), dtype) };
  }

  /** Inner products, (rows, columns). */
  get gram(): Matrix {
    return numbersOf(this.#whole);
  }

  /** Of the first so many slices, which are outputs. */
  sliceGrams(outputs: number): Matrix[] {
    return this.#slices.slice(0, outputs).map(numbersOf);
  }

  /** What the slices behind the outputs tell, which are degrees. */
  degrees(outputs: number, precision: Precision, pacer: Pacer): Promise<DegreesMatrix> {
    return matrixDegrees(this.#slices.slice(outputs), this.#whole, this.#layout, precision, pacer);
  }

  /** The inner products of the models of a row and of a column, in their units. */
  entry(row: number, column: number): GramEntry {
    const { gram, exponents, own, ownExponents } = this.#whole;
    const [i, j] = [this.#layout.rows[row], this.#layout.columns[column]];
    const [u, v] = [ownExponents[i] / 2, ownExponents[j] / 2];
    const ab = timesPower(gram[row][column], (exponents[row]?.[column] ?? 0) - u - v);
    return { aa: own[i], ab, bb: own[j], u, v };
  }

  /** Norms of the models that rows, or columns, stand for. */
  norms(side: 'rows' | 'columns'): Float64Array {
    const { own, ownExponents } = this.#whole;
    return Float64Array.from(this.#layout[side], (i) => timesPower(Math.sqrt(own[i]), ownExponents[i] / 2));
  }

  /** log₂ of norms, −∞ for zero, where an inner product of the whole is out of range; else none. */
  beyondRange<Name extends string>(
    sides: Readonly<Record<Name, 'rows' | 'columns'>>,
  ): { beyondRange?: Record<Name, Float64Array> } {
    const { exponents, own, ownExponents } = this.#whole;
    if (exponents.every((row) => row === undefined || row.every((exponent) => exponent === 0))) return {};
    const levels = (side: 'rows' | 'columns') =>
      Float64Array.from(this.#layout[side], (i) => levelOf(own[i]) + ownExponents[i] / 2);
    const entries = Object.entries(sides).map(([name, side]) => [name, levels(side as 'rows' | 'columns')]);
    return { beyondRange: Object.fromEntries(entries) };
  }

  /**
   * Slice `s` of a square array of numbers for all models, (count, count, size), as (rows, columns); NaN beyond the
   * window.
   */
  async spread(values: Float64Array, size: number, s: number, pacer: Pacer): Promise<Matrix> {
    const { rows, columns, count, window } = this.#layout;
    const matrix: Float64Array[] = [];
    for (const [r, i] of rows.entries()) {
      const within = (c: number) => window === null || Math.abs(r - c) <= window;
      matrix.push(Float64Array.from(columns, (j, c) => (within(c) ? values[(i * count + j) * size + s] : Number.NaN)));
      if (pacer.due(32 * columns.length)) await pacer.pause();
    }
    return matrix;
  }

  /** Similarities, (rows, columns). */
  cosines(pacer: Pacer): Promise<Matrix> {
    return cosinesOf(this.#whole, this.#layout, pacer);
  }

  async sliceCosines(outputs: number, pacer: Pacer): Promise<Matrix[]> {
    const matrices: Matrix[] = [];
    for (const slice of this.#slices.slice(0, outputs)) matrices.push(await cosinesOf(slice, this.#layout, pacer));
    return matrices;
  }
}

const NO_EXPONENTS = { exponents: undefined, sliceExponents: undefined };
