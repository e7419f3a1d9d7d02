import { type Grid, gridOf, nearest } from './grid.js';
import type { Quantised } from './quantised.js';
import { Sweep } from './sweep.js';

/** Blocks of more values are searched by a part of them. */
const SWEPT = 512;
/** Values of a larger block that its scale is found by. */
const SAMPLED = 2048;
/** Where the first level of an offset format may lie, in steps from the smallest value up, before that is refined. */
const BEGINS = [-0.25, 0.25, 0.75];
/** How often the best of a line is taken for the next one, at most. */
const REFINED = 4;
/** Levels that the largest value is put at from the last one down, where those are many. */
const REACH = 8;
/** Scales that are tried of large blocks, from 2 times the one that reaches the largest value down to a 16th of it. */
const TRIED = 60;
/** How much of the range of a large block's values is left out at either end, where blocks have an offset. */
const LEFT_OUT = [0, 0.025, 0.05, 0.075, 0.1, 0.125, 0.15, 0.2, 0.3];

/**
 * The least sum of squared errors that was found for one block of values in a quantised format: each value is put at
 * the nearest of the format's levels, times a scale, plus an offset where blocks have one. Scales are powers of two where
 * they have to be; else they and offsets are any numbers here, as if they took no bits. Where parts of a block have
 * factors of their own, as in K-quants, these are free too, each with its offset. So it is less than any file reaches,
 * by little where its scales are rounded well.
 *
 * Of blocks up to 512 values without an offset, of up to 16 levels on a side, it is the least there is; else it is what
 * a search finds, mostly within a hundredth of that.
 * @param values of one block, or of what there is of one at the edge of a matrix, row-major
 * @returns 0 for none; NaN where one is not finite
 */
export function bestError(
  values: Float64Array,
  { levels, offset, powers = false, inner = values.length }: Pick<Quantised, 'levels' | 'offset' | 'powers' | 'inner'>,
): number {
  const grid = gridOf(levels, offset);
  if (values.length <= inner) return bestOf(values, grid, powers);
  let sum = 0;
  for (let from = 0; from < values.length; from += inner)
    sum += bestOf(values.subarray(from, from + inner), grid, powers);
  return sum;
}

function bestOf(values: Float64Array, grid: Grid, powers: boolean): number {
  const range = rangeOf(values);
  if (Number.isNaN(range.low)) return NaN;
  if (grid.offset ? range.low === range.high : range.low === 0 && range.high === 0) return 0;
  if (powers) return byPowers(values, grid, range);
  if (values.length > SWEPT) return grid.offset ? manyWithOffset(values, grid, range) : many(values, grid, range);
  return grid.offset ? fewWithOffset(values, grid, range) : few(values, grid, range);
}

interface Range {
  readonly low: number;
  readonly high: number;
}

/** The smallest and the largest, 0 and 0 of none, NaN where one is not finite. */
function rangeOf(values: Float64Array): Range {
  if (values.length === 0) return { low: 0, high: 0 };
  let [low, high] = [values[0], values[0]];
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (!Number.isFinite(value)) return { low: NaN, high: NaN };
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return { low, high };
}

/** The factor by which no value goes beyond the last level of its side, and one does not fall short of it. */
function reaching({ levels }: Grid, { low, high }: Range): number {
  const [first, last] = [levels[0], levels[levels.length - 1]];
  const factor = Math.min(high > 0 && last > 0 ? last / high : Infinity, low < 0 && first < 0 ? first / low : Infinity);
  return Number.isFinite(factor) ? factor : 0;
}

/**
 * By how much values can be beyond the last level where all errors together have to be less than this.
 */
function beyond({ levels }: Grid, { low, high }: Range, error: number): number {
  const [first, last] = [levels[0], levels[levels.length - 1]];
  const most = Math.sqrt(error);
  return Math.min(
    high > most && last > 0 ? last / (high - most) : Infinity,
    -low > most && first < 0 ? -first / (-low - most) : Infinity,
  );
}

const sweep = new Sweep();

/** Of levels at equal distances no factor below half of the one that reaches the last is better than twice of it. */
function lowest({ levels, step }: Grid): number {
  if (step === 0) return 0.5;
  return Math.max(0.5, 1 - (REACH * step) / Math.max(levels[levels.length - 1], -levels[0]));
}

/** Powers of two above and below the scale by which the largest value reaches the last level. */
const POWERS = [-3, -2, -1, 0, 1];

function byPowers(values: Float64Array, grid: Grid, range: Range): number {
  const { levels } = grid;
  const reached = Math.ceil(-Math.log2(reaching(grid, range)));
  let least = Infinity;
  for (const power of POWERS) {
    const scale = 2 ** (reached + power);
    let error = 0;
    for (let i = 0; i < values.length; i++)
      error += (values[i] - scale * levels[nearest(grid, values[i] / scale)]) ** 2;
    least = Math.min(least, error);
  }
  return least;
}

/** Every scale is tried. */
function few(values: Float64Array, grid: Grid, range: Range): number {
  let least = Infinity;
  for (const sign of grid.symmetric ? ([1] as const) : ([1, -1] as const)) {
    const turned = sign === 1 ? range : { low: -range.high, high: -range.low };
    const factor = reaching(grid, turned);
    if (factor === 0) continue;
    least = Math.min(least, fitted(values, grid, sign * factor, 0));
    const to = Math.min(16 * factor, beyond(grid, turned, least));
    const line = { begin: 0, sign, from: lowest(grid) * factor, to: Math.max(1.0001 * factor, to) };
    least = Math.min(least, fitted(values, grid, sign * sweep.best(values, grid, line), 0));
  }
  return least === Infinity ? sumOfSquares(values) : least;
}

/** Every scale is tried with some offsets, and the best of them with what regression says. */
function fewWithOffset(values: Float64Array, grid: Grid, { low, high }: Range): number {
  const last = grid.levels[grid.levels.length - 1];
  const step = (high - low) / (grid.levels.length - 1);
  let [least, offset] = [Infinity, low];
  const tryFrom = (begin: number) => {
    const factor = last / (high - begin);
    const to = Math.min(4 * factor, beyond(grid, { low: 0, high: high - begin }, least));
    const line = { begin, sign: 1 as const, from: lowest(grid) * factor, to: Math.max(1.0001 * factor, to) };
    const error = fitted(values, grid, sweep.best(values, grid, line), begin);
    if (error >= least) return false;
    [least, offset] = [error, found[0]];
    return true;
  };
  least = fitted(values, grid, last / (high - low), low);
  offset = found[0];
  for (const steps of BEGINS) tryFrom(low + steps * step);
  for (let time = 0; time < REFINED; time++) if (!tryFrom(offset)) break;
  return least;
}

/** Some of the values of a large block. */
function sampleOf(values: Float64Array): Float64Array {
  // Odd, so that it is not always the same columns.
  const stride = Math.ceil(values.length / SAMPLED) | 1;
  return Float64Array.from({ length: Math.ceil(values.length / stride) }, (_, i) => values[i * stride]);
}

function many(values: Float64Array, grid: Grid, range: Range): number {
  const sample = sampleOf(values);
  let [least, best] = [Infinity, 0];
  for (const sign of grid.symmetric ? [1] : [1, -1]) {
    const factor = reaching(grid, sign === 1 ? range : { low: -range.high, high: -range.low });
    if (factor === 0) continue;
    for (let time = 0; time < TRIED; time++) {
      const tried = sign * factor * 2 ** ((5 * time) / (TRIED - 1) - 1);
      const error = fitted(sample, grid, tried, 0, 1);
      if (error < least) [least, best] = [error, tried];
    }
  }
  return least === Infinity ? sumOfSquares(values) : fitted(values, grid, best, 0);
}

function manyWithOffset(values: Float64Array, grid: Grid, { low, high }: Range): number {
  const sample = sampleOf(values);
  const last = grid.levels[grid.levels.length - 1];
  let [least, best, begin] = [Infinity, 0, 0];
  for (const below of LEFT_OUT) {
    for (const above of LEFT_OUT) {
      const from = low + below * (high - low);
      const factor = last / (high - above * (high - low) - from);
      const error = fitted(sample, grid, factor, from, 1);
      if (error < least) [least, best, begin] = [error, factor, from];
    }
  }
  return fitted(values, grid, best, begin);
}

/** The offset that `fitted` found last. */
const found = new Float64Array(1);
let levelsOf = new Float64Array(0);

/**
 * The least error of values that are put at the levels nearest to factor · (value − begin): with the scale, and the
 * offset, that regression gives for these, and again with the levels nearest by those.
 */
function fitted(values: Float64Array, grid: Grid, factor: number, begin: number, times = 3): number {
  const { levels, offset } = grid;
  const count = values.length;
  if (levelsOf.length < count) levelsOf = new Float64Array(count);
  const put = levelsOf;
  let least = Infinity;
  let inverse = factor;
  let from = begin;
  for (let time = 0; time < times; time++) {
    let one = 0;
    let other = 0;
    let squares = 0;
    let product = 0;
    for (let i = 0; i < count; i++) {
      const value = values[i] - from;
      const level = levels[nearest(grid, inverse * value)];
      put[i] = level;
      one += level;
      other += value;
      squares += level * level;
      product += level * value;
    }
    const centred = offset ? one / count : 0;
    const spread = squares - centred * one;
    const scale = spread > 1e-9 * squares ? (product - centred * other) / spread : 0;
    const added = offset ? from + (other - scale * one) / count : 0;
    let error = 0;
    for (let i = 0; i < count; i++) {
      const left = values[i] - scale * put[i] - added;
      error += left * left;
    }
    if (error >= least) break;
    least = error;
    found[0] = added;
    if (scale === 0) break;
    inverse = 1 / scale;
    from = added;
  }
  return least;
}

function sumOfSquares(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value * value;
  return sum;
}
