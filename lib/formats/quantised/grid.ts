/** The levels of a format, as a search goes through them. */
export interface Grid {
  /** Ascending; where blocks have an offset, counted from the first. */
  readonly levels: Float64Array;
  /** The midpoints between neighbours. */
  readonly middles: Float64Array;
  /** From one to the next, where that is the same everywhere; else 0. */
  readonly step: number;
  readonly offset: boolean;
  /** Whether a level is there with either sign. */
  readonly symmetric: boolean;
}

const kept = new WeakMap<Float64Array, Partial<Record<'with' | 'without', Grid>>>();

/** The levels of a format, made ready once. */
export function gridOf(levels: Float64Array, offset: boolean): Grid {
  const grids = kept.get(levels) ?? {};
  kept.set(levels, grids);
  const key = offset ? 'with' : 'without';
  grids[key] ??= made(levels, offset);
  return grids[key];
}

function made(given: Float64Array, offset: boolean): Grid {
  const levels = offset ? given.map((level) => level - given[0]) : given;
  const count = levels.length;
  const step = (levels[count - 1] - levels[0]) / (count - 1);
  return {
    levels,
    middles: levels.subarray(1).map((level, i) => (levels[i] + level) / 2),
    step: levels.every((level, i) => level === levels[0] + i * step) ? step : 0,
    offset,
    symmetric: levels.every((level, i) => level === -levels[count - 1 - i]),
  };
}

/** The number of the level that is nearest to a value. */
export function nearest({ levels, middles, step }: Grid, value: number): number {
  const last = levels.length - 1;
  if (step > 0) {
    const at = Math.floor((value - levels[0]) / step + 0.5);
    return at < 0 ? 0 : at > last ? last : at;
  }
  let [from, to] = [0, last];
  while (from < to) {
    const between = (from + to) >> 1;
    if (value < middles[between]) to = between;
    else from = between + 1;
  }
  return from;
}
