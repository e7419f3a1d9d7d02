/** Numbers from `from` to `to` − 1. */
export type Span = readonly [from: number, to: number];

/**
 * Which inner products of n different models are wanted, by their numbers: for i ≤ j, as ⟨j,i⟩ is the same number.
 * Every model is wanted with itself, for its norm.
 */
export interface PairSet {
  readonly count: number;
  /** The j ≥ i wanted with i: ascending, apart from each other. */
  spans(i: number): readonly Span[];
}

/** How many pairs there are of so many models, with themselves. */
export const allOf = (count: number): number => (count * (count + 1)) / 2;

/** Every pair. */
export function allPairs(count: number): PairSet {
  return { count, spans: (i) => [[i, count]] };
}

/**
 * Rows against columns, where a model may be both. In the order of models they lie like this:
 *
 *     rows only     both     columns only
 *     0 … a − 1   a … b − 1   b … n − 1
 */
export function crossPairs(a: number, b: number, count: number): PairSet {
  return {
    count,
    spans: (i) => {
      if (i >= a) return [[i, i < b ? count : i + 1]];
      return a < count ? joined([i, i + 1], [a, count]) : [[i, i + 1]];
    },
  };
}

function joined(first: Span, second: Span): readonly Span[] {
  return first[1] < second[0] ? [first, second] : [[first[0], second[1]]];
}

/**
 * Pairs at most `window` places apart in a series.
 * @param series the model at every place; a model may stand at several.
 */
export function bandPairs(count: number, series: Int32Array, window: number): PairSet {
  const places: number[][] = Array.from({ length: count }, () => []);
  for (const [place, model] of series.entries()) places[model].push(place);
  return {
    count,
    spans: (i) => {
      const wanted = new Set([i]);
      for (const place of places[i]) {
        for (let near = Math.max(0, place - window); near <= place + window && near < series.length; near++) {
          if (series[near] > i) wanted.add(series[near]);
        }
      }
      return compressed([...wanted].sort((p, q) => p - q));
    },
  };
}

function compressed(ascending: readonly number[]): Span[] {
  const spans: [number, number][] = [];
  for (const j of ascending) {
    const last = spans.at(-1);
    if (last?.[1] === j) last[1] = j + 1;
    else spans.push([j, j + 1]);
  }
  return spans;
}

/** How many pairs are wanted. */
export function pairCount({ count, spans }: PairSet): number {
  let pairs = 0;
  for (let i = 0; i < count; i++) for (const [from, to] of spans(i)) pairs += to - from;
  return pairs;
}
