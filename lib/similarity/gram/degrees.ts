import type { GramTile } from '../../backend/grams.js';
import type { Pacer } from '../../cooperate.js';
import { timesPower } from '../../tensor/power.js';
import { EPSILON, type Precision } from '../../tensor/tensor.js';
import type { ScaledTile } from '../scale/model_scale.js';
import { DEGREE_NAMES, type Degrees, type DegreesMatrix } from '../terms/degrees.js';
import { cosine } from './derived.js';
import { type Layout, numbersOf, type Slice } from './slice.js';

const SIZE = DEGREE_NAMES.length;

/** A part whose square is below so many ε of that of the whole may be rounding: its direction would mean nothing. */
const ROUNDING = 64;

const isThere = (part: number, whole: number, precision: Precision) => part > ROUNDING * EPSILON[precision] * whole;

/** The similarity of parts of two models of squared norms a and b; NaN where one of the parts is not there. */
function partCosine(ab: number, aa: number, bb: number, a: number, b: number, precision: Precision): number {
  return isThere(aa, a, precision) && isThere(bb, b, precision) ? cosine(ab, aa, bb) : Number.NaN;
}

const share = (part: number, whole: number) => Math.max(0, part) / whole;
const orNull = (value: number) => (Number.isNaN(value) ? null : value);

/**
 * Two models compared by degree, from their (2, 2) tile; undefined where that does not tell.
 * @param exponents of its cells.
 */
export function pairDegrees(
  { perDegree }: Pick<GramTile, 'perDegree'>,
  exponents: Int32Array | undefined,
  precision: Precision,
): Degrees | undefined {
  if (perDegree === undefined) return undefined;
  const [aa, ab, , bb] = Array.from({ length: 4 }, (_, cell) => perDegree.subarray(cell * SIZE, (cell + 1) * SIZE));
  const [a, b] = [sum(aa, 0), sum(bb, 0)];
  return {
    parts: DEGREE_NAMES.map((name, n) => ({
      name,
      similarity: orNull(partCosine(ab[n], aa[n], bb[n], a, b, precision)),
      innerProduct: timesPower(ab[n], exponents?.[1] ?? 0),
      shareA: share(aa[n], a),
      shareB: share(bb[n], b),
    })),
    centred: orNull(partCosine(sum(ab, 1), sum(aa, 1), sum(bb, 1), a, b, precision)),
  };
}

/** The sum of all degrees from one on. */
function sum(parts: Float64Array, from: number): number {
  return parts.subarray(from).reduce((total, part) => total + part, 0);
}

/** How many slices there are beside the whole: outputs, and behind them degrees. */
export function slicesIn(names: readonly string[], perOutput: boolean, degrees: boolean | undefined): number {
  return (perOutput ? names.length : 0) + (degrees === true ? SIZE : 0);
}

/** What degrees contribute as further slices, behind those of the outputs. */
export function withDegrees<Tile extends GramTile | ScaledTile>(tile: Tile): Tile {
  const { total, perOutput, perDegree } = tile;
  if (perDegree === undefined) return tile;
  const outputs = perOutput === undefined ? 0 : perOutput.length / total.length;
  const size = outputs + SIZE;
  const slices = new Float64Array(total.length * size);
  const { exponents, sliceExponents }: Partial<ScaledTile> = tile;
  const powers = exponents && new Int32Array(slices.length);
  for (let cell = 0; cell < total.length; cell++) {
    const [start, own] = [cell * outputs, cell * size];
    if (perOutput) slices.set(perOutput.subarray(start, start + outputs), own);
    slices.set(perDegree.subarray(cell * SIZE, (cell + 1) * SIZE), own + outputs);
    if (sliceExponents) powers!.set(sliceExponents.subarray(start, start + outputs), own);
    powers?.fill(exponents![cell], own + outputs, own + size);
  }
  return { ...tile, perOutput: slices, ...(powers && { sliceExponents: powers }), perDegree: undefined };
}

/**
 * The same of a matrix.
 * @param slices of the degrees, in their order.
 */
export async function matrixDegrees(
  slices: readonly Slice[],
  whole: Slice,
  { rows, columns, window }: Layout,
  precision: Precision,
  pacer: Pacer,
): Promise<DegreesMatrix> {
  // Everything in the units of the norms of the whole.
  const own = slices.map(({ own, ownExponents }) =>
    own.map((value, i) => timesPower(value, ownExponents[i] - whole.ownExponents[i])),
  );
  const productAt = ({ gram, exponents }: Slice, r: number, c: number) => {
    const unit = (whole.ownExponents[rows[r]] + whole.ownExponents[columns[c]]) / 2;
    return timesPower(gram[r][c], (exponents[r]?.[c] ?? 0) - unit);
  };
  const cosines: Float64Array[][] = slices.map(() => []);
  const centred: Float64Array[] = [];
  const rest = whole.own.map((_, i) => own[1][i] + own[2][i] + own[3][i]);
  for (const [r, i] of rows.entries()) {
    const lines = [...slices, null].map(() => new Float64Array(columns.length).fill(Number.NaN));
    for (const [c, j] of columns.entries()) {
      if (window !== null && Math.abs(r - c) > window) continue;
      const [a, b] = [whole.own[i], whole.own[j]];
      const products = slices.map((slice) => productAt(slice, r, c));
      for (const [n, product] of products.entries())
        lines[n][c] = partCosine(product, own[n][i], own[n][j], a, b, precision);
      lines[SIZE][c] = partCosine(products[1] + products[2] + products[3], rest[i], rest[j], a, b, precision);
    }
    for (const n of slices.keys()) cosines[n].push(lines[n]);
    centred.push(lines[SIZE]);
    if (pacer.due(64 * columns.length)) await pacer.pause();
  }
  const sharesOf = (models: Int32Array) =>
    own.map((parts) => Float64Array.from(models, (i) => share(parts[i], whole.own[i])));
  return {
    names: DEGREE_NAMES,
    gram: slices.map(numbersOf),
    cosine: cosines,
    centred,
    rowShares: sharesOf(rows),
    columnShares: sharesOf(columns),
  };
}
