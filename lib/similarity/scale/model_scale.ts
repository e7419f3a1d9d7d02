import type { GramTile } from '../../backend/grams.js';
import { isInRange, levelOf, timesPower } from '../../tensor/power.js';

/**
 * The units in which a backend has a model: its slice s is 2^slices_s times that of the backend, and the whole
 * 2^exponent times it.
 */
export interface ModelScale {
  readonly exponent: number;
  /** Where slices have units of their own; null: all have that of the whole. */
  readonly slices: Int32Array | null;
  /**
   * log₂ of the norm that the model would have, in its units, if nothing in it cancelled; null where that is not known.
   * A norm far below is what rounding left of a function that is zero.
   */
  readonly level: number | null;
  /** The same of every slice, in units of its own. */
  readonly sliceLevels: Float64Array | null;
}

/** Of what a backend has as it is. */
export const PLAIN: ModelScale = { exponent: 0, slices: null, level: null, sliceLevels: null };

/** Norms below this many ε of the terms that they are made of are rounding. */
const ROUNDING = 32;

/** Whether ⟨f,f⟩ is no more than rounding leaves of zero. */
export function isRounding(square: number, level: number | null, epsilon: number): boolean {
  if (level === null || !Number.isFinite(level) || Number.isNaN(square)) return false;
  return square <= 0 || levelOf(square) < level + Math.log2(ROUNDING * epsilon);
}

/**
 * Sets ⟨f_c, f_c⟩ to zero for slices that are zero but for rounding: their similarity is undefined, and not that of
 * noise.
 * @param at where the products of the slices of f with themselves begin.
 */
export function clearRounding(perOutput: Float64Array, at: number, { sliceLevels }: ModelScale, epsilon: number): void {
  for (const [c, level] of sliceLevels?.entries() ?? []) {
    if (isRounding(perOutput[at + c], level, epsilon)) perOutput[at + c] = 0;
  }
}

/** Inner products with an exponent each: the value of cell i is values_i · 2^exponents_i. */
export interface ScaledTile extends GramTile {
  /** Of every cell of the whole. */
  readonly exponents: Int32Array;
  /** (cells, slices) */
  readonly sliceExponents: Int32Array | undefined;
}

const isPlain = ({ exponent, slices }: ModelScale) => exponent === 0 && slices === null;

/**
 * A tile of models in the units of a backend, with exponents; null where they are all zero. What bounds the sum of slices
 * in units of their own bounds it in the largest of these; what degrees contribute to such a sum is not known.
 */
export function inUnits(
  { total, perOutput, perDegree, bound }: GramTile,
  rows: readonly ModelScale[],
  columns: readonly ModelScale[],
): ScaledTile | null {
  if (rows.every(isPlain) && columns.every(isPlain)) return null;
  const width = columns.length;
  const slices = perOutput === undefined ? 0 : perOutput.length / total.length;
  const exponents = new Int32Array(total.length);
  const sliceExponents = perOutput && new Int32Array(perOutput.length);
  const totals = Float64Array.from(total);
  for (const [r, row] of rows.entries()) {
    for (const [c, column] of columns.entries()) {
      const cell = r * width + c;
      exponents[cell] = row.exponent + column.exponent;
      for (let s = 0; s < slices; s++) {
        sliceExponents![cell * slices + s] =
          (row.slices?.[s] ?? row.exponent) + (column.slices?.[s] ?? column.exponent);
      }
      // Slices in different units were added up as if they were alike.
      if (perOutput === undefined || (row.slices === null && column.slices === null)) continue;
      totals[cell] = 0;
      for (let s = cell * slices; s < (cell + 1) * slices; s++) {
        totals[cell] += timesPower(perOutput[s], sliceExponents![s] - exponents[cell]);
      }
    }
  }
  const together = [...rows, ...columns].every(({ slices }) => slices === null);
  return {
    ...{ total: totals, exponents, sliceExponents },
    ...(perOutput && { perOutput }),
    ...(perDegree && together && { perDegree }),
    ...(bound && { bound }),
  };
}

/** A tile as numbers: ∞, or less than a normal number, where they are out of range. */
export function numbersOfTile(tile: GramTile | ScaledTile): GramTile {
  if (!('exponents' in tile)) return tile;
  const { total, exponents, perOutput, sliceExponents, bound } = tile;
  return {
    total: valuesOf(total, exponents),
    ...(perOutput && { perOutput: valuesOf(perOutput, sliceExponents!) }),
    ...(bound && { bound: valuesOf(bound, exponents) }),
  };
}

/** The same where all numbers are normal; else null. */
export function asNumbers(tile: GramTile | ScaledTile): GramTile | null {
  if (!('exponents' in tile)) return tile;
  const { total, exponents, perOutput, sliceExponents } = tile;
  const all = (values: Float64Array, powers: Int32Array) => values.every((value, i) => isInRange(value, powers[i]));
  const inRange = all(total, exponents) && (perOutput === undefined || all(perOutput, sliceExponents!));
  return inRange ? numbersOfTile(tile) : null;
}

function valuesOf(values: Float64Array, exponents: Int32Array): Float64Array {
  return values.map((value, i) => timesPower(value, exponents[i]));
}
