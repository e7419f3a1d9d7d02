import type { Costs, Grid } from './grid.js';

/** The sum of what stands from one place to before another. */
export function sum(values: Float64Array, from: number, to: number): number {
  let all = 0;
  for (let i = from; i < to; i++) all += values[i];
  return all;
}

/** Bounds of groups whose models' costs add up to about the same. */
export function evenly(pair: Float64Array, from: number, to: number, groups: number): Int32Array {
  const all = sum(pair, from, to);
  const bounds = [from];
  let done = 0;
  for (let place = from; place < to; place++) {
    const [left, wanted] = [to - place, groups - bounds.length];
    // Every group gets a model, however much one of them weighs.
    const isFull = done * groups >= all * bounds.length || left <= wanted;
    if (isFull && bounds.length < groups && place > bounds.at(-1)!) bounds.push(place);
    done += pair[place];
  }
  return Int32Array.from([...bounds, to]);
}

/** What every group costs that is read. */
export function readingOf(bounds: Int32Array, { file }: Costs): Float64Array {
  return Float64Array.from({ length: bounds.length - 1 }, (_, group) => sum(file, bounds[group], bounds[group + 1]));
}

/** What the pairs of a tile cost, those of models with themselves among them. */
export function workOf({ bounds, tiles, extent }: Grid, tile: number, { pair }: Costs): number {
  const [row, column] = [tiles[2 * tile], tiles[2 * tile + 1]];
  const [first, end] = [bounds[column], bounds[column + 1]];
  if (extent.window === null && row !== column) return sum(pair, bounds[row], bounds[row + 1]) * sum(pair, first, end);
  let work = 0;
  for (let i = bounds[row]; i < bounds[row + 1]; i++) {
    const last = extent.window === null ? end : Math.min(end, i + extent.window + 1);
    work += pair[i] * sum(pair, Math.max(i, first), last);
  }
  return work;
}
